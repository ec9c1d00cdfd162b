"""HDF5 files of other programs: NXdata found, walked and read without leaving the file."""

import contextlib
import os
from collections.abc import Iterator

import h5py
import numpy as np

from .recording import Recording, axis_name, even_spacing, memory, plain_unit

# gzip shrinks at most about 1030 times; a file that claims far more holds unwritten or hostile data.
MOST_COMPRESSED = 2000
MOST_LINKS = 16


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An HDF5 file for reading; damage is a ValueError that names the file."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except PermissionError:
        raise
    except ValueError as error:  # one that names the file is ours; h5py has its own for damaged types
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: is damaged ({error}).") from error
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is truncated, damaged or no HDF5 file ({error}).") from error


@contextlib.contextmanager
def damaged(path, name: str) -> Iterator[None]:
    """Failures of the HDF5 library inside the block are reported as damage of the file."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {name!r} cannot be read; the file is damaged ({error}).") from error


def text(value) -> str:
    """A string attribute; old writers store bytes, in UTF-8 or Latin-1, or an array of one."""
    single = value.flat[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    if isinstance(single, str):  # h5py hides bytes that are no UTF-8 in surrogates
        single = single.encode("utf-8", "surrogateescape")
    if isinstance(single, bytes):
        try:
            return single.decode("utf-8")
        except UnicodeDecodeError:
            return single.decode("latin-1")
    return str(single)


def words(value) -> tuple[str, ...]:
    """A list of names: an array of strings, or one string with colons or commas between them."""
    if isinstance(value, np.ndarray) and value.size > 1:
        return tuple(text(v) for v in value.ravel())
    return tuple(w.strip() for w in text(value).strip("[]").replace(",", ":").split(":"))


def fetch(path, group, name: str):
    """The group or data set at a path inside the file; links out of the file and loops are refused."""
    node, hops = group, 0
    parts = [p for p in name.split("/") if p]
    if name.startswith("/"):
        node = group.file["/"]
    while parts:
        part = parts.pop(0)
        if part == ".":
            continue
        kind, target = _link(node, part)
        if kind is None:
            raise ValueError(f"{path}: {name!r} is missing ({part!r} is not there).")
        if kind == h5py.h5l.TYPE_EXTERNAL:
            raise ValueError(
                f"{path}: {name!r} is a link into another file ({target!r}), which is not followed; "
                "load that file, or copy the data into one."
            )
        if kind == h5py.h5l.TYPE_SOFT:
            hops += 1
            if hops > MOST_LINKS:
                raise ValueError(f"{path}: {name!r} is a loop of links; the file is damaged.")
            if target.startswith("/"):
                node = group.file["/"]
            parts = [p for p in target.split("/") if p] + parts
            continue
        node = node[part]
    return node


def _link(node, name: str):
    """Kind and target of a link, looked at without following it; (None, "") where there is none."""
    if not isinstance(node, h5py.Group) or not node.id.links.exists(name.encode()):
        return None, ""
    kind = node.id.links.get_info(name.encode()).type
    if kind == h5py.h5l.TYPE_SOFT:
        return kind, text(node.id.links.get_val(name.encode()))
    if kind == h5py.h5l.TYPE_EXTERNAL:
        return kind, text(node.id.links.get_val(name.encode())[0])
    return kind, ""


def holds(group, name: str) -> bool:
    """Whether a group has an entry of that name, wherever it leads."""
    return _link(group, name)[0] is not None


def own(group: h5py.Group) -> list[str]:
    """Names of what lies in a group itself, without its links to other places."""
    return [name for name in group if _link(group, name)[0] == h5py.h5l.TYPE_HARD]


def shape_checked(path, node) -> h5py.Dataset:
    """A data set whose values lie in this file and fit its size."""
    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"{path}: {getattr(node, 'name', node)!r} must be a data set, it is a group.")
    if node.is_virtual or node.external:
        raise ValueError(
            f"{path}: the values of {node.name!r} lie in other files, which are not read; copy them into one."
        )
    stored, size = node.id.get_storage_size(), node.size or 0
    if size * node.dtype.itemsize > min(memory(), MOST_COMPRESSED * stored + 2**20):
        raise ValueError(
            f"{path}: {node.name!r} claims shape {node.shape}, {size * node.dtype.itemsize / 1e9:.3g} GB, "
            f"out of {stored / 1e9:.3g} GB stored; it is damaged, never written or too big."
        )
    return node


def values(path, name: str, first: bool = False, part: slice | None = None) -> np.ndarray:
    """All values of a data set, or the first entry along its first axis, or some of them."""
    with opened(path) as file:
        node = shape_checked(path, fetch(path, file, name))
        if not node.size:
            raise ValueError(f"{path}: {name!r} of shape {node.shape} holds no value.")
        with damaged(path, name):
            return np.asarray(node[0] if first else node[...] if part is None else node[part])


def datasets(path, group) -> list[str]:
    """Names of all data sets below a group, not following links."""
    found: list[str] = []
    group.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    return found


def record(path, file: h5py.File, dataset: str | None) -> Recording:
    """What a NeXus or plain HDF5 file of another program states of a movie."""
    node = fetch(path, file, dataset) if dataset else _chosen(path, file)
    group = node if isinstance(node, h5py.Group) else node.parent
    if isinstance(node, h5py.Group):
        node = fetch(path, group, _signal(path, group))
    signal = shape_checked(path, node)
    if signal.dtype.kind not in "iuf" or not 1 <= signal.ndim <= 5:
        raise ValueError(f"{path}: {signal.name!r} has shape {signal.shape} of {signal.dtype}, which is no movie.")
    return described(path, group, signal, _axes(group, signal))


def described(path, group: h5py.Group, signal: h5py.Dataset, stated: tuple[str, ...]) -> Recording:
    """What a group says of its signal, whose axes are named ``stated``."""
    names = [axis_name(word) for word in stated]
    known = len(names) == signal.ndim and None not in names and len(set(names)) == len(names)
    axes = tuple(n for n in names if n) if known else None

    times, axis, refused = None, "energy" if "energy" in names else "time", ""
    labels: dict[str, str] = {"value": text(signal.attrs.get("units", "")).strip()}
    spacing: dict[str, float] = {}
    # one image of an energy scan holds its single energy beside the signal
    beside = [w for w in ("energy", "time") if axes and not {"energy", "time"} & set(axes) and holds(group, w)]
    for position, word in [*enumerate(stated), *((None, w) for w in beside[:1])]:
        name = axis_name(word)
        if name in (None, "channel") or not holds(group, word) or signal.ndim < len(stated):
            continue
        node = shape_checked(path, fetch(path, group, word))
        if node.shape != ((1,) if position is None else signal.shape[position : position + 1]):
            continue
        where = np.asarray(node[...], float)
        unit = text(node.attrs.get("units", "")).strip()
        if name in ("time", "energy"):
            times, axis, labels["time"] = where, name, unit
        elif where.size > 1:
            step = even_spacing(where)
            if step is None:
                refused = f"positions along {word!r} are not evenly spaced; resample the frames first"
            else:
                spacing[name], labels[name] = step, unit
    lengths = sorted({labels[n] for n in spacing})
    if len({plain_unit(unit) for unit in lengths}) > 1:
        refused = f"its space axes have different units ({', '.join(lengths)}); convert them to one first"
    here = signal.name
    return Recording(
        path=os.fspath(path),
        format="HDF5 (NeXus NXdata)" if "signal" in group.attrs or "signal" in signal.attrs else "HDF5",
        shape=signal.shape,
        dtype=str(signal.dtype),
        read=lambda: values(path, here),
        first=lambda: values(path, here, first=True),
        part=lambda frames: values(path, here, part=frames),
        axes=axes,
        stated=", ".join(stated) or "nothing",
        times=times,
        axis=axis,
        spacing=spacing,
        units=((lengths or [""])[0] or None, labels.get("time") or None, labels["value"] or None),
        variance=_uncertainty(path, group, signal),
        refused=refused,
        notes=(f"signal {here}",),
    )


def _uncertainty(path, group, signal: h5py.Dataset):
    """A reader of the variance, from the standard deviations that NXdata keeps beside a signal."""
    own = signal.name.rsplit("/", 1)[-1]
    name = next((n for n in (f"{own}_errors", "errors") if holds(group, n)), None)
    if name is None:
        return None
    node = shape_checked(path, fetch(path, group, name))
    if node.shape != signal.shape:
        raise ValueError(f"{path}: {node.name!r} has shape {node.shape}, its signal {signal.shape}; they must agree.")
    here = node.name
    return lambda: values(path, here).astype(float) ** 2


def _chosen(path, file: h5py.File):
    """The file's default NXdata, else its only one, else its only array that can be a movie."""
    node, hops = file, 0
    while "default" in node.attrs and hops < MOST_LINKS:
        hops += 1
        node = fetch(path, node, text(node.attrs["default"]))
        if not isinstance(node, h5py.Group) or text(node.attrs.get("NX_class", "")) == "NXdata":
            return node
    plots: list[str] = []
    movies: list[str] = []

    def visit(name, node):
        if isinstance(node, h5py.Group) and text(node.attrs.get("NX_class", "")) == "NXdata":
            plots.append(name)
        elif isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "iuf":
            movies.append(name)

    file.visititems(visit)
    found = plots or movies
    if len(found) != 1:
        held = f"holds {len(found)} candidates ({', '.join(found[:8])})" if found else "holds no array of frames"
        raise ValueError(f"{path}: {held}; pass `dataset=`, the path of the one inside the file.")
    return fetch(path, file, found[0])


def _signal(path, group: h5py.Group) -> str:
    if "signal" in group.attrs:
        return text(group.attrs["signal"])
    marked = [n for n in own(group) if "signal" in group[n].attrs]
    if len(marked) != 1:
        raise ValueError(f"{path}: {group.name!r} does not say which of its data sets is the signal; pass `dataset=`.")
    return marked[0]


def _axes(group: h5py.Group, signal: h5py.Dataset) -> tuple[str, ...]:
    if "axes" in group.attrs and text(group.attrs.get("signal", "")) in ("", signal.name.rsplit("/", 1)[-1]):
        return words(group.attrs["axes"])
    return words(signal.attrs["axes"]) if "axes" in signal.attrs else ()

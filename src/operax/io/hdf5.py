"""Native files: HDF5 laid out as NeXus NXdata, exact, with a stated schema."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from ..movie import Movie
from . import nexus, nxstxm
from .atomic import replacing
from .nexus import damaged, fetch, shape_checked, text, words
from .recording import Recording

MOVIE, ARRAYS = "operax-movie", "operax-arrays"
VERSION = 1

# Layout of HDF5 1.10 and later: unlike the oldest one it guards its own structure with checksums.
LIBRARY = "v110"


def write_movies(path: str | os.PathLike, movies: Iterable[Movie]) -> None:
    """Write successive parts of one movie to HDF5 that any NeXus reader can plot and `load` reads back exactly.

    Each part is written before the next is asked for.

    Raises
    ------
    ValueError
        If there is no part, or one does not continue the one before.
    OSError
        If the file cannot be written; what stood at ``path`` is then untouched.
    """
    with replacing(path) as part, h5py.File(part, "w", libver=LIBRARY) as file:
        before: Movie | None = None
        for movie in movies:
            if before is None:
                _begin(file, movie)
            else:
                _continue(file["entry/movie"], before, movie)
            before = movie
        if before is None:
            raise ValueError(f"{path}: there is no movie to write; the parts to save were empty.")


def _continue(data, before: Movie, movie: Movie) -> None:
    """Add the frames of a movie to those written."""
    whole = (before.domain, before.units, before.reads, before.axis, before.variance is None)
    if (movie.domain, movie.units, movie.reads, movie.axis, movie.variance is None) != whole:
        raise ValueError(
            "the parts of a movie must agree in domain, units, `reads`, axis, and whether they have a variance; the "
            f"part that begins at {float(movie.times[0]):g} differs from the one before."
        )
    if not movie.times[0] > before.times[-1]:
        raise ValueError(
            f"the parts of a movie must follow each other; one begins at {float(movie.times[0]):g} after a frame at "
            f"{float(before.times[-1]):g}."
        )
    fields = {"frames": np.asarray(movie.frames), movie.axis: np.asarray(movie.times)}
    if movie.variance is not None:
        fields["variance"] = np.broadcast_to(np.asarray(movie.variance), movie.frames.shape)
    for name, values in fields.items():
        node = data[name]
        if node.shape[1:] != values.shape[1:]:
            raise ValueError(
                f"the parts of a movie must have frames of one shape, got {node.shape} and {values.shape}."
            )
        node.resize(len(node) + len(values), 0)
        node[-len(values) :] = values


def _begin(file: h5py.File, movie: Movie) -> None:
    """Lay the file out and write the first frames."""
    length, time, value = movie.units
    centres = dict(zip(movie.domain.axes, movie.domain.centres()))
    _stamp(file, MOVIE)
    entry = _group(file, "entry", "NXentry")
    _state(entry, "default", "movie")
    data = _group(entry, "movie", "NXdata")
    _state(data, "signal", "frames")
    _state(data, "axes", movie.axes)
    _state(data, "boundary", movie.domain.boundary)
    data.attrs["spacing"] = np.array(movie.domain.spacing, float)
    data.attrs["reads"] = np.array(movie.reads, np.int64)
    _field(data, "frames", np.asarray(movie.frames), value, grows=True)
    _field(data, movie.axis, np.asarray(movie.times), time, grows=True)
    for name, positions in centres.items():
        _field(data, name, positions, length)
    if movie.channels_ndim:
        _field(data, "channel", np.arange(movie.frames.shape[-1]), "1")
    if movie.variance is not None:
        whole = movie.variance.shape == movie.frames.shape
        _field(data, "variance", np.asarray(movie.variance), "1" if value == "1" else f"({value})^2", grows=whole)
    if movie.domain.masked:
        _field(data, "inside", movie.domain.inside.astype(np.uint8), "1")


def write_arrays(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, str | int | float]
) -> None:
    """Write named arrays and named attributes to HDF5, as an NXcollection.

    Parameters
    ----------
    path
        File to write.
    arrays
        Numbers, booleans or strings by name; a name may hold slashes, which make groups.
    attributes
        Strings and numbers by name.

    Raises
    ------
    TypeError
        If an array is not of numbers, booleans or strings, or an attribute not a string or number.
    """
    with replacing(path) as part, h5py.File(part, "w", libver=LIBRARY) as file:
        _stamp(file, ARRAYS)
        group = _group(_group(file, "entry", "NXentry"), "arrays", "NXcollection")
        for name, value in attributes.items():
            if not isinstance(value, (str, int, float, np.integer, np.floating)):
                raise TypeError(f"attribute {name!r} must be a string or a number, got {type(value).__name__}.")
            if isinstance(value, str):
                _state(group, name, value)
            else:
                group.attrs[name] = value
        for name, array in arrays.items():
            values = np.asarray(array)
            if values.dtype.kind not in "biufcU":
                raise TypeError(f"array {name!r} must hold numbers, booleans or strings, got dtype {values.dtype}.")
            _field(group, name, values.astype(h5py.string_dtype()) if values.dtype.kind == "U" else values, "1")


def read_arrays(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_arrays` wrote: named arrays, and named attributes.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer schema, or holds no such arrays.
    """
    with nexus.opened(path) as file:
        if _schema(path, file) != ARRAYS:
            raise ValueError(f"{path}: holds no operax arrays (schema {ARRAYS!r}); movies are read with `load`.")
        group = fetch(path, file, "entry/arrays")
        found: dict[str, np.ndarray] = {}
        for name in nexus.datasets(path, group):
            node = shape_checked(path, fetch(path, group, name))
            with damaged(path, name):
                found[name] = node.asstr()[...].astype(str) if h5py.check_string_dtype(node.dtype) else node[...]
            found[name] = np.asarray(found[name])
        stated = {name: value for name, value in group.attrs.items() if name != "NX_class"}
        return found, {
            name: text(value) if isinstance(value, (str, bytes)) else np.asarray(value).item()
            for name, value in stated.items()
        }


def holds_arrays(path: str | os.PathLike) -> bool:
    """Whether a file was written by `write_arrays`."""
    with nexus.opened(path) as file:
        return _schema(path, file) == ARRAYS


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What an HDF5 file states of a movie: native files exactly, others as far as NXdata says.

    Raises
    ------
    ValueError
        If the file is damaged, incomplete, of a newer schema, reaches into other files, or does not say which
        of its data sets is meant.
    """
    if dataset is not None and not isinstance(dataset, str):
        raise ValueError(
            f"{path}: `dataset` of an HDF5 file is a path inside it, such as 'entry/data', got {dataset!r}."
        )
    with nexus.opened(path) as file:
        schema = _schema(path, file)
        if schema == ARRAYS:
            raise ValueError(f"{path}: holds arrays of a result, not a movie; read them with `operax.io.read_arrays`.")
        if schema is None and nxstxm.follows(path, file):
            return nxstxm.record(path, file, dataset)
        if schema != MOVIE or dataset is not None:
            return nexus.record(path, file, dataset)
        return _native(path, file)


def _native(path, file: h5py.File) -> Recording:
    data = fetch(path, file, "entry/movie")
    missing = [name for name in ("axes", "boundary", "spacing", "reads") if name not in data.attrs]
    if missing:
        raise ValueError(f"{path}: the attribute {', '.join(missing)} of entry/movie is missing; the file is damaged.")
    axes = words(data.attrs["axes"])
    frames = shape_checked(path, fetch(path, data, "frames"))
    times = shape_checked(path, fetch(path, data, axes[0]))
    space = [name for name in axes[1:] if name != "channel"]
    spacing = np.atleast_1d(data.attrs["spacing"]).tolist()
    if len(axes) != frames.ndim or len(space) != len(spacing):
        raise ValueError(f"{path}: axes {axes} and spacing {spacing} do not fit frames of shape {frames.shape}.")
    units = [text(fetch(path, data, name).attrs.get("units", "")) for name in (space[0], axes[0], "frames")]
    with damaged(path, "entry/movie"):
        clock = times[...]
        held = shape_checked(path, fetch(path, data, "inside")) if nexus.holds(data, "inside") else None
        inside = None if held is None else held[...].astype(bool)
    has_variance = nexus.holds(data, "variance")
    # a variance of another shape is broadcast, and read as a whole
    in_parts = has_variance and shape_checked(path, fetch(path, data, "variance")).shape == frames.shape
    return Recording(
        path=os.fspath(path),
        format=f"operax HDF5 (NeXus NXdata), schema {MOVIE} version {int(file.attrs['schema_version'])}",
        shape=frames.shape,
        dtype=str(frames.dtype),
        read=lambda: nexus.values(path, "entry/movie/frames"),
        first=lambda: nexus.values(path, "entry/movie/frames", first=True),
        part=lambda part: nexus.values(path, "entry/movie/frames", part=part),
        axes=axes,
        times=clock,
        axis=axes[0],
        spacing=dict(zip(space, spacing)),
        units=(units[0], units[1], units[2]),
        variance=(lambda: nexus.values(path, "entry/movie/variance")) if has_variance else None,
        variance_part=(lambda part: nexus.values(path, "entry/movie/variance", part=part)) if in_parts else None,
        inside=inside,
        boundary=words(data.attrs["boundary"]),
        reads=tuple(int(n) for n in np.atleast_1d(data.attrs["reads"])),
    )


def _schema(path, file: h5py.File) -> str | None:
    """The file's own schema, refused where a newer operax wrote it."""
    if "schema" not in file.attrs:
        return None
    schema, version = text(file.attrs["schema"]), file.attrs.get("schema_version")
    if schema not in (MOVIE, ARRAYS):
        return None
    if not isinstance(version, (int, np.integer)) or version < 1:
        raise ValueError(f"{path}: its schema {schema!r} has no valid `schema_version`, got {version!r}.")
    if version > VERSION:
        raise ValueError(
            f"{path}: has version {version} of the schema {schema!r}, this operax knows up to {VERSION}; "
            "upgrade operax."
        )
    return schema


def _stamp(file: h5py.File, schema: str) -> None:
    _state(file, "NX_class", "NXroot")
    _state(file, "default", "entry")
    _state(file, "creator", "operax")
    _state(file, "schema", schema)
    file.attrs["schema_version"] = np.int64(VERSION)


def _group(parent, name: str, kind: str):
    group = parent.create_group(name)
    _state(group, "NX_class", kind)
    return group


def _field(group, name: str, values: np.ndarray, units: str, grows: bool = False) -> None:
    # fletcher32: a flipped bit on disk is noticed on reading, not taken for data
    if (values.size > 1 or grows) and values.dtype.kind != "O":
        guarded = {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": True}
        most = (None, *values.shape[1:]) if grows else None
        node = group.create_dataset(name, data=values, maxshape=most, **guarded)
    else:
        node = group.create_dataset(name, data=values)
    _state(node, "units", units)


def _state(node, name: str, words: str | Sequence[str]) -> None:
    """Write text as an attribute of fixed length: variable lengths live in a heap without checksums."""
    raw = words.encode() if isinstance(words, str) else [word.encode() for word in words]
    longest = len(raw) if isinstance(raw, bytes) else max(map(len, raw))
    node.attrs[name] = np.array(raw, h5py.string_dtype("utf-8", max(longest, 1)))

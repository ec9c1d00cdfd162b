"""STXM energy stacks of the ALS and CLS: a text header (.hdr) with one text image (.xim) for each energy."""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .recording import Recording, axis_name, even_spacing, memory

TOKEN = re.compile(r'\s*(?:"(?P<text>[^"]*)"|(?P<mark>[={}(),;])|(?P<word>[^\s"={}(),;]+))')
DEEPEST = 16  # levels of braces; real headers have five
LONGEST_HEADER = 2**24  # bytes; real headers have about 20 kB
WIDEST_NUMBER = 40  # characters of one number and the blank after it


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What an STXM stack states: energies, positions and counts.

    Rows run along the header's QAxis and columns along its PAxis, as the lines and entries of each .xim do.

    Parameters
    ----------
    path
        The .hdr, a folder with one, or a zip archive of it.
    dataset
        Name of the scan, where a folder or archive holds several.

    Raises
    ------
    ValueError
        If the header is no image stack of one region, if images are missing or do not fit it.
    """
    members = _members(Path(path))
    headers = {Path(name).stem: name for name in members if name.lower().endswith(".hdr")}
    scan = next(iter(headers)) if dataset is None and len(headers) == 1 else dataset
    if scan not in headers:
        raise ValueError(
            f"{path}: `dataset` must name one of its {len(headers)} scans (.hdr): "
            f"{', '.join(sorted(headers)[:8])}; got {dataset!r}."
        )
    if members[headers[scan]] > LONGEST_HEADER:
        raise ValueError(f"{path}: its header has {members[headers[scan]]} bytes, which no scan needs; it is damaged.")
    header = parse(path, _bytes(Path(path), headers[scan]).decode("latin-1"))
    columns, rows, stack = _axes(path, header)
    shape = (len(stack["Points"]), len(rows["Points"]), len(columns["Points"]))
    images = _images(path, members, headers[scan], scan, shape)
    steps = {"row": even_spacing(rows["Points"]), "column": even_spacing(columns["Points"])}
    uneven = [name for name, step in steps.items() if step is None]
    refused = (
        f"positions along {' and '.join(uneven)} are not evenly spaced; resample the stack first" if uneven else ""
    )
    if rows["Unit"] != columns["Unit"]:
        refused = f"rows are in {rows['Unit']!r} and columns in {columns['Unit']!r}; convert the header to one unit"
    axis = axis_name(str(stack.get("Name", "")))
    if axis not in ("energy", "time"):
        raise ValueError(f"{path}: the stack runs along {stack.get('Name')!r}; only energy and time can be read.")
    kinds = _listed(header["ScanDefinition"].get("Channels"))
    return Recording(
        path=os.fspath(path),
        format="STXM stack (.hdr, .xim)",
        shape=shape,
        dtype="float64",
        read=lambda: np.stack([_image(path, name, shape) for name in images]),
        first=lambda: _image(path, images[0], shape),
        part=lambda part: np.stack([_image(path, name, shape) for name in images[part]]),
        axes=(axis, "row", "column"),
        times=np.asarray(stack["Points"], float),
        axis=axis,
        spacing={name: step for name, step in steps.items() if step is not None},
        units=(
            rows["Unit"] or None,
            stack["Unit"] or None,
            str(kinds[0].get("Unit", "")) or None if kinds else None,
        ),
        refused=refused,
        notes=tuple(f"{key}: {header['ScanDefinition'][key]}" for key in ("Type",) if key in header["ScanDefinition"]),
    )


def parse(path, header: str) -> dict[str, Any]:
    """The nested ``name = value;`` text of a .hdr as dictionaries, lists, strings and numbers.

    Raises
    ------
    ValueError
        If the text does not follow the format.
    """
    tokens = _tokens(path, header)
    found = _pairs(path, tokens, 0)
    if "ScanDefinition" not in found or not isinstance(found["ScanDefinition"], dict):
        raise ValueError(f"{path}: its header has no `ScanDefinition`; it is damaged or of another kind.")
    return found


def _tokens(path, header: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(header.rstrip())
    while at < end:
        match = TOKEN.match(header, at)
        if match is None:
            raise ValueError(f"{path}: its header cannot be understood at {header[at : at + 30]!r}.")
        at = match.end()
        yield str(match.lastgroup), match[str(match.lastgroup)]
    yield "end", ""


def _pairs(path, tokens, depth: int) -> dict[str, Any]:
    """``name = value`` pairs up to a closing brace or the end of the text."""
    found: dict[str, Any] = {}
    for kind, token in tokens:
        if (kind == "end" and depth == 0) or (token == "}" and kind == "mark" and depth > 0):
            return found
        if kind == "mark" and token == ";":
            continue
        if kind != "word" or next(tokens) != ("mark", "="):
            break
        found[token] = _value(path, tokens, next(tokens), depth)
    raise ValueError(f"{path}: its header breaks off or is damaged{f' after {list(found)[-1]!r}' if found else ''}.")


def _value(path, tokens, token: tuple[str, str], depth: int) -> Any:
    kind, word = token
    if depth >= DEEPEST:
        raise ValueError(f"{path}: its header is nested more than {DEEPEST} deep; it is damaged.")
    if token == ("mark", "{"):
        return _pairs(path, tokens, depth + 1)
    if token == ("mark", "("):
        items: list[Any] = []
        for item in tokens:
            if item == ("mark", ")"):
                return items
            if item == ("end", ""):
                break
            if item[1] not in (",", ";"):
                items.append(_value(path, tokens, item, depth + 1))
    elif kind == "text":
        return word
    elif kind == "word":
        try:
            return float(word)
        except ValueError:
            return word
    raise ValueError(f"{path}: its header breaks off or is damaged near {word!r}.")


def _listed(value: Any) -> list[Any]:
    """The items of a header list, which begins with their number."""
    if not isinstance(value, list) or not value or value[0] != len(value) - 1:
        return []
    return value[1:]


def _axes(path, header: Mapping[str, Any]) -> list[dict[str, Any]]:
    scan = header["ScanDefinition"]
    regions = _listed(scan.get("Regions"))
    if len(regions) != 1 or not isinstance(regions[0], dict):
        raise ValueError(f"{path}: its header holds {len(regions)} regions; only scans of one region can be read.")
    found = []
    for name, holder in (("PAxis", regions[0]), ("QAxis", regions[0]), ("StackAxis", scan)):
        axis = holder.get(name)
        axis = axis if isinstance(axis, dict) else {}
        points = _listed(axis.get("Points"))
        if not points or not all(isinstance(p, float) for p in points):
            raise ValueError(f"{path}: its header has no {name} with as many points as it says; it is no image stack.")
        found.append({**axis, "Points": points, "Unit": str(axis.get("Unit", "")).strip()})
    return found


def _members(path: Path) -> dict[str, int]:
    """Names and sizes of the files that belong together; none is ever unpacked onto the disk."""
    if path.is_dir() or path.suffix.lower() == ".hdr":
        folder = path if path.is_dir() else path.parent
        found = {p.name: p.stat().st_size for p in folder.iterdir() if p.suffix.lower() in (".hdr", ".xim")}
        kept = (
            found if path.is_dir() else {n: s for n, s in found.items() if n == path.name or n.lower().endswith(".xim")}
        )
        if not any(name.lower().endswith(".hdr") for name in kept):
            raise ValueError(f"{path}: the folder holds no STXM stack (.hdr); give the path of a file.")
        return kept
    with zipfile.ZipFile(path) as archive:
        return {info.filename: info.file_size for info in archive.infolist() if info.filename[-1:] != "/"}


def _bytes(path: Path, name: str) -> bytes:
    if path.is_dir() or path.suffix.lower() == ".hdr":
        return ((path if path.is_dir() else path.parent) / name).read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {name!r} in the archive is damaged or locked ({error}).") from error


def _images(path, members: Mapping[str, int], header: str, scan, shape: tuple[int, ...]) -> list[str]:
    """The .xim of each energy, in order, with sizes that the shape allows."""
    folder = header[: len(header) - len(Path(header).name)]
    pattern = re.compile(re.escape(f"{folder}{scan}") + r"_a(\d+)\.xim", re.IGNORECASE)
    numbered = sorted((int(m[1]), name) for name in members if (m := pattern.fullmatch(name)))
    if [number for number, _ in numbered] != list(range(shape[0])):
        raise ValueError(
            f"{path}: its header lists {shape[0]} energies, so {scan}_a000 to _a{shape[0] - 1:03d}.xim "
            f"are required; found {len(numbered)}."
        )
    pixels = shape[1] * shape[2]
    wrong = [name for _, name in numbered if not 2 * pixels - 1 <= members[name] <= WIDEST_NUMBER * pixels]
    if wrong or shape[0] * pixels * 8 > memory():
        raise ValueError(
            f"{path}: {(wrong or [header])[0]!r} cannot hold {shape[1]} x {shape[2]} numbers; it is damaged."
        )
    return [name for _, name in numbered]


def _image(path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    try:
        image = np.loadtxt(io.BytesIO(_bytes(Path(path), name)), ndmin=2, comments=None)
    except ValueError as error:
        raise ValueError(f"{path}: {name!r} is no table of numbers ({error}).") from error
    if image.shape != shape[1:]:
        raise ValueError(f"{path}: {name!r} holds {image.shape} numbers, the header says {shape[1:]}.")
    return image

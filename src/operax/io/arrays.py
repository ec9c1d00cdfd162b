"""Arrays in and out: numpy files, and xarray with its named axes and coordinates."""

import dataclasses
import os
import tokenize
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

from ..movie import Movie
from .recording import FRAME_AXES, SPACE_AXES, Recording, axis_name, even_spacing, plain_unit
from .settle import settle


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What a .npy or .npz states of a movie: shape and type, nothing else.

    Raises
    ------
    ValueError
        If it is damaged, holds Python objects, or several arrays and ``dataset`` picks none of them.
    """
    with open(path, "rb") as file:
        zipped = file.read(2) == b"PK"
    if not zipped:
        if dataset is not None:
            raise ValueError(f"{path}: a .npy holds one array, `dataset` cannot be used; leave it out.")
        found = _recording(path, "numpy .npy", *_header_of(path), lambda: _mapped(path)[...], lambda: _mapped(path)[0])
        return dataclasses.replace(found, part=lambda part: _mapped(path)[part])
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    chosen = names[0] if dataset is None and len(names) == 1 else dataset
    if chosen not in names:
        raise ValueError(f"{path}: `dataset` must be one of its arrays {', '.join(names[:8])}; got {dataset!r}.")
    shape, dtype = _header_of(path, f"{chosen}.npy")

    def read() -> np.ndarray:
        try:
            with np.load(path, allow_pickle=False) as held:
                return held[chosen]
        except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: array {chosen!r} is truncated or damaged ({error}).") from error

    return _recording(path, f"numpy .npz, array {chosen!r}", shape, dtype, read, lambda: read()[0])


def _recording(path, kind, shape, dtype, read, first) -> Recording:
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{path}: holds {dtype} values; a movie is made of real numbers.")
    return Recording(path=os.fspath(path), format=kind, shape=shape, dtype=str(dtype), read=read, first=first)


def _mapped(path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: is truncated or damaged ({error}).") from error


def _header_of(path, member: str | None = None) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type from the header alone, and that the file is long enough for them."""
    try:
        if member is None:
            with open(path, "rb") as file:
                shape, dtype = _npy_header(file)
                held = os.path.getsize(path) - file.tell()
        else:
            with zipfile.ZipFile(path) as archive, archive.open(member) as entry:
                shape, dtype = _npy_header(entry)  # type: ignore[arg-type]
                held = archive.getinfo(member).file_size - entry.tell()
    except (ValueError, EOFError, OSError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: is truncated or damaged ({error}).") from error
    if dtype.hasobject:
        raise ValueError(
            f"{path}: holds Python objects, which are never unpickled; save the array with a numeric dtype."
        )
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed > held:
        raise ValueError(f"{path}: is truncated; shape {shape} of {dtype} needs {needed} bytes, it has {held}.")
    return tuple(int(n) for n in shape), dtype


def _npy_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(file)
    except tokenize.TokenError as error:  # numpy mends old headers with Python's tokenizer
        raise ValueError(f"its header breaks off: {error}") from error
    return shape, dtype


def from_xarray(array: Any) -> Movie:
    """A movie from an xarray DataArray whose dimensions and coordinates say what they are.

    Dimensions are ``time`` or ``energy``, ``plane`` (``z``), ``row`` (``y``), ``column`` (``x``) and
    ``channel``, in any order. The coordinate of the first gives the times, those of space the pixel size;
    ``attrs["units"]`` of each coordinate and of the array give the units. Dates become seconds since the
    first frame. Coordinates ``variance`` and ``inside`` and attributes ``boundary`` and ``reads``, which
    `to_xarray` writes, are kept.

    Parameters
    ----------
    array
        An ``xarray.DataArray``.

    Raises
    ------
    TypeError
        If it is no DataArray.
    ValueError
        If a dimension has an unknown name, or a coordinate is missing or not even.
    ImportError
        If xarray is not installed (``operax[xarray]``).
    """
    xarray = _xarray()
    if not isinstance(array, xarray.DataArray):
        raise TypeError(
            f"`array` must be an xarray DataArray, got {type(array).__name__}; pick one with `dataset[name]`."
        )
    found = [axis_name(str(dim)) for dim in array.dims]
    names = [name for name in found if name]
    where = f"DataArray {array.name!r}" if array.name else "DataArray"
    if len(set(names)) != len(found):
        raise ValueError(
            f"{where}: dimensions must be time or energy, plane, row, column and channel, got {array.dims}; "
            "rename them with `array.rename(old='time')`."
        )
    times, spacing, units = None, {}, {"value": array.attrs.get("units")}
    for name, dim in zip(names, array.dims):
        if name == "channel":
            continue
        if dim not in array.coords:
            raise ValueError(
                f"{where}: dimension {dim!r} has no coordinate; add one with "
                f"`array.assign_coords({dim}=(\"{dim}\", values, {{\"units\": ...}}))`."
            )  # fmt: skip
        positions, unit = _positions(array.coords[dim])
        if name in FRAME_AXES:
            times, units["frame"] = positions, unit
            continue
        step = even_spacing(positions)
        if step is None:
            raise ValueError(
                f"{where}: the coordinate {dim!r} must be at least two evenly spaced positions; "
                "resample the frames, e.g. with `array.interp`."
            )
        spacing[name] = step
        if units.setdefault("space", unit) != unit:
            raise ValueError(f"{where}: space coordinates are in {units['space']!r} and {unit!r}; convert them to one.")
    recording = Recording(
        path=where,
        format="xarray",
        shape=array.shape,
        dtype=str(array.dtype),
        read=lambda: array.values,
        first=lambda: array.values[0],
        axes=tuple(names),
        times=times,
        axis=next((n for n in names if n in FRAME_AXES), "time"),
        spacing=spacing,
        units=(units.get("space"), units.get("frame"), units["value"]),
        variance=_beside(array, "variance", array.dims),
        inside=_inside(array, names),
        boundary=array.attrs.get("boundary", "no-flux"),
        reads=tuple(np.atleast_1d(array.attrs.get("reads", (0,))).tolist()),
    )
    return settle(recording)


def _positions(coordinate: Any) -> tuple[np.ndarray, str | None]:
    values = coordinate.values
    if values.dtype.kind in "mM":  # dates and durations carry their own unit
        return (values - values[0]) / np.timedelta64(1, "s"), "s"
    return values, plain_unit(coordinate.attrs.get("units"))


def _beside(array: Any, name: str, dims):
    if name not in array.coords:
        return None
    return lambda: array.coords[name].broadcast_like(array).transpose(*dims).values


def _inside(array: Any, names) -> np.ndarray | None:
    if "inside" not in array.coords:
        return None
    order = [array.dims[names.index(n)] for n in SPACE_AXES if n in names]
    return array.coords["inside"].transpose(*order).values


def to_xarray(movie: Movie) -> Any:
    """An xarray DataArray of a movie, with times, pixel centres and units; `from_xarray` reads it back.

    Raises
    ------
    ImportError
        If xarray is not installed (``operax[xarray]``).
    """
    xarray = _xarray()
    length, time, value = movie.units
    coords: dict[str, Any] = {movie.axis: (movie.axis, np.asarray(movie.times), {"units": time})}
    for name, centres in zip(movie.domain.axes, movie.domain.centres()):
        coords[name] = (name, centres, {"units": length})
    if movie.variance is not None:
        coords["variance"] = (movie.axes, np.broadcast_to(movie.variance, movie.frames.shape))
    if movie.domain.masked:
        coords["inside"] = (movie.domain.axes, movie.domain.inside)
    attrs = {"units": value, "boundary": list(movie.domain.boundary), "reads": list(movie.reads)}
    return xarray.DataArray(np.asarray(movie.frames), dims=movie.axes, coords=coords, attrs=attrs, name="frames")


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise ImportError("xarray is needed for this; install it with `pip install 'operax[xarray]'`.") from error
    return xarray

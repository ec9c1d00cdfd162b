"""load and save: the reader is picked by what a file holds, its name only says what was meant."""

import difflib
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import h5py
import numpy as np
from jaxtyping import Bool, Real

from ..movie import Movie
from . import arrays, fits, hdf5, netcdf, pictures, tiff, video, xim
from .recording import Recording
from .settle import settle

SUFFIXES = {
    "HDF5": (".h5", ".hdf5", ".nxs", ".he5", ".hdf"),
    "TIFF": (".tif", ".tiff"),
    "video": (".mp4", ".avi", ".mov", ".m4v", ".mkv", ".webm"),
    "numpy": (".npy", ".npz"),
    "STXM stack": (".hdr", ".zip"),
    "FITS": (".fits", ".fit", ".fts", ".fits.gz"),
    "picture": (".png", ".jpg", ".jpeg", ".bmp"),
}
# What a folder of images may hold.
IMAGES = {
    **dict.fromkeys(SUFFIXES["TIFF"], tiff.record),
    **dict.fromkeys(SUFFIXES["FITS"], fits.record),
    **dict.fromkeys(SUFFIXES["picture"], pictures.record),
}
SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "numpy",
    b"\x1aE\xdf\xa3": "video",
    b"SIMPLE  =": "FITS",
    b"\x89PNG\r\n\x1a\n": "picture",
    b"\xff\xd8\xff": "picture",
    b"BM": "picture",
}


@runtime_checkable
class AsArrays(Protocol):
    """A result that can be stored: ``as_arrays`` gives named arrays, and named attributes."""

    def as_arrays(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, str | int | float]]: ...


@runtime_checkable
class AsDraws(Protocol):
    """A result with draws: ``as_draws`` gives arrays (chain, draw, ...) by group and name, and what is said of them."""

    def as_draws(self) -> tuple[Mapping[str, Mapping[str, np.ndarray]], Mapping[str, str]]: ...


def load(
    path: str | os.PathLike,
    *,
    axes: str | Sequence[str] | None = None,
    spacing: float | Sequence[float] | None = None,
    times: float | Sequence[float] | Real[np.ndarray, " time"] | None = None,
    boundary: str | Sequence[str] | None = None,
    units: tuple[str, str, str] | None = None,
    channel: int | Literal["grey"] | None = None,
    inside: Bool[np.ndarray, "*space"] | None = None,
    dataset: str | int | None = None,
    frames: slice | None = None,
) -> Movie:
    """Read a movie from HDF5 (native, NeXus, NXstxm), TIFF, FITS, pictures, video, an STXM stack, .npy or .npz.

    The format is found from what the file holds. Arguments settle what the file does not state, or
    overrule it.

    Parameters
    ----------
    path
        The file; for an STXM stack (.hdr with .xim) the .hdr, its folder, or a zip of both. A folder of TIFF,
        FITS, PNG or JPEG images is one movie, a frame a file, in the natural order of their names.
    axes
        Order of the stored axes, as letters (``"tyx"``, ``"eyx"``, ``"tyxc"``) or words.
    spacing
        Pixel size: one number, or one for each of plane, row, column that there is.
    times
        Time (or energy) of each frame, or the interval between frames as one number, counted from zero.
    boundary
        As in `Domain`; no-flux where a file does not say.
    units
        Units of length, time and value. Spacing and times without a unit are accepted only where they count
        pixels and frames (steps of 1); a value without a unit is taken as a plain number, ``"1"``.
    channel
        Number of the colour channel to take, or ``"grey"`` for the mean of channels that agree within 2 % of
        the brightest value. Without it a colour movie keeps its channel axis.
    inside
        Particle mask, as in `Domain`.
    dataset
        Which part of the file: path inside HDF5, series number of TIFF, extension number of FITS, array of
        .npz, name of an STXM scan; of a folder, a pattern of names such as ``"sample_*.tif"``.
    frames
        Which frames to read, a slice of step one. HDF5, TIFF, .npy, folders and STXM stacks are then read in
        part, so that a movie larger than memory can be worked through; ``times`` is still that of all frames.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of no known kind, if something is still unknown, or if an argument cannot be
        used for this file; the message names the argument that settles it.
    ImportError
        If the file's compression needs a package that is not installed.

    Notes
    -----
    A video's frame rate is that of playback and is never used as time between frames. A TIFF's resolution in
    dots per inch is that of printing and is used as pixel size only where ImageJ says that it is one. Rows
    and columns keep the order in which they are stored, also where a stage coordinate falls.
    """
    recording = record(path, dataset)
    return settle(
        recording,
        axes=axes,
        spacing=spacing,
        times=times,
        boundary=boundary,
        units=units,
        channel=channel,
        inside=inside,
        frames=frames,
    )


def save(path: str | os.PathLike, result: Movie | AsArrays | Iterator[Movie]) -> None:
    """Write a movie to .h5 or .tif, or a posterior to .h5 or .nc, whole or not at all.

    An iterator of successive parts of one movie is written to .h5 part by part, so that the whole need never be
    in memory.

    HDF5 keeps everything and reads back exactly. TIFF keeps frames, axes, pixel size and times for other
    programs to show, and warns of what it cannot keep. NetCDF (.nc) holds the draws of a posterior as ArviZ opens them.

    Parameters
    ----------
    path
        File to write; its suffix names the format.
    result
        A movie, an iterator of its parts, or a posterior.

    Raises
    ------
    ValueError
        If the suffix names no format that can hold the result, or parts do not continue each other.
    TypeError
        If it is neither a movie, nor an iterator of movies, nor a result with ``as_arrays``.
    """
    suffix = Path(path).suffix.lower()
    if not isinstance(result, (Movie, AsArrays, Iterator)):
        raise TypeError(
            "`save` writes a Movie, an iterator of its parts, or a result with `as_arrays`, got "
            f"{type(result).__name__}."
        )
    if suffix in SUFFIXES["HDF5"]:
        if isinstance(result, Movie | Iterator):
            hdf5.write_movies(path, iter((result,)) if isinstance(result, Movie) else result)
        else:
            hdf5.write_arrays(path, *result.as_arrays())
    elif suffix in SUFFIXES["TIFF"] and isinstance(result, Movie):
        tiff.write_movie(path, result)
    elif suffix == ".nc" and isinstance(result, AsDraws):
        netcdf.write_draws(path, *result.as_draws())
    else:
        kinds = ".h5 or .tif" if isinstance(result, Movie) else ".h5 or .nc" if isinstance(result, AsDraws) else ".h5"
        raise ValueError(f"a {type(result).__name__} is written to {kinds}, got `path` {os.fspath(path)!r}.")


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What a file states of a movie, without reading its frames."""
    kind = sniff(path)
    if kind == "HDF5":
        return hdf5.record(path, dataset)
    if kind == "TIFF":
        return tiff.record(path, dataset)
    if kind == "numpy":
        return arrays.record(path, dataset)
    if kind == "video":
        return video.record(path, dataset)
    if kind == "FITS":
        return fits.record(path, dataset)
    if kind == "picture":
        return pictures.record(path, dataset)
    if kind == "folder":
        return pictures.folder(path, dataset, IMAGES)
    return xim.record(path, dataset)


def sniff(path: str | os.PathLike) -> str:
    """The kind of a file, a key of ``SUFFIXES``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is empty, of no known kind, or does not hold what its name says.
    """
    where = Path(path)
    if not where.exists():
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}{_similar(where)}.")
    if where.is_dir():
        return "STXM stack" if any(p.suffix.lower() == ".hdr" for p in where.iterdir()) else "folder"
    if not where.is_file():
        raise ValueError(f"{where}: is no regular file.")
    with open(where, "rb") as file:
        head = file.read(16)
    if not head:
        raise ValueError(f"{where}: the file is empty.")
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if h5py.is_hdf5(where):  # behind a user block
        return "HDF5"
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "video"
    if head.startswith(b"PK\x03\x04"):
        return _zipped(where)
    if head.startswith(b"\x1f\x8b"):
        return _gzipped(where)
    if where.suffix.lower() == ".hdr":
        return "STXM stack"
    meant: Any = next((kind for kind, suffixes in SUFFIXES.items() if where.suffix.lower() in suffixes), None)
    if meant:
        raise ValueError(f"{where}: is named as {meant} but does not begin as one; it is damaged, or something else.")
    known = ", ".join(s for suffixes in SUFFIXES.values() for s in suffixes)
    raise ValueError(f"{where}: is of no known kind; movies are read from {known}.")


def _zipped(where: Path) -> str:
    try:
        with zipfile.ZipFile(where) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{where}: is a damaged or truncated zip archive ({error}).") from error
    if any(name.lower().endswith(".hdr") for name in names):
        return "STXM stack"
    if names and all(name.endswith(".npy") for name in names):
        return "numpy"
    raise ValueError(f"{where}: the zip archive holds neither an STXM .hdr nor numpy arrays; unpack it.")


def _gzipped(where: Path) -> str:
    try:
        with gzip.open(where) as file:
            head = file.read(9)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{where}: is a damaged or truncated gzip file ({error}).") from error
    if head == b"SIMPLE  =":
        return "FITS"
    raise ValueError(f"{where}: is gzipped, and no FITS image inside; unpack it first.")


def _similar(where: Path) -> str:
    folder = where.parent
    if not folder.is_dir():
        return f", nor a folder {os.fspath(folder)!r}"
    near = difflib.get_close_matches(where.name, [p.name for p in folder.iterdir()], n=3)
    return f"; similar names there: {', '.join(near)}" if near else ""

"""Single pictures (PNG, JPEG, BMP), and folders of pictures, TIFF or FITS images as one movie."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from .recording import Recording

Reader = Callable[..., Recording]


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What one picture states: rows, columns and colours, neither time nor pixel size.

    Raises
    ------
    ValueError
        If it is damaged, an animation, or ``dataset`` is given.

    Notes
    -----
    JPEG is lossy: it correlates noise over blocks of 8 pixels and halves the resolution of colour. Values are
    those stored, gamma-coded for display in most pictures; `operax.modalities.optical.linear` undoes that.
    """
    if dataset is not None:
        raise ValueError(f"{path}: a picture holds one image, `dataset` cannot be used; leave it out.")
    values = _values(path)
    if values.ndim not in (2, 3):
        raise ValueError(
            f"{path}: holds an image of shape {values.shape}, which is neither grey nor of one colour axis."
        )
    return Recording(
        path=os.fspath(path),
        format="picture",
        shape=values.shape,
        dtype=str(values.dtype),
        read=lambda: _values(path),
        first=lambda: _values(path),
        axes=("row", "column", "channel")[: values.ndim],
    )


def _values(path) -> np.ndarray:
    try:
        return np.asarray(imageio.imread(path, plugin="pillow", index=0))
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError) as error:
        raise ValueError(f"{path}: is truncated, damaged or no picture ({error}).") from error


def natural(name: str) -> tuple:
    """Sorting key under which ``frame2`` comes before ``frame10``."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name.lower()))


def folder(path: str | os.PathLike, dataset: str | int | None, readers: Mapping[str, Reader]) -> Recording:
    """What a folder of images states as one movie: a frame a file, in the natural order of their names.

    Parameters
    ----------
    path
        The folder.
    dataset
        Pattern that the names must match, such as ``"sample_*.tif"``; ``None`` takes every image.
    readers
        Reader for each suffix.

    Raises
    ------
    ValueError
        If no file matches, files are of several kinds, or differ in shape.
    """
    if dataset is not None and not isinstance(dataset, str):
        raise ValueError(
            f"{path}: `dataset` of a folder is a pattern of names such as 'sample_*.tif', got {dataset!r}."
        )
    kinds: dict[str, Reader] = {}
    names = []
    for name in sorted((p.name for p in Path(path).iterdir() if p.is_file()), key=natural):
        suffix = next((s for s in readers if name.lower().endswith(s)), None)
        if suffix and not name.startswith(".") and (dataset is None or fnmatch(name, dataset)):
            names.append(name)
            kinds[suffix] = readers[suffix]
    if not names:
        what = f"no image that matches {dataset!r}" if dataset else f"no image ({', '.join(readers)}) and no STXM .hdr"
        raise ValueError(f"{path}: the folder holds {what}; give another path, or a pattern with `dataset=`.")
    if len(set(kinds.values())) > 1:
        raise ValueError(
            f"{path}: the folder mixes kinds of images ({', '.join(kinds)}); pick one with `dataset=`, "
            f"e.g. dataset='*{next(iter(kinds))}'."
        )
    reader = next(iter(kinds.values()))
    files = [Path(path) / name for name in names]
    first = reader(files[0])
    if first.axes is None or {"time", "energy"} & set(first.axes):
        raise ValueError(f"{path}: {names[0]!r} holds more than one image (shape {first.shape}); load it by itself.")

    def values(part: slice) -> np.ndarray:
        chosen = files[part]
        stack = np.empty((len(chosen), *first.shape), first.read().dtype)
        for i, file in enumerate(chosen):
            stack[i] = checked(file).read()
        return stack

    def checked(file) -> Recording:
        found = reader(file)
        if found.shape != first.shape:
            raise ValueError(
                f"{path}: {file.name!r} has shape {found.shape}, {names[0]!r} has {first.shape}; all must agree."
            )
        return found

    times = None
    if first.times is not None:
        found = [checked(file).times for file in files]
        clock = np.concatenate([t for t in found if t is not None])
        times = clock if len(clock) == len(files) and (np.diff(clock) > 0).all() else None
    return dataclasses.replace(
        first,
        path=os.fspath(path),
        format=f"folder of {first.format} images",
        shape=(len(files), *first.shape),
        read=lambda: values(slice(None)),
        part=values,
        first=first.read,
        axes=("time", *first.axes),
        times=times,
        units=(first.units[0], first.units[1] if times is not None else None, first.units[2]),
        notes=(f"{len(files)} files, {names[0]} to {names[-1]}", *first.notes),
    )

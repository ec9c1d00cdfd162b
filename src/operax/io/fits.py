"""FITS images (also gzipped), one image or cube of the file, through astropy."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from .recording import Recording

# Header words for the time of a frame in seconds, as detectors of time-of-flight and imaging beam lines write it.
CLOCKS = ("TOF",)
MOST_UNITS = 1000
NOTED = ("EXPOSURE", "EXPTIME", "TIMEBIN", "N_COUNTS", "N_TRIGS", "MONITOR")


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What a FITS file states: an image, or a cube whose first axis the user has to name.

    Parameters
    ----------
    path
        A .fits, or the same gzipped.
    dataset
        Number of the image extension, where there are several.

    Raises
    ------
    ValueError
        If it is damaged, or holds no image or several and ``dataset`` picks none.
    ImportError
        If astropy is not installed (``operax[neutron]``).

    Notes
    -----
    FITS stores integers big-endian and unsigned ones with an offset; both come out as plain numbers. Rows are
    kept in the order in which they are stored, which FITS viewers draw from below.
    """
    with _opened(path) as file:
        images = {}
        # astropy finds units without end in some damaged files
        for i, unit in enumerate(file):
            if i == MOST_UNITS:
                raise ValueError(f"{path}: holds more than {MOST_UNITS} units; it is damaged, or no movie.")
            if unit.is_image and np.size(unit.shape) >= 2:
                images[i] = unit
        chosen = next(iter(images)) if dataset is None and len(images) == 1 else dataset
        if chosen not in images:
            raise ValueError(
                f"{path}: holds {len(images)} images, at the numbers {list(images)}; `dataset` picks one, "
                f"got {dataset!r}."
            )
        header, shape = images[chosen].header, tuple(int(n) for n in images[chosen].shape)
        dtype = {8: "uint8", 16: "uint16", 32: "float64", 64: "float64", -32: "float32", -64: "float64"}
        stored = dtype[header["BITPIX"]]
        clock = next((float(header[w]) for w in CLOCKS if w in header), None)
        notes = tuple(f"{w}: {header[w]}" for w in NOTED if w in header)
    single = len(shape) == 2

    def read() -> np.ndarray:
        with _opened(path) as file:
            values = np.asarray(file[chosen].data)
            if values.shape != shape:
                raise ValueError(f"{path}: is truncated; its header says {shape}, it holds {values.shape}.")
            return values.astype(values.dtype.newbyteorder("="))

    return Recording(
        path=os.fspath(path),
        format="FITS",
        shape=shape,
        dtype=stored,
        read=read,
        first=read if single else lambda: read()[0],
        axes=("row", "column") if single else None,
        stated=", ".join(f"NAXIS{i}" for i in range(len(shape), 0, -1)),
        times=None if clock is None or not single else np.array([clock]),
        units=(None, None if clock is None else "s", None),
        notes=notes,
    )


@contextlib.contextmanager
def _opened(path) -> Iterator[Any]:
    """A FITS file for reading; whatever the parser stumbles over is reported as damage of the file."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise ImportError(
            f"{path}: FITS is read with astropy; install it with `pip install 'operax[neutron]'`."
        ) from error
    try:
        # opened here: astropy leaves files open whose headers it cannot read
        with open(path, "rb") as handle, fits.open(handle, memmap=False) as file:
            yield file
    except (PermissionError, MemoryError):
        raise
    except Exception as error:  # a parser of damaged headers fails in every way there is
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: is truncated, damaged or no FITS file ({error}).") from error

"""Movies as layers of napari, and the reader that its manifest ``napari.yaml`` names.

Neither napari nor Qt is imported: layers are tuples of an array, settings and a kind.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..movie import Movie
from .files import SUFFIXES, load

Layer = tuple[np.ndarray, dict[str, Any], str]

READ = tuple(suffix for kind in ("HDF5", "STXM stack", "FITS") for suffix in SUFFIXES[kind])
# Units that napari's parser of units knows; a scale in others has none.
UNITS = {"um", "µm", "nm", "mm", "cm", "m", "s", "ms", "us", "min", "h", "eV", "keV"}


def to_napari(movie: Movie, name: str = "movie") -> list[Layer]:
    """A movie as napari layers: its frames, and where there are, the standard deviation and the particles.

    Parameters
    ----------
    movie
        The movie. Colours become one layer each.
    name
        What the layers are called.

    Returns
    -------
    list
        Tuples for ``napari.layers.Layer.create(*layer)`` or ``viewer.add_layer``. Pixel size and, where frames are
        evenly spaced, their interval are in ``scale``; all times are in ``metadata``.
    """
    times = np.asarray(movie.times, float)
    steps = np.diff(times)
    even = steps.size > 0 and np.allclose(steps, steps[0], rtol=1e-3)
    length, time, value = movie.units
    settings = {
        "scale": (float(steps[0]) if even else 1.0, *movie.domain.spacing),
        "axis_labels": (movie.axis, *movie.domain.axes),
        "metadata": {"times": times, "units": movie.units, "value": value, "reads": movie.reads},
    }
    if length in UNITS and even and time in UNITS:
        settings["units"] = (time, *(length,) * movie.domain.ndim)
    shown = {name: np.asarray(movie.frames)}
    if movie.variance is not None:
        shown[f"{name}: standard deviation"] = np.sqrt(np.broadcast_to(movie.variance, movie.frames.shape))
    layers: list[Layer] = []
    for number, (title, values) in enumerate(shown.items()):
        channels = np.moveaxis(values, -1, 0) if movie.channels_ndim else values[None]
        for channel, frames in enumerate(channels):
            called = f"{title}, channel {channel}" if movie.channels_ndim else title
            layers.append((frames, {"name": called, "visible": number == 0, **settings}, "image"))
    if movie.domain.masked:
        particles = np.broadcast_to(movie.domain.inside.astype(np.uint8), (len(movie), *movie.domain.shape))
        layers.append((particles, {"name": f"{name}: particles", "visible": False, **settings}, "labels"))
    return layers


def reader(path: str | os.PathLike | Sequence[str]) -> Callable[[str], list[Layer]] | None:
    """What napari asks for a file: the function that reads it, or None where it is for somebody else."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path).lower().endswith(READ):
        return None
    return _layers


def _layers(path: str) -> list[Layer]:
    return to_napari(load(path), Path(path).stem)

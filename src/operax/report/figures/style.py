"""What all figures share: colours, sizes, how numbers and units are written, PNG bytes."""

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure, FigureBase

from ...movie import Movie

BLUE, ORANGE, GREEN, GREY, PALE = "#20639b", "#d1600a", "#3a8f5c", "#8a8a8a", "#d9d9d9"
WIDTH = 7.2  # inches, a double column
FRAMES = 5
# Values beyond these quantiles share the end colours; the colour bar's arrows say so.
SHOWN = (0.005, 0.995)
# More points than this are thinned evenly: a density does not look different.
POINTS = 300_000


def literal(text: str) -> str:
    """Text from a file, shown as it is and not read as a formula."""
    return text.replace("$", r"\$")


def labelled(name: str, unit: str) -> str:
    return literal(name if unit == "1" else f"{name} ({unit})")


def quantity(movie: Movie) -> str:
    """What the values of a movie are."""
    return "value" if movie.units[2] == "1" else movie.units[2]


def value(movie: Movie) -> str:
    """What the values of a movie are, to be drawn."""
    return literal(quantity(movie))


def clock(movie: Movie) -> list[str]:
    """When each frame was taken, e.g. "t = 2.5 h"."""
    sign = {"time": "t", "energy": "E"}.get(movie.axis, movie.axis)
    unit = "" if movie.units[1] == "1" else f" {movie.units[1]}"
    return [f"{sign} = {time:.4g}{unit}" for time in np.asarray(movie.times).tolist()]


def moment(movie: Movie, frame: int) -> str:
    """When a frame was taken, to be drawn."""
    return literal(clock(movie)[frame])


def faded(colour: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white; opaque, so that overlaps do not change it."""
    red, green, blue = (1 - strength * (1 - x) for x in to_rgb(colour))
    return red, green, blue


def axes(ax: Axes | None, size: tuple[float, float] = (4.8, 3.4)) -> Axes:
    return Figure(figsize=size, layout="constrained").subplots() if ax is None else ax


def png(figure: FigureBase, dpi: int = 160) -> bytes:
    """A figure as the bytes of a PNG file of ``dpi`` dots an inch, the same on every run."""
    buffer = io.BytesIO()
    whole = figure.figure
    assert isinstance(whole, Figure)  # the root of every subfigure
    whole.savefig(buffer, format="png", dpi=dpi, facecolor="white", bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def with_grey(name: str) -> Colormap:
    return matplotlib.colormaps[name].with_extremes(bad="#bdbdbd")


def picked(first: Movie, movies: list[Movie], frames) -> list[int]:
    if frames is None:
        shared = [i for i, t in enumerate(np.asarray(first.times)) if all(np.isclose(m.times, t).any() for m in movies)]
        shared = shared or list(range(len(first)))
        return [shared[i] for i in np.unique(np.linspace(0, len(shared) - 1, FRAMES).round().astype(int))]
    wrong = [i for i in frames if not -len(first) <= i < len(first)]
    if wrong or len(frames) == 0:
        raise ValueError(f"`frames` must be numbers of frames from 0 to {len(first) - 1}, got {list(frames)}.")
    return [int(i) % len(first) for i in frames]

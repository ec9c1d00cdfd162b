"""The player of a report: movies side by side with a slider, in a page that loads nothing."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .figures.frames import alike, extent, scale_bar
from .figures.screens import Screen, screens
from .figures.sheets import palette, reduced, sheet
from .figures.style import clock

# Pixels of one panel over all frames: four noisy ones, which hardly compress, stay below 12 MB as text.
PIXELS = 2_200_000
# A frame is not shown with more pixels than this on its longer side.
SIDE = 256
# Colours of the bar below the panels; the browser fades between them.
STOPS = 17


@dataclass(frozen=True)
class Panel:
    """One movie of a player: its name, and all of its frames in one PNG."""

    name: str
    png: bytes

    @property
    def source(self) -> str:
        """The image as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Bar:
    """A colour bar: what it measures, the names of its panels, values along it, CSS colours from low to high."""

    label: str
    panels: str
    ticks: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Player:
    """Movies of one scene on one clock, frame by frame.

    Parameters
    ----------
    panels, bars
        The movies and their colours.
    clock
        When each frame was taken, in words.
    columns
        Frames in a row of every panel's picture.
    shape
        Rows and columns of a frame, in pixels.
    aspect
        Width over height of a frame, as lengths.
    scale
        Length of the scale bar, as a part of a panel's width and in words.
    caption
        The sentence below.
    """

    panels: tuple[Panel, ...]
    bars: tuple[Bar, ...]
    clock: tuple[str, ...]
    columns: int
    shape: tuple[int, int]
    aspect: float
    scale: tuple[float, str]
    caption: str


def play(
    movies: Mapping[str, Movie],
    predicted: str | None,
    caption: str,
    noise: Gaussian | PoissonGaussian | None = None,
) -> Player:
    """Make a player of movies on one domain; see `figures.screens.screens` for the arguments.

    A movie too large for a page is shown with every n-th frame and means over squares of pixels, and the caption says
    so.
    """
    first = alike(movies)
    shown = screens(movies, predicted, noise)
    frames, height, width = shown[0].values.shape
    by = -(-max(height, width) // SIDE)
    step = -(-frames * (height // by) * (width // by) // PIXELS)
    thinned = [reduced(screen.values[::step], by) for screen in shown]
    made = [sheet(values, screen.norm, screen.colours) for values, screen in zip(thinned, shown)]
    if step > 1:
        caption += f" One frame in {step} is shown."
    if by > 1:
        caption += f" A pixel shown is the mean of {by} × {by}."
    tall, wide = extent(first.domain)
    length, words = scale_bar(wide, first.units[0])
    return Player(
        tuple(Panel(screen.name, png) for screen, (png, _) in zip(shown, made)),
        tuple(_bars(shown)),
        tuple(clock(first)[::step]),
        made[0][1],
        (thinned[0].shape[1], thinned[0].shape[2]),
        wide / tall,
        (length / wide, words),
        caption,
    )


def _bars(shown: list[Screen]) -> list[Bar]:
    bars = []
    for label in dict.fromkeys(screen.label for screen in shown):
        ours = [screen for screen in shown if screen.label == label]
        low, high = float(ours[0].norm.vmin or 0), float(ours[0].norm.vmax or 0)
        values = [screen.values[np.isfinite(screen.values)] for screen in ours]
        below = any((v < low).any() for v in values)
        above = any((v > high).any() for v in values)
        ticks = (f"{'≤ ' * below}{low:.3g}", f"{(low + high) / 2:.3g}", f"{'≥ ' * above}{high:.3g}")
        colours = tuple(f"rgb({r} {g} {b})" for r, g, b in palette(ours[0].colours, STOPS))
        bars.append(Bar(label, ", ".join(screen.name for screen in ours), ticks, colours))
    return bars

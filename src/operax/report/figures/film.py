"""Movies as files that any program plays: MP4 and GIF, with time, scale bar and colour bars burnt in."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...io import write_video
from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian
from .frames import alike, draw_scale_bar, extent
from .screens import Screen, screens
from .style import literal, moment, with_grey

# Inches of a panel, and pixels an inch: four panels fill a screen of 1280 pixels.
PANEL, DPI = 2.9, 110


def film(
    movies: Mapping[str, Movie],
    path: str | os.PathLike,
    *,
    predicted: str | None = None,
    noise: Gaussian | PoissonGaussian | None = None,
    rate: float = 10.0,
) -> Path:
    """Write movies side by side to an MP4 or GIF, with the time of every frame, a scale bar and colour bars.

    Parameters
    ----------
    movies
        Movies by name, on one domain and one colour scale; the first one's times are those of the film.
    path
        File to write, ``.mp4`` or ``.gif``.
    predicted
        Name of the movie that predicts the first: what the first has more is added, in standard deviations of the
        noise, on a scale centred at zero.
    noise
        Noise model of that residual; ``None`` takes the variance of the first movie.
    rate
        Frames shown in a second.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If a movie is in colour or along a line, domains differ, no noise is known, the suffix is neither, or the rate
        is not positive.
    FileNotFoundError
        If the folder of ``path`` does not exist.

    Notes
    -----
    For showing only: MP4 loses detail and a GIF has 256 colours. ``operax.save`` keeps the numbers.
    """
    first = alike(movies)
    frames = _drawn(first, screens(movies, predicted, noise))
    return write_video(path, frames, rate)


def _drawn(first: Movie, shown: Sequence[Screen]) -> Iterator[np.ndarray]:
    """Every frame of the film as an RGB picture; one figure is drawn and its images are exchanged."""
    height, width = extent(first.domain)
    tall = min(PANEL * height / width, 2 * PANEL)
    figure = Figure(figsize=(PANEL * len(shown), tall + 1.15), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.8 / (tall + 1.15), top=1 - 0.5 / (tall + 1.15), wspace=0.06)
    images = []
    for ax, screen in zip(panels, shown):
        style = {"norm": screen.norm, "cmap": with_grey(screen.colours), "interpolation": "nearest"}
        images.append(ax.imshow(screen.values[0], extent=(0, width, height, 0), **style))
        ax.set_title(literal(screen.name), fontsize="small")
        ax.axis("off")
    draw_scale_bar(panels[0], first.domain, first.units[0])
    for label in dict.fromkeys(screen.label for screen in shown):
        last = max(i for i, screen in enumerate(shown) if screen.label == label)
        bar = panels[last].inset_axes((0.35, -0.1, 0.65, 0.035))
        figure.colorbar(images[last], cax=bar, orientation="horizontal", extend="both").set_label(
            literal(label), size="small"
        )
        bar.tick_params(labelsize="x-small")
    clock = figure.text(0.02, 0.97, "", va="top", fontsize="small")
    for number in range(len(first)):
        clock.set_text(moment(first, number))
        for image, screen in zip(images, shown):
            image.set_data(screen.values[number])
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3]

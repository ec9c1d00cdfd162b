"""Frames side by side: movies on one colour scale, residuals on one centred at zero."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from ...domain import Domain
from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian
from ..residual import standardised
from .style import POINTS, SHOWN, WIDTH, labelled, literal, moment, picked, value, with_grey

# Residuals are shown to this many standard deviations of the noise.
DEVIATIONS = 4.0
# Pixels that differ by a smaller part of their value than this have one colour.
ALIKE = 1e-3
# The scale of an influence ends where all but this part of the values lie.
BEYOND = 0.005


def movie(
    movies: Mapping[str, Movie], figure: FigureBase | None = None, *, frames: Sequence[int] | None = None
) -> FigureBase:
    """Draw frames of several movies of one scene, a row for each, on one colour scale.

    Movies along a line are drawn whole, as images of time and position. Of a volume the middle plane is
    shown. Pixels outside the particles are grey.

    Parameters
    ----------
    movies
        Movies by name, on one domain. Frames are matched by their times; a frame that a later movie lacks is
        left out in its row.
    figure
        Figure or subfigure to draw in; ``None`` makes one.
    frames
        Numbers of the frames of the first movie to show; ``None`` takes five, evenly spread. Not used for
        movies along a line.

    Raises
    ------
    ValueError
        If there is no movie, one is in colour, domains differ, or a frame does not exist.
    """
    return _paint(movies, figure, frames, Normalize(*span(movies)), "viridis", value(alike(movies)))


def residuals(
    predicted: Movie,
    measured: Movie,
    noise: Gaussian | PoissonGaussian | None = None,
    figure: FigureBase | None = None,
    *,
    frames: Sequence[int] | None = None,
    name: str = "residual",
) -> FigureBase:
    """Draw measured minus predicted, in standard deviations of the noise, on a scale centred at zero.

    Parameters
    ----------
    predicted, measured
        Movies on one domain; every predicted time must be a measured one.
    noise
        Noise model; ``None`` takes the variance of ``measured``. Where that is infinite, a value does not
        count and is grey.
    figure, frames
        As for `movie`; frames are numbers of frames of ``predicted``.
    name
        What stands before the row.

    Raises
    ------
    ValueError
        If the movies do not match or no noise is known.
    """
    z = standardised(predicted, measured, noise)
    reach = deviations(z)
    # a movie must be finite, and masked pixels are not: painted as arrays
    return _paint({name: predicted}, figure, frames, Normalize(-reach, reach), "RdBu_r", "residual / σ", {name: z})


def influence(
    maps: Mapping[str, Float[Array, "time *space"]],
    raw: Movie,
    figure: FigureBase | None = None,
    *,
    frames: Sequence[int] | None = None,
) -> FigureBase:
    """Draw how far each raw value moves a law, as `propagate` finds it, on one scale centred at zero.

    Parameters
    ----------
    maps
        Change of a law with every raw value, by the law's name: a row of ``posterior.found["influence"]``, or a
        combination of its rows.
    raw
        The movie the values belong to.
    figure, frames
        As for `movie`.

    Raises
    ------
    ValueError
        If there is no map, or one has another shape than the movie's frames.
    """
    arrays = {name: np.asarray(values, float) for name, values in maps.items()}
    wrong = [values.shape for values in arrays.values() if values.shape != raw.frames.shape]
    if not arrays or wrong:
        raise ValueError(f"`maps` must hold arrays of the frames' shape {raw.frames.shape}, got {wrong or 'none'}.")
    inside = np.broadcast_to(raw.domain.inside, raw.frames.shape)
    reach = max(float(np.quantile(np.abs(values[inside]), 1 - BEYOND)) for values in arrays.values()) or 1.0
    shown = {name: np.where(inside, values, np.nan) for name, values in arrays.items()}
    movies = dict.fromkeys(maps, raw)
    return _paint(movies, figure, frames, Normalize(-reach, reach), "RdBu_r", "change of the law with a value", shown)


def span(movies: Mapping[str, Movie]) -> tuple[float, float]:
    """The values that the ends of a common colour scale stand for."""
    inside = alike(movies).domain.inside
    everything = [np.asarray(m.frames, float)[:, inside].ravel()[:: _stride(m)] for m in movies.values()]
    values = np.concatenate(everything)
    low, high = np.quantile(values, SHOWN)
    if high - low < ALIKE * max(abs(low), abs(high)):
        # nearly all pixels are alike: what matters are the few that are not
        low, high = values.min(), values.max()
    return float(low), float(high if high > low else low + 1)


def deviations(z: Float[np.ndarray, "..."]) -> float:
    """To how many standard deviations a residual is shown."""
    # an equation that leaves much more than noise is drawn on a wider scale, where its pattern can be seen
    large = float(np.nanquantile(np.abs(z), 0.99))
    return DEVIATIONS if large < 2 * DEVIATIONS else float(np.ceil(large))


def alike(movies: Mapping[str, Movie]) -> Movie:
    """The first of several movies, once it is sure that they can be shown together."""
    if not movies:
        raise ValueError("`movies` is empty; give at least one movie by name.")
    first = next(iter(movies.values()))
    for name, m in movies.items():
        if m.channels_ndim:
            raise ValueError(f"`{name}` is a colour movie of shape {m.frames.shape}; draw one channel at a time.")
        if m.domain != first.domain:
            raise ValueError(
                f"movies must lie on one domain; `{name}` lies on {m.domain}, the first on {first.domain}."
            )
    return first


def _stride(m: Movie) -> int:
    return max(1, m.frames.size // POINTS)


def _paint(movies, figure, frames, norm: Normalize, colours: str, label: str, values=None) -> FigureBase:
    first = alike(movies)
    # NaN is drawn in the colour map's `bad` colour: what lies outside, or is not judged
    arrays = values or {
        name: np.where(m.domain.inside, np.asarray(m.frames, float), np.nan) for name, m in movies.items()
    }
    shown = [a[np.isfinite(a)] for a in arrays.values()]
    below = any((a < norm.vmin).any() for a in shown)
    above = any((a > norm.vmax).any() for a in shown)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    style = {"norm": norm, "cmap": with_grey(colours)}
    paint = _paint_lines if first.domain.ndim == 1 else _paint_frames
    figure, axes, image = paint(movies, arrays, figure, frames, style)
    figure.colorbar(image, ax=axes, label=label, extend=extend, shrink=0.9, aspect=25, pad=0.02)
    return figure


def _paint_lines(movies, arrays, figure, frames, style):
    """One image of time and position for each movie."""
    first = next(iter(movies.values()))
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained") if figure is None else figure
    axes = figure.subplots(1, len(movies), sharey=True, squeeze=False)[0]
    edges = np.arange(first.domain.shape[0] + 1) * first.domain.spacing[0]
    for ax, (name, m) in zip(axes, movies.items()):
        image = ax.pcolormesh(_edges(np.asarray(m.times, float)), edges, arrays[name].T, **style, rasterized=True)
        ax.set_title(literal(name), fontsize="medium")
        ax.set_xlabel(labelled(m.axis, m.units[1]))
        ax.xaxis.set_major_locator(MaxNLocator(4))
    # downwards, as rows count in a frame
    axes[0].invert_yaxis()
    axes[0].set_ylabel(labelled("position", first.units[0]))
    return figure, axes, image


def _edges(times: np.ndarray) -> np.ndarray:
    if times.size == 1:
        return times[0] + np.array([-0.5, 0.5])
    middle = (times[1:] + times[:-1]) / 2
    return np.concatenate([[2 * times[0] - middle[0]], middle, [2 * times[-1] - middle[-1]]])


def _paint_frames(movies, arrays, figure, frames, style):
    """A grid of frames with one scale bar."""
    first = next(iter(movies.values()))
    shown = picked(first, list(movies.values()), frames)
    height, width = extent(first.domain)
    if figure is None:
        panel = (WIDTH - 1.5) / len(shown)
        tall = min(panel * height / width, 4.0) + 0.08
        figure = Figure(figsize=(WIDTH, len(movies) * tall + 0.75), layout="compressed")
    axes = figure.subplots(len(movies), len(shown), squeeze=False)
    for row, (name, m) in zip(axes, movies.items()):
        times = np.asarray(m.times)
        for ax, number in zip(row, shown):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            at = np.flatnonzero(np.isclose(times, float(first.times[number])))
            frame = plane(arrays[name][at[0]]) if at.size else np.full(first.domain.shape[-2:], np.nan)
            image = ax.imshow(frame, extent=(0, width, height, 0), interpolation="nearest", **style)
        row[0].set_ylabel(literal(name))
    for ax, number in zip(axes[0], shown):
        ax.set_title(moment(first, number), fontsize="small")
    draw_scale_bar(axes[-1, 0], first.domain, first.units[0])
    return figure, axes, image


def plane(frame: np.ndarray) -> np.ndarray:
    """The frame, or the middle plane of a volume."""
    return frame[frame.shape[0] // 2] if frame.ndim == 3 else frame


def extent(domain: Domain) -> tuple[float, float]:
    """Height and width of a frame, in units of length."""
    height, width = (n * h for n, h in zip(domain.shape[-2:], domain.spacing[-2:]))
    return height, width


def scale_bar(width: float, unit: str) -> tuple[float, str]:
    """A round length of at most a third of a frame's width, and how it is written."""
    power = 10.0 ** np.floor(np.log10(width / 3))
    length = float(max(n * power for n in (1, 2, 5) if n * power <= width / 3))
    return length, f"{length:g}" if unit == "1" else f"{length:g} {unit}"


def draw_scale_bar(ax: Axes, domain: Domain, unit: str) -> None:
    """Draw a bar of a round length below the frame, where it hides nothing."""
    height, width = extent(domain)
    length, text = scale_bar(width, unit)
    # in units of the frame's height, so that the bar stays close to frames of any shape
    ax.plot(
        [0, length],
        [height + 0.06 * width] * 2,
        color="black",
        linewidth=2.5,
        clip_on=False,
        solid_capstyle="butt",
    )
    ax.annotate(literal(text), (0, height + 0.06 * width), (0, -3), textcoords="offset points", va="top",
                fontsize="small", annotation_clip=False)  # fmt: skip
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)

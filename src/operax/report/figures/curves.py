"""Curves and clouds: laws with bands, predicted against measured, fronts, the course of a fit."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from ...inference import Fit
from ...movie import Movie
from ..fronts import follow
from ..laws import Curve, visited_range
from ..residual import matching
from .style import (
    BLUE,
    GREY,
    ORANGE,
    PALE,
    POINTS,
    SHOWN,
    WIDTH,
    axes,
    faded,
    labelled,
    literal,
    moment,
    picked,
    value,
    with_grey,
)


def band(
    c: Float[Array, " point"],
    draws: Float[Array, "draw point"],
    ax: Axes | None = None,
    *,
    label: str | None = None,
    truth: Float[Array, " point"] | None = None,
    visited: Float[Array, " value"] | None = None,
    levels: Sequence[float] = (0.68, 0.95),
) -> Axes:
    """Draw a law: the median of posterior draws and nested bands around it.

    Parameters
    ----------
    c
        Compositions.
    draws
        The law at ``c`` for every draw.
    ax
        Axes to draw in; ``None`` makes some.
    label
        Name of the law with its unit, written along the axis.
    truth
        The true law at ``c``, dashed.
    visited
        All compositions in the movie. Their histogram is drawn on top, what lies outside their 99 % range is
        shaded, and the height of the axes is made for the band inside it.
    levels
        Probabilities of the central bands.

    Raises
    ------
    ValueError
        If shapes disagree or a level is not between 0 and 1.
    """
    x, y = np.asarray(c, float), np.asarray(draws, float)
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != x.size:
        raise ValueError(f"`draws` must have shape (draw, {x.size}) to fit `c`, got {y.shape} for c {x.shape}.")
    exact = None if truth is None else np.asarray(truth, float)
    if exact is not None and exact.shape != x.shape:
        raise ValueError(f"`truth` must have one value for each of {x.size} compositions, got {exact.shape}.")
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"`levels` must lie between 0 and 1, got {tuple(levels)}.")
    ax = axes(ax)
    for i, level in enumerate(sorted(levels, reverse=True)):
        low, high = np.quantile(y, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        ax.fill_between(x, low, high, color=faded(BLUE, 0.24 + 0.22 * i), linewidth=0, label=f"{100 * level:g} %")
    ax.plot(x, np.median(y, axis=0), color=BLUE, linewidth=1.8, label="median")
    if exact is not None:
        ax.plot(x, exact, color="black", linestyle=(0, (4, 2)), linewidth=1.4, label="truth")
    ax.set_xlim(x[0], x[-1])
    if visited is not None:
        _show_visited(ax, x, y, exact, np.asarray(visited, float).ravel(), max(levels, default=0.95))
    ax.set_xlabel("c")
    if label is not None:
        ax.set_ylabel(literal(label))
    ax.legend(frameon=False, fontsize="small")
    return ax


def _show_visited(ax, x, draws, truth, values, level) -> None:
    low, high = visited_range(values)
    for a, b in ((x[0], low), (high, x[-1])):
        if b > a:
            ax.axvspan(a, b, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    seen = (x >= low) & (x <= high)
    if seen.any():
        edges = np.quantile(draws[:, seen], [0.5 - level / 2, 0.5 + level / 2], axis=0)
        shown = edges if truth is None else np.concatenate([edges, truth[None, seen]])
        bottom, top = shown.min(), shown.max()
        room = 0.15 * ((top - bottom) or abs(top) or 1.0)
        # a positive law is not drawn down to values it cannot have
        ax.set_ylim(max(bottom - room, 0.0) if bottom > 0 else bottom - room, top + room)
    strip = ax.inset_axes((0, 1.02, 1, 0.13), sharex=ax)
    counts, bins = np.histogram(values, 60, (x[0], x[-1]))
    strip.stairs(counts, bins, fill=True, color=GREY)
    strip.axis("off")
    ax.fill_between([], [], [], color=GREY, linewidth=0, label="visited")


def laws(curves: Sequence[Curve], visited: Float[Array, " value"], figure: FigureBase | None = None) -> FigureBase:
    """Draw several laws of one posterior with their bands, two in a row.

    Parameters
    ----------
    curves
        Laws on one grid, with draws and perhaps truth.
    visited
        All compositions in the movie.
    figure
        Figure or subfigure to draw in; ``None`` makes one.
    """
    columns = min(2, len(curves))
    rows = -(-len(curves) // 2)
    if figure is None:
        figure = Figure(figsize=(WIDTH if columns == 2 else 5.2, 2.7 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    for panel, curve in zip(panels, curves):
        band(curve.c, curve.draws, panel, label=curve.name, truth=curve.truth, visited=visited)
    for panel in panels[1 : len(curves)]:
        panel.get_legend().remove()
    return figure


def predicted_against_measured(predicted: Movie, measured: Movie, ax: Axes | None = None) -> Axes:
    """Draw how often each pair of predicted and measured value occurs, and the mean of the measured.

    Parameters
    ----------
    predicted, measured
        Movies on one domain; every predicted time must be a measured one.
    ax
        Axes to draw in; ``None`` makes some.
    """
    at = matching(predicted, measured)
    inside = predicted.domain.inside
    x = np.asarray(predicted.frames, float)[:, inside].ravel()
    y = np.asarray(measured.frames, float)[at][:, inside].ravel()
    step = max(1, x.size // POINTS)
    x, y = x[::step], y[::step]
    ax = axes(ax, (4.6, 3.6))
    if x.size < 3000:
        ax.plot(x, y, ".", color=BLUE, alpha=0.5, markersize=4, markeredgewidth=0, label="pixels")
    else:
        hexes = ax.hexbin(x, y, gridsize=60, cmap="cividis", norm=LogNorm(), mincnt=1, linewidths=0.1, rasterized=True)
        ax.figure.colorbar(hexes, ax=ax, label="pixels")
    groups = [g for g in np.array_split(np.argsort(x, kind="stable"), 20) if g.size]
    means = np.array([(x[g].mean(), y[g].mean()) for g in groups])
    ax.plot(*means.T, "o-", color=ORANGE, markersize=3.5, linewidth=1, label="mean of measured")
    ends = np.quantile(x, SHOWN)
    ax.axline((ends[0], ends[0]), slope=1, color="black", linestyle="--", linewidth=1, label="equal")
    ax.set_xlabel("predicted " + value(predicted))
    ax.set_ylabel("measured " + value(measured))
    ax.legend(frameon=False, fontsize="small")
    return ax


def profiles(predicted: Movie, measured: Movie, ax: Axes | None = None, *, frames: Sequence[int] | None = None) -> Axes:
    """Draw profiles of a movie along a line: measured values as dots, predicted ones as lines.

    Parameters
    ----------
    predicted, measured
        Movies of one space axis; every predicted time must be a measured one.
    ax
        Axes to draw in; ``None`` makes some.
    frames
        Numbers of frames of ``predicted``; ``None`` takes five, evenly spread.

    Raises
    ------
    ValueError
        If the movies have more than one space axis or do not match.
    """
    at = matching(predicted, measured)
    if predicted.domain.ndim != 1:
        raise ValueError(f"profiles are drawn of movies along a line, got axes {predicted.axes}; use `movie`.")
    ax = axes(ax, (4.8, 3.6))
    shown = picked(predicted, [predicted], frames)
    x = predicted.domain.centres()[0]
    y, model = np.asarray(measured.frames)[at], np.asarray(predicted.frames)
    colours = with_grey("viridis")(np.linspace(0, 0.85, len(shown)))
    inside = predicted.domain.inside
    for i, colour in zip(shown, colours):
        ax.plot(x[inside], y[i][inside], ".", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
        line = np.where(inside, model[i], np.nan)
        ax.plot(x, line, color=colour, linewidth=1.6, label=moment(predicted, i))
    ax.set_xlabel(labelled("position", predicted.units[0]))
    ax.set_ylabel(value(measured))
    ax.legend(frameon=False, fontsize="small", title="measured •, predicted —", title_fontsize="small")
    return ax


def front(
    measured: Movie, ax: Axes | None = None, *, predicted: Movie | None = None, threshold: float | None = None
) -> Axes:
    """Draw how far a front has come against the root of time, with the straight line √t would give.

    Parameters
    ----------
    measured
        A movie along a line; see `operax.report.fronts.follow` for how its front is found.
    ax
        Axes to draw in; ``None`` makes some.
    predicted
        The same from a fit.
    threshold
        Value that marks the front; ``None`` takes a fifth of the way between the two sides in ``measured``.

    Raises
    ------
    ValueError
        If a front is not found.
    """
    ax = axes(ax)
    length, time, _ = measured.units
    found = follow(measured, threshold=threshold)
    root = np.sqrt(np.asarray(found.times - found.start))
    ax.plot(root, found.distance, "o", color=GREY, markersize=3.5, label="measured")
    if predicted is not None:
        model = follow(predicted, threshold=float(found.threshold), start=float(found.start))
        ax.plot(
            np.sqrt(np.asarray(model.times - model.start)),
            model.distance,
            color=BLUE,
            linewidth=1.8,
            label="fit",
        )
    unit = "" if (length, time) == ("1", "1") else f" {length}/√{time}"
    ax.plot(root, found.offset + found.slope * root, "--", color="black", linewidth=1.2,
            label=literal(f"line, slope {float(found.slope):.3g}{unit}"))  # fmt: skip
    ax.set_xlabel(labelled("√time", "1" if time == "1" else f"√{time}"))
    ax.set_ylabel(labelled("distance of front", length))
    ax.legend(frameon=False, fontsize="small")
    return ax


def history(fit: Fit, ax: Axes | None = None) -> Axes:
    """Draw what the fit still had to gain in log posterior after every accepted step.

    Parameters
    ----------
    fit
        The fit.
    ax
        Axes to draw in; ``None`` makes some.
    """
    ax = axes(ax, (4.8, 3.0))
    left = np.asarray(fit.history, float) - float(np.min(fit.history))
    steps = np.arange(left.size)
    ax.semilogy(steps[left > 0], left[left > 0], "o-", color=BLUE, markersize=4, linewidth=1.4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("accepted step")
    ax.set_ylabel("log posterior still to gain")
    return ax

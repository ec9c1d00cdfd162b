"""What speaks for or against a fit: correlations that it left, and whether content and energy go as they should."""

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian
from ...physics.equations import AbstractEquation, AbstractPhaseField
from ..residual import correlations, matching, standardised
from .style import BLUE, GREEN, GREY, ORANGE, PALE, axes, labelled, value

# Frames whose energy is drawn: it is smooth, and integrates μ at every pixel.
ENERGIES = 16


def autocorrelation(
    predicted: Movie,
    measured: Movie,
    noise: Gaussian | PoissonGaussian | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a residual is correlated with itself along time and every space axis.

    White noise stays in the shaded band at 19 of 20 lags.

    Parameters
    ----------
    predicted, measured, noise
        As for `residuals`.
    ax
        Axes to draw in; ``None`` makes some.

    Raises
    ------
    ValueError
        If the movies do not match or no noise is known.
    """
    found = correlations(standardised(predicted, measured, noise))
    ax = axes(ax, (4.8, 3.0))
    for (lags, rho, _), name, colour in zip(found, predicted.axes, (ORANGE, BLUE, GREY, GREEN)):
        ax.plot(lags, rho, "o-", color=colour, markersize=3.5, linewidth=1.2, label=name)
    pairs = min((int(count.min()) for _, _, count in found if count.size), default=1)
    ax.axhspan(-1.96 / pairs**0.5, 1.96 / pairs**0.5, color=PALE, alpha=0.6, linewidth=0, zorder=0)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xlabel("lag (frames or pixels)")
    ax.set_ylabel("correlation")
    ax.legend(frameon=False, fontsize="small")
    return ax


def balance(
    predicted: Movie, measured: Movie, equation: AbstractEquation | None = None, figure: FigureBase | None = None
) -> FigureBase:
    """Draw the mean of a movie through time, measured and fitted, and the free energy of the fitted one.

    Parameters
    ----------
    predicted, measured
        Movies on one domain; every predicted time must be a measured one.
    equation
        The fitted equation; its energy is drawn if it has one.
    figure
        Figure or subfigure to draw in; ``None`` makes one.
    """
    at = matching(predicted, measured)
    inside = predicted.domain.inside
    times = np.asarray(predicted.times)
    panels = 2 if isinstance(equation, AbstractPhaseField) else 1
    if figure is None:
        figure = Figure(figsize=(3.6 * panels + 0.4, 2.7), layout="constrained")
    drawn = figure.subplots(1, panels, squeeze=False)[0]
    drawn[0].plot(times, np.asarray(measured.frames, float)[at][:, inside].mean(1), "o", color=GREY, markersize=3.5,
                  label="measured")  # fmt: skip
    drawn[0].plot(times, np.asarray(predicted.frames, float)[:, inside].mean(1), color=BLUE, linewidth=1.8, label="fit")
    drawn[0].set_ylabel("mean " + value(predicted))
    drawn[0].legend(frameon=False, fontsize="small")
    if isinstance(equation, AbstractPhaseField):
        domain = predicted.domain
        shown = np.unique(np.linspace(0, len(times) - 1, ENERGIES).round().astype(int))
        energy = jax.jit(lambda c: equation.energy(c, domain))
        drawn[1].plot(times[shown], [float(energy(c)) for c in predicted.frames[shown]], ".-", color=BLUE)
        drawn[1].set_ylabel("free energy of the fit")
    for ax in drawn:
        ax.set_xlabel(labelled(predicted.axis, predicted.units[1]))
        ax.ticklabel_format(useOffset=False)
    return figure

"""Ranks of the truth among posterior draws, over repeated experiments."""

import numpy as np
from matplotlib.figure import Figure, FigureBase
from scipy import stats

from ...inference import Calibrated
from .style import BLUE, GREY, PALE, WIDTH, literal

# Panels side by side.
ACROSS = 4


def ranks(calibrated: Calibrated, figure: FigureBase | None = None) -> FigureBase:
    """Draw how often the truth fell into each part of the posterior, one panel a quantity.

    Honest posteriors give even bars, 19 of 20 of them in the shaded band. A hump in the middle means that bands are
    too wide, high ends that they are too narrow, a slope that estimates are off.

    Parameters
    ----------
    calibrated
        What `calibrate` found, of twenty experiments at least.
    figure
        Figure or subfigure to draw in; ``None`` makes one.

    Raises
    ------
    ValueError
        If there are too few experiments for two bars.
    """
    chances = calibrated.p_values()
    counts, even = calibrated.counts()
    n = len(calibrated.ranks)
    across = min(ACROSS, len(counts))
    down = -(-len(counts) // across)
    if figure is None:
        figure = Figure(figsize=(WIDTH, 0.5 + 1.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    edges = np.linspace(0, 1, len(even) + 1)
    low, high = (stats.binom.ppf(p, n, even / n) for p in (0.025, 0.975))
    for ax, name, bars, chance in zip(panels.flat, calibrated.names, counts, chances):
        ax.fill_between(edges, np.append(low, low[-1]), np.append(high, high[-1]), step="post", color=PALE, linewidth=0)
        ax.stairs(bars, edges, color=BLUE, fill=True, alpha=0.75)
        ax.step(edges, np.append(even, even[-1]), where="post", color=GREY, linewidth=0.8)
        ax.set_title(f"{literal(name)}   p = {chance:.2g}", fontsize="small")
        ax.set_xlim(0, 1)
    # panels share it, and a limit set for one of them holds for those drawn later
    panels[0, 0].set_ylim(0, 1.05 * max(counts.max(), high.max()))
    for ax in list(panels.flat)[len(counts) :]:
        ax.set_visible(False)
    figure.supxlabel("share of the draws below the truth", fontsize="small")
    panels[0, 0].set_ylabel("experiments")
    return figure

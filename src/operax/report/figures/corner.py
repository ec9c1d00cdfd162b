"""The unknown numbers of an equation against each other."""

import jax
import numpy as np
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from ...inference import Posterior, unknowns
from .style import BLUE, GREY, literal

# Points in a panel; a cloud does not look different with more.
CLOUD = 1500


def corner(posterior: Posterior, figure: FigureBase | None = None, *, most: int = 6) -> FigureBase:
    """Draw the posterior of the unknown numbers, each alone and each against each other, beside their prior.

    Numbers are in standard deviations of their prior, which is dashed: a histogram as wide as it has learnt nothing
    from the movie. Long thin clouds are numbers that are known only together.

    Parameters
    ----------
    posterior
        Draws of an equation.
    figure
        Figure or subfigure to draw in; ``None`` makes one.
    most
        Number of unknown numbers shown: those that the movie narrowed most.

    Raises
    ------
    ValueError
        If ``most`` is not positive.
    """
    if most < 1:
        raise ValueError(f"`most` must be at least 1, got {most}.")
    leaves = jax.tree.leaves(posterior.draws)
    draws = np.concatenate([np.asarray(leaf, float).reshape(len(leaf), -1) for leaf in leaves], 1)
    names = unknowns(posterior.best)
    kept = np.sort(np.argsort(draws.std(0), kind="stable")[:most])
    if figure is None:
        side = min(7.2, 1.6 * len(kept) + 1.0)
        figure = Figure(figsize=(side, side), layout="constrained")
    grid = figure.subplots(len(kept), len(kept), squeeze=False, sharex="col")
    step = max(1, len(draws) // CLOUD)
    for row, i in enumerate(kept):
        for column, j in enumerate(kept):
            ax = grid[row, column]
            ax.xaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.tick_params(labelsize="x-small", labelbottom=row == len(kept) - 1, labelleft=column == 0 < row)
            if column > row:
                ax.set_visible(False)
            elif column == row:
                _alone(ax, draws[:, i])
            else:
                ax.plot(draws[::step, j], draws[::step, i], ".", color=BLUE, markersize=2, alpha=0.35, rasterized=True)
        # above the diagonal there is room for long names
        grid[row, row].set_title(literal(names[i]), fontsize="small", loc="left")
    return figure


def _alone(ax, values: np.ndarray) -> None:
    ax.hist(values, 30, density=True, histtype="stepfilled", color=BLUE, alpha=0.8)
    low, high = values.min(), values.max()
    room = 0.15 * ((high - low) or 1.0)
    # where the prior is far wider it is a line close to zero
    at = np.linspace(low - room, high + room, 60)
    ax.plot(at, np.exp(-(at**2) / 2) / (2 * np.pi) ** 0.5, "--", color=GREY, linewidth=1)
    ax.set_xlim(at[0], at[-1])
    ax.set_yticks([])

"""What other recordings would bring."""

import numpy as np
from matplotlib.axes import Axes

from ...inference import Design
from .style import BLUE, GREY, axes, literal


def design(found: Design, ax: Axes | None = None) -> Axes:
    """Draw how many times narrower each recording would make the bands: median over the quantities, and range.

    Parameters
    ----------
    found
        What `design` found.
    ax
        Axes to draw in; ``None`` makes some.
    """
    ax = axes(ax, (5.2, 0.6 + 0.4 * len(found.names)))
    gain, rows = found.gain, np.arange(len(found.names))
    middle = np.median(gain, 1)
    reach = np.stack([middle - gain.min(1), gain.max(1) - middle])
    ax.barh(rows, middle, 0.6, color=BLUE, xerr=reach, ecolor=GREY, capsize=3)
    ax.axvline(1.0, color=GREY, linewidth=0.8)
    ax.set_yticks(rows, [literal(name) for name in found.names])
    ax.invert_yaxis()
    ax.set_xlabel("bands narrower by this factor")
    return ax

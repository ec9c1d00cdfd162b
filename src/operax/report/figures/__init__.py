"""Figures: laws with bands, frames, residuals, fronts.

Every function draws into the axes (or figure) it is given, or makes one that belongs to no window system:
save it with ``axes.figure.savefig(path)``. No global style is changed.
"""

from .corner import corner
from .curves import band, front, history, laws, predicted_against_measured, profiles
from .designs import design
from .doubts import autocorrelation, balance
from .film import film
from .frames import influence, movie, residuals
from .places import rates
from .ranks import ranks
from .style import png

__all__ = [
    "autocorrelation",
    "balance",
    "band",
    "corner",
    "design",
    "film",
    "front",
    "history",
    "influence",
    "laws",
    "movie",
    "png",
    "predicted_against_measured",
    "profiles",
    "ranks",
    "rates",
    "residuals",
]

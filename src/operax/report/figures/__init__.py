"""Figures: laws with bands, frames, residuals, fronts.

Every function draws into the axes (or figure) it is given, or makes one that belongs to no window system:
save it with ``axes.figure.savefig(path)``. No global style is changed.
"""

from .curves import band, front, history, laws, predicted_against_measured, profiles
from .designs import design
from .frames import influence, movie, residuals
from .style import png

__all__ = [
    "band",
    "design",
    "front",
    "history",
    "influence",
    "laws",
    "movie",
    "png",
    "predicted_against_measured",
    "profiles",
    "residuals",
]

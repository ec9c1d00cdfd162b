"""What a fit tells while it runs."""

import time
from collections.abc import Callable

import equinox as eqx
import numpy as np

from ..physics.equations import AbstractEquation
from .descent import Point

# The rate of descent is judged on this many steps.
RECENT = 4


class Progress(eqx.Module):
    """How a fit stands after a step.

    Attributes
    ----------
    step
        Steps tried so far.
    loss
        Minus the log posterior.
    promised
        Gain in log posterior that a full step from the last point promised.
    equation
        The laws as they are now.
    part
        Part of every window that is judged at present; the fit ends with 1.
    seconds, left
        Time spent, and a guess of the time left, ``None`` before there is one.
    """

    step: int
    loss: float
    promised: float
    equation: AbstractEquation
    part: float
    seconds: float
    left: float | None


def watching(steps: int, progress: Callable[[Progress], None] | None) -> Callable[[Point, float, float, float], None]:
    """A function to call after every step with the point, the gain promised, the gain to stop at, and the part."""
    start = time.monotonic()
    seen: list[tuple[float, float, float]] = []  # part, seconds, promised

    def watch(point: Point, promised: float, goal: float, part: float) -> None:
        if progress is None:
            return
        seconds = time.monotonic() - start
        seen.append((part, seconds, promised))
        left = _left([row[1:] for row in seen if row[0] == part], goal, steps - point.tried) if part == 1 else None
        progress(Progress(point.tried, point.history[-1], promised, point.equation, part, seconds, left))

    return watch


def _left(seen: list[tuple[float, float]], goal: float, steps: int) -> float | None:
    """Seconds until what a step promises has fallen to ``goal``, if it goes on falling by the present factor."""
    recent = seen[-RECENT:]
    if len(recent) < 2:
        return None
    pace = (recent[-1][0] - recent[0][0]) / (len(recent) - 1)
    fall = np.log(max(recent[0][1], goal) / max(recent[-1][1], goal)) / (len(recent) - 1)
    if fall <= 0:
        return pace * steps
    return float(pace * min(steps, np.ceil(np.log(max(recent[-1][1], goal) / goal) / fall)))

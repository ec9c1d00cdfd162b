"""Fits from several starting points, so that a local optimum is seen for what it is."""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from ..physics.equations import AbstractEquation
from .descent import AbstractMethod
from .fit import Fit, fit
from .optimise import LevenbergMarquardt
from .problem import Problem, together

# Log densities of rough fits that differ by less belong to one optimum, and so do polished ones.
SAME = 3.0


class Multistart(eqx.Module):
    """Fits from several starting points, the most probable first. Printing it gives the verdict.

    Attributes
    ----------
    best
        The most probable fit, finished.
    fits
        All fits that got anywhere, as far as they were taken, the most probable first.
    lost
        Starting points from which the equation could not be solved.
    """

    best: Fit
    fits: tuple[Fit, ...]
    lost: int = eqx.field(static=True)

    def __str__(self) -> str:
        density = np.array([float(one.log_density) for one in self.fits])
        same = int((density > density[0] - SAME).sum())
        said = f"{same} of {len(density) + self.lost} starts reached the best optimum"
        if same < len(density):
            said += f"; the next one found is {density[0] - density[same]:.3g} lower in log density"
        if self.lost:
            said += f"; {self.lost} could not be solved"
        return said


def multistart(
    equation: AbstractEquation,
    problem: Problem | Sequence[Problem],
    *,
    key: Key[Array, ""],
    size: int = 8,
    spread: float = 1.0,
    method: AbstractMethod | None = None,
    executor: Executor | None = None,
) -> Multistart:
    """Fit roughly from several draws of the prior, and finish the best.

    Parameters
    ----------
    equation
        The prior, and the first starting point.
    problem
        What judges.
    key
        Random key.
    size
        Number of starting points.
    spread
        Width of the draws in units of the prior's.
    method
        How to go down; the rough form of it for all but the last fit.
    executor
        Where the rough fits run, side by side; default threads, which share what was compiled.

    Raises
    ------
    RuntimeError
        If no starting point could be solved.
    """
    if size < 1 or not spread > 0:
        raise ValueError(f"`size` must be at least 1 and `spread` positive, got {size} and {spread}.")
    problems, method = together(problem), method or LevenbergMarquardt()
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    draws = theta + spread * jax.random.normal(key, (size - 1, theta.size), theta.dtype)
    starts = [equation, *map(unravel, draws)]
    rough = method.rough()
    if executor is None:
        with ThreadPoolExecutor() as threads:
            members = list(threads.map(_attempt, starts, [problems] * size, [rough] * size))
    else:
        members = list(executor.map(_attempt, starts, [problems] * size, [rough] * size))
    fits = sorted((one for one in members if isinstance(one, Fit)), key=lambda one: -float(one.log_density))
    if not fits:
        raise RuntimeError(
            f"the equation could not be solved from any of {size} starting points; the first failed with: {members[0]}"
        )
    # afresh, so that the spread of start states is that of a fit that was finished
    best = fit(fits[0].equation, problems, method=method)
    return Multistart(best, tuple(fits), size - len(fits))


def _attempt(equation: AbstractEquation, problems: tuple[Problem, ...], method: AbstractMethod) -> Fit | str:
    """A fit, or why there is none."""
    try:
        return fit(equation, problems, method=method)
    except RuntimeError as error:
        return str(error)

"""Fit an equation to a problem: Levenberg–Marquardt in whitened coordinates, start states eliminated."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie
from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan, choose_plan
from ..physics.transforms import transform
from .linearise import NormalEquations, misfit, predict
from .optimise import LevenbergMarquardt, Point, descend
from .problem import Problem

# A long window is opened in these parts: the start of the movie leads the laws to where all of it can be followed.
STAGES = (0.25, 0.5)

_predict = eqx.filter_jit(predict)


class Fit(eqx.Module):
    """The most probable equation and start states.

    Attributes
    ----------
    equation
        The fitted equation.
    starts
        Start coordinates of every window, shape (window, mode).
    log_density
        Log posterior density at the optimum, up to a constant.
    chi2
        Reduced χ²: squared residuals over noise variance, per value scored. Well above one means that the
        equation, or the noise model, does not explain the movie.
    history
        Minus the log posterior along the last descent, at full accuracy and on the whole movie.
    result
        Why the fit stopped, in words.
    rejected
        Number of steps rejected, failed solves among them.
    """

    equation: AbstractEquation
    starts: Float[Array, "window mode"]
    log_density: Float[Array, ""]
    chi2: Float[Array, ""]
    history: Float[Array, " step"]
    normal: NormalEquations
    plan: StepPlan
    result: str = eqx.field(static=True)
    rejected: int = eqx.field(static=True)


def fit(
    equation: AbstractEquation,
    problem: Problem,
    *,
    method: LevenbergMarquardt | None = None,
    progress: Callable[[int, float, float], None] | None = None,
) -> Fit:
    """Fit the unknown numbers of an equation, and the start states, to a movie.

    Parameters
    ----------
    equation
        Where to start from, and the prior.
    problem
        What judges.
    method
        Settings of the optimiser.
    progress
        Called after every step with its number, minus the log posterior and the gain a full step promised.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If the equation has no unknown number.
    RuntimeError
        If the equation cannot be solved from the starting point.
    """
    method = method or LevenbergMarquardt()
    if not jax.tree.leaves(equation):
        raise ValueError(
            "the equation has no unknown number, so there is nothing to fit: give it a law with a prior, such as "
            "`laws.positive(1e-3, factor=3)` or `laws.Legendre(4)`."
        )
    xi = problem.starts.guess
    point = Point(equation, xi, _first_plan(equation, xi, problem), (), 0, 0)
    for part in STAGES:
        opening = eqx.tree_at(lambda p: p.weights, problem, problem.weights * _opening(problem, part))
        rough = LevenbergMarquardt(method.steps, max(1.0, method.tolerance), method.damping)
        point, _, _ = descend(point, opening, rough, progress)
    point, normal, result = descend(point, problem, method, progress)
    geometry = transform(problem.data.domain)
    chi2 = misfit(problem, _predict(point.equation, point.xi, problem, geometry, point.plan)) / problem.scored
    return Fit(
        point.equation,
        point.xi,
        jnp.asarray(-point.history[-1]),
        chi2,
        jnp.asarray(point.history),
        normal,
        point.plan,
        result,
        point.rejected,
    )


def _opening(problem: Problem, part: float) -> Float[Array, "time *space"]:
    """1 on the first part of every window's frames (two at least), 0 on the rest."""
    mask = np.zeros((len(problem.data), *(1,) * problem.data.domain.ndim))
    for window in problem.windows:
        mask[list(window[: max(2, round(part * len(window)))])] = 1
    return jnp.asarray(mask, problem.weights.dtype)


def _first_plan(equation, xi, problem: Problem) -> StepPlan:
    """A rough plan to begin with; the descent refines it as the laws need."""
    times, _, _ = problem.legs()
    start = problem.starts.state(0, xi[0])
    plan = choose_plan(equation, start, times[0], problem.data.domain, tolerance=1e-2)
    return eqx.tree_at(lambda p: p.steps, plan, jnp.asarray(plan.steps))


def fitted(fit: Fit, problem: Problem) -> Movie:
    """The movie the fit predicts: one frame for each frame a window reaches, as the instrument would see it."""
    geometry = transform(problem.data.domain)
    legs = _predict(fit.equation, fit.starts, problem, geometry, fit.plan)
    skip = 1 if problem.starts.lead == 0 else 0
    reached = [(frame, w, k) for w, frames in enumerate(problem.windows) for k, frame in enumerate(frames[skip:])]
    # windows follow each other and reach every frame once
    frame, w, k = (np.array(x) for x in zip(*reached))
    data = problem.data[frame] if len(frame) < len(problem.data) else problem.data
    everything = tuple(range(1 - len(data), len(data)))
    return data.replace(frames=legs[w, k], variance=None, reads=everything)

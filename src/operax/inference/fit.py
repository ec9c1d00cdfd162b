"""Fit an equation to a problem: laws and start states together, a long window opened part by part."""

import os
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie
from ..physics.equations import AbstractEquation
from ..physics.plan import StepPlan
from .checkpoint import fingerprint, resumed, written
from .descent import AbstractMethod, Point
from .linearise import NormalEquations
from .optimise import LevenbergMarquardt
from .problem import Problem, first_guess, split, together
from .progress import Progress, watching
from .settle import first_plans, solved, squares

# A long window is opened in these parts: the start of the movie leads the laws to where all of it can be followed.
STAGES = (0.25, 0.5, 1.0)


class Fit(eqx.Module):
    """The most probable equation and start states.

    Attributes
    ----------
    equation
        The fitted equation.
    starts
        Start coordinates of every window, shape (window, mode); those of several movies one after the other.
    log_density
        Log posterior density at the optimum, up to a constant.
    chi2
        Reduced χ²: squared residuals over noise variance, per value scored. Well above one means that the
        equation, or the noise model, does not explain the movie.
    history
        Minus the log posterior along the last descent, at full accuracy and on the whole movie.
    normal
        Curvature of minus the log posterior at the optimum: an arrow of laws and start states.
    plans
        The solver's steps, one plan a movie.
    result
        Why the fit stopped, in words.
    rejected
        Number of steps rejected, failed solves among them.
    failed
        Number of steps at which the equation could not be solved.
    """

    equation: AbstractEquation
    starts: Float[Array, "window mode"]
    log_density: Float[Array, ""]
    chi2: Float[Array, ""]
    history: Float[Array, " step"]
    normal: NormalEquations
    plans: tuple[StepPlan, ...]
    result: str = eqx.field(static=True)
    rejected: int = eqx.field(static=True)
    failed: int = eqx.field(static=True)


def fit(
    equation: AbstractEquation,
    problem: Problem | Sequence[Problem],
    *,
    method: AbstractMethod | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Fit:
    """Fit the unknown numbers of an equation, and the start states, to a movie or to several.

    Parameters
    ----------
    equation
        Where to start from, and the prior.
    problem
        What judges. Several problems share their laws; each has its own domain, noise and start states.
    method
        How to go down: `LevenbergMarquardt` (default), `NewtonCG` or `LBFGS`.
    progress
        Called after every step.
    checkpoint
        File the fit is written to after every step. Where it exists already, the fit goes on from it, and ends
        with the same numbers as one that was never interrupted.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If the equation has no unknown number or several fields, or the checkpoint is of another fit.
    RuntimeError
        If the equation cannot be solved from the starting point.
    """
    method = method or LevenbergMarquardt()
    problems = together(problem)
    if not jax.tree.leaves(equation):
        raise ValueError(
            "the equation has no unknown number, so there is nothing to fit: give it a law with a prior, such as "
            "`laws.positive(1e-3, factor=3)` or `laws.Legendre(4)`."
        )
    if equation.fields != 1:
        raise ValueError(
            f"a `{type(equation).__name__}` has {equation.fields} fields, and a movie shows one value a pixel, from "
            "which they cannot be started: simulate it, or fit an equation of one field, such as `Intercalation`, to "
            "what the movie shows."
        )
    xi = first_guess(problems)
    point = Point(equation, xi, first_plans(equation, xi, problems), method.first_reach)
    mark = "" if checkpoint is None else fingerprint(equation, problems, method)
    begun, point = (0, point) if checkpoint is None else resumed(checkpoint, mark, point)
    told = watching(method.steps, progress)
    for stage, part in enumerate(STAGES):
        if stage < begun:
            continue

        def watch(point, promised, goal, stage=stage, part=part):
            if checkpoint is not None:
                written(checkpoint, mark, stage, point)
            told(point, promised, goal, part)

        whole = part == 1
        judged = problems if whole else tuple(_opened(p, part) for p in problems)
        if stage > begun:
            point = point.afresh(method.first_reach)
        point, normal, result = (method if whole else method.rough()).descend(point, judged, watch)
    return concluded(point, normal, result, problems)


def refit(best: Fit, problem: Problem | Sequence[Problem], *, method: AbstractMethod | None = None) -> Fit:
    """Fit again from where a fit ended, to the same movies with other frames, noise or weights.

    Parameters
    ----------
    best
        A fit of the same windows. The prior is that of its equation.
    problem
        What judges now.
    method
        How to go down: `LevenbergMarquardt` (default), `NewtonCG` or `LBFGS`.

    Raises
    ------
    RuntimeError
        If the equation cannot be solved from where it stood.
    """
    method, problems = method or LevenbergMarquardt(), together(problem)
    point = Point(best.equation, best.starts, best.plans, method.first_reach)
    point, normal, result = method.descend(point, problems)
    return concluded(point, normal, result, problems)


def concluded(point: Point, normal: NormalEquations, result: str, problems: tuple[Problem, ...]) -> Fit:
    """The fit a descent on the whole problem ended with."""
    predicted = [
        solved(point.equation, own, problem, plan)[2]
        for problem, own, plan in zip(problems, split(point.xi, problems), point.plans)
    ]
    chi2 = sum(float(squares(problem, frames)) for problem, frames in zip(problems, predicted))
    return Fit(
        point.equation,
        point.xi,
        jnp.asarray(-point.history[-1]),
        jnp.asarray(chi2 / sum(problem.scored for problem in problems)),
        jnp.asarray(point.history),
        normal,
        point.plans,
        result,
        point.rejected,
        point.failed,
    )


def _opened(problem: Problem, part: float) -> Problem:
    """The problem with only the first part of every window judged, two frames at least, and solved no further."""
    mask = np.zeros((len(problem.data), *(1,) * problem.data.domain.ndim))
    durations = np.array(problem.schedule.durations)
    for number, window in enumerate(problem.windows):
        count = min(len(window), max(2, round(part * len(window))))
        mask[list(window[:count])] = 1
        # the frame that a given start is has no slot
        slots = count - (problem.starts.lead == 0)
        durations[number, int(problem.schedule.ends[number, slots - 1]) + 1 :] = 0
    factor = problem.factor * jnp.asarray(mask, problem.factor.dtype)
    return eqx.tree_at(lambda p: (p.factor, p.schedule.durations), problem, (factor, jnp.asarray(durations)))


def fitted(fit: Fit, problem: Problem | Sequence[Problem], *, movie: int = 0) -> Movie:
    """The movie the fit predicts: one frame for each frame a window reaches, as the instrument would see it.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.
    movie
        Chooses among several problems that were fitted together.
    """
    problems = together(problem)
    one, plan = problems[movie], fit.plans[movie]
    slots = solved(fit.equation, split(fit.starts, problems)[movie], one, plan)[2]
    frame, real = one.schedule.frames, one.schedule.real
    # windows follow each other and reach every frame once
    reached = frame[real]
    data = one.data[reached] if len(reached) < len(one.data) else one.data
    everything = tuple(range(1 - len(data), len(data)))
    return data.replace(frames=slots[real], variance=None, reads=everything)

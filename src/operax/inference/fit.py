"""Fit an equation to a problem: laws and start states together, a long window opened part by part."""

import contextlib
import math
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
from .descent import AbstractMethod, Point, excess, tilted
from .linearise import NormalEquations
from .marginal import Averaging, determinant_slope, distance, doubted, relearnt, supposed
from .optimise import LevenbergMarquardt
from .problem import Problem, first_guess, split, together
from .progress import Progress, watching
from .settle import first_plans, prior_loss, solved, squares

# A long window is opened in these parts: the start of the movie leads the laws to where all of it can be followed.
STAGES = (0.25, 0.5, 1.0)

# Parts of the first guess of start states that are tried before the centre of their prior.
PARTS = (1.0, 0.5, 0.25)

# Rounds in which laws answer to all start states. They end when a full step would move the laws by less than this
# distance in posterior standard deviations, and gain less than this in log posterior, start states included.
ROUNDS, SETTLED, GAIN = 4, 0.05, 0.5


class Fit(eqx.Module):
    """The most probable equation, start states averaged over, and the most probable start states with it.

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
        What the last descent went down, at full accuracy and on the whole movie: minus the log posterior, tilted.
    normal
        Its curvature at the optimum: an arrow of laws and start states.
    averaging
        How widely start states were found to spread, and what averaging over them adds for the laws.
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
    averaging: Averaging
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

    Notes
    -----
    How widely unknown start states spread is learnt along with the laws, and the laws are the most probable ones with
    start states averaged over, by Laplace's approximation. Laws and start states that are most probable together
    would be off by up to several standard deviations where the movie is short or noisy.

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
    point = Point(equation, *_somewhere(equation, problems), method.first_reach)
    mark = "" if checkpoint is None else fingerprint(equation, problems, method)
    averaging = supposed(equation, problems)
    begun = 0
    normal: NormalEquations
    result: str
    if checkpoint is not None:
        begun, point, averaging = resumed(checkpoint, mark, point, averaging)
    told = watching(method.steps, progress)
    rounds = ROUNDS if any(map(np.size, averaging.spreads)) else 0
    for stage, part in enumerate((*STAGES, *(1.0,) * rounds)):
        if stage < begun:
            continue
        if stage > begun:
            nearer, better = point, averaging
            if stage >= len(STAGES):
                # not before: what laws cannot do yet in the first part of a movie would be laid to the start's spread
                nearer, around, better = relearnt(point, normal, problems, averaging)
                tilt = determinant_slope(nearer, around, better.of(problems))
                around = tilted(around, tilt - averaging.tilt)
                unit = excess(point.history[-1], problems)
                still = distance(around) < SETTLED and around.promise(0.0) < GAIN * unit
                if still or not result.startswith("converged"):
                    break
                better = Averaging(better.spreads, tilt, better.doubt)
            point, averaging = nearer.afresh(method.first_reach), better

        def watch(point, promised, goal, stage=stage, part=part, averaging=averaging):
            if checkpoint is not None:
                written(checkpoint, mark, stage, point, averaging)
            told(point, promised, goal, part)

        whole = part == 1
        judged = averaging.of(problems if whole else tuple(opened(p, part) for p in problems))
        descent = method if whole else method.rough()
        point, normal, result = descent.descend(point, judged, watch, averaging.tilt)
    return concluded(point, normal, result, problems, averaging)


def _somewhere(equation, problems) -> tuple[Float[Array, "window mode"], tuple[StepPlan, ...]]:
    """First start states that the equation can be solved from, and its plans.

    A guess from noisy frames may lie beyond 0, where a logarithm ends: then one nearer to the centre of the prior.
    """
    guess = first_guess(problems)
    for part in PARTS if guess.size else ():
        with contextlib.suppress(RuntimeError):
            return part * guess, first_plans(equation, part * guess, problems)
    return 0 * guess, first_plans(equation, 0 * guess, problems)


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
    averaging = best.averaging
    point, normal, result = method.descend(point, averaging.of(problems), tilt=averaging.tilt)
    return concluded(point, normal, result, problems, averaging)


def concluded(
    point: Point, normal: NormalEquations, result: str, problems: tuple[Problem, ...], averaging: Averaging
) -> Fit:
    """The fit a descent on the whole problem ended with."""
    problems = averaging.of(problems)
    runs = [
        solved(point.equation, own, problem, plan)
        for problem, own, plan in zip(problems, split(point.xi, problems), point.plans)
    ]
    chi2 = sum(float(squares(problem, run[2])) for problem, run in zip(problems, runs))
    likely = sum(float(run[0]) for run in runs)
    return Fit(
        point.equation,
        point.xi,
        jnp.asarray(-likely - prior_loss(point.equation, point.xi)),
        jnp.asarray(chi2 / sum(problem.scored for problem in problems)),
        jnp.asarray(point.history),
        normal,
        doubted(point.xi, normal, problems, averaging),
        point.plans,
        result,
        point.rejected,
        point.failed,
    )


def as_fitted(fit: Fit, problem: Problem | Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems with start states as widely spread as the fit learnt."""
    return fit.averaging.of(together(problem))


def opened(problem: Problem, part: float) -> Problem:
    """The problem with only the first part of every window judged, two frames at least, and solved no further.

    Of windows with given starts only that part of them, spread over the movie. A start that nothing judges would be
    drawn to the centre of its prior if it were unknown, so then all windows are kept.
    """
    mask = np.zeros((len(problem.data), *(1,) * problem.data.domain.ndim))
    durations = np.zeros_like(problem.schedule.durations)
    # a given start is a frame without a slot, and may end the window before
    first, windows = int(problem.starts.lead == 0), len(problem.windows)
    kept = math.ceil(part * windows) if first else windows
    for number in (j * windows // kept for j in range(kept)):
        window = problem.windows[number]
        count = min(len(window), max(2, round(part * len(window))))
        mask[list(window[first:count])] = 1
        legs = int(problem.schedule.ends[number, count - first - 1]) + 1
        durations[number, :legs] = problem.schedule.durations[number, :legs]
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
    problems = as_fitted(fit, problem)
    one, plan = problems[movie], fit.plans[movie]
    slots = solved(fit.equation, split(fit.starts, problems)[movie], one, plan)[2]
    frame, real = one.schedule.frames, one.schedule.real
    # windows follow each other and reach every frame once
    reached = frame[real]
    data = one.data[reached] if len(reached) < len(one.data) else one.data
    everything = tuple(range(1 - len(data), len(data)))
    return data.replace(frames=slots[real], variance=None, reads=everything)

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
from ..physics.transforms import AbstractTransform, transform
from .linearise import NormalEquations, linearise, misfit, negative_log_posterior, predict
from .problem import Problem

_objective = eqx.filter_jit(negative_log_posterior)
_linearise = eqx.filter_jit(linearise)
_predict = eqx.filter_jit(predict)
_misfit = eqx.filter_jit(misfit)


class LevenbergMarquardt(eqx.Module):
    """How hard to try.

    Parameters
    ----------
    steps
        Most accepted or rejected steps.
    tolerance
        Converged when the gain in log posterior that a full step promises is below this; a step that gains g
        moves no law by more than √(2g) posterior standard deviations.
    damping
        First damping factor; it falls after good steps and grows after bad ones.
    """

    steps: int = eqx.field(default=60, static=True)
    tolerance: float = eqx.field(default=1e-3, static=True)
    damping: float = eqx.field(default=1e-2, static=True)

    def __check_init__(self):
        if self.steps < 1 or not self.tolerance > 0 or not self.damping > 0:
            raise ValueError(
                f"`steps`, `tolerance` and `damping` must be positive, got {self.steps}, {self.tolerance}, {self.damping}."
            )


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
        Minus the log posterior after every step tried that was accepted, first the starting value.
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
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    if theta.size == 0:
        raise ValueError(
            "the equation has no unknown number, so there is nothing to fit: give it a law with a prior, such as "
            "`laws.positive(1e-3, factor=3)` or `laws.Legendre(4)`."
        )
    dtype = jnp.result_type(theta, problem.data.frames)
    theta, xi = theta.astype(dtype), problem.starts.guess
    geometry = transform(problem.data.domain)
    plan = _plan(equation, xi, problem)
    history, rejected, result = [], 0, f"stopped after {method.steps} steps, not converged"
    damping, normal = method.damping, None
    value = float(_objective(unravel(theta), xi, problem, geometry, plan))
    if not np.isfinite(value):
        raise RuntimeError(
            "the equation cannot be solved from its starting point: make the prior's centre milder, or give "
            "shorter windows (`Problem(..., window=3)`)."
        )
    history.append(value)
    for step in range(method.steps):
        if normal is None:
            normal = _linearise(unravel(theta), xi, problem, geometry, plan)
            promised = _promise(normal, 0.0)
            if promised < method.tolerance:
                renewed = _plan(unravel(theta), xi, problem)
                if renewed.steps <= plan.steps:
                    result = f"converged: a full step would gain {promised:.1e} in log posterior"
                    break
                # the laws found are stiffer than those the plan was made for: go on with finer steps
                plan, normal = renewed, None
                value = float(_objective(unravel(theta), xi, problem, geometry, plan))
                continue
        d_theta, d_xi = normal.newton_step(damping)
        trial = float(_objective(unravel(theta + d_theta), xi + d_xi, problem, geometry, plan))
        expected = _promise(normal, damping)
        if np.isfinite(trial) and trial < value:
            ratio = (value - trial) / expected
            theta, xi, value, normal = theta + d_theta, xi + d_xi, trial, None
            damping = damping / 5 if ratio > 0.75 else damping * 2 if ratio < 0.25 else damping / 2
            history.append(value)
        else:
            rejected += 1
            damping *= 8
            if damping > 1e10:
                result = "stopped: no step however short improves the fit; it may be at the solver's accuracy"
                break
        if progress is not None:
            progress(step + 1, value, promised)
    best = unravel(theta)
    if normal is None:
        normal = _linearise(best, xi, problem, geometry, plan)
    chi2 = _misfit(best, xi, problem, geometry, plan) / problem.scored
    return Fit(best, xi, jnp.asarray(-value), chi2, jnp.asarray(history), normal, plan, result, rejected)


def _promise(normal: NormalEquations, damping: float) -> float:
    """Decrease of the quadratic model by the step with this damping."""
    d_theta, d_xi = normal.newton_step(damping)
    slope = d_theta @ normal.gradient_laws + jnp.sum(d_xi * normal.gradient_starts)
    curved = (
        d_theta @ normal.laws @ d_theta
        + 2 * jnp.einsum("p,wpm,wm->", d_theta, normal.cross, d_xi)
        + jnp.einsum("wm,wmn,wn->", d_xi, normal.starts, d_xi)
    )
    return float(-slope - 0.5 * curved)


def _plan(equation, xi, problem: Problem) -> StepPlan:
    """Steps fine enough that no law can be moved by a tenth of its posterior width.

    A solution error of norm e in units of the noise moves no law by more than e standard deviations, so the
    root-mean-square error allowed is 0.1 / √(Σ weights). Judged on the first and the last window.
    """
    times, _, _ = problem.legs()
    allowed = 0.1 / float(jnp.sqrt(jnp.sum(problem.weights)))
    spread = float(jnp.std(problem.data.frames[:, problem.data.domain.inside])) or 1.0
    tolerance = float(np.clip(allowed / spread, 1e-5, 1e-2))
    plans = [
        choose_plan(
            equation, problem.starts.state(w, xi[w]), times[w], problem.data.domain, tolerance=tolerance
        )
        for w in sorted({0, len(times) - 1})
    ]
    return max(plans, key=lambda plan: plan.steps)


def fitted(fit: Fit, problem: Problem) -> Movie:
    """The movie the fit predicts: one frame for each frame a window reaches, as the instrument would see it."""
    geometry: AbstractTransform = transform(problem.data.domain)
    legs = _predict(fit.equation, fit.starts, problem, geometry, fit.plan)
    skip = 1 if problem.starts.lead == 0 else 0
    reached = [(frame, w, k) for w, frames in enumerate(problem.windows) for k, frame in enumerate(frames[skip:])]
    frame, w, k = (np.array(x) for x in zip(*sorted(dict(((r[0]), r) for r in reached).values())))
    data = problem.data[frame] if len(frame) < len(problem.data) else problem.data
    everything = tuple(range(1 - len(data), len(data)))
    return data.replace(frames=legs[w, k], variance=None, reads=everything)

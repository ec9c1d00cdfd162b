"""Levenberg–Marquardt descent on laws and start states together, with start states eliminated."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan
from ..physics.steppers import damping as linear_part
from ..physics.transforms import transform
from .linearise import NormalEquations, linearise, negative_log_posterior, predict
from .problem import Problem

# Laws may grow by this factor in one step before the linear part of the solver is too weak for them.
ROOM = 1.3
# Halving the steps may move the predicted movie by this distance in units of the noise. No law can then be moved
# by more than this part of its posterior standard deviation. Far from the optimum a fifth of the step suffices.
ACCURACY = 0.1

_linearise = eqx.filter_jit(linearise)


@eqx.filter_jit
def _objective(equation, xi, problem, geometry, plan):
    """Minus the log posterior, the compositions the run spans (starts included), and what would be seen."""
    frames = predict(equation, xi, problem, geometry, plan)
    starts = jax.vmap(problem.starts.state)(jnp.arange(len(xi)), xi)
    inside = np.nonzero(problem.data.domain.inside)
    spanned = [(jnp.min(x), jnp.max(x)) for x in (frames[:, :, *inside], starts[:, *inside])]
    low, high = jnp.minimum(spanned[0][0], spanned[1][0]), jnp.maximum(spanned[0][1], spanned[1][1])
    return negative_log_posterior(equation, xi, problem, frames), jnp.stack([low, high]), frames


@eqx.filter_jit
def _distance(frames, others, problem):
    _, _, weights = problem.legs()
    return jnp.sqrt(jnp.sum(weights * (frames - others) ** 2))


class LevenbergMarquardt(eqx.Module):
    """How hard to try.

    Parameters
    ----------
    steps
        Most steps tried, accepted and rejected ones together.
    tolerance
        Converged when the gain in log posterior that a full step promises is below this; a step that gains g
        moves no law by more than √(2g) posterior standard deviations. Both are in units of the misfit where the
        reduced χ² exceeds one.
    damping
        First damping factor; it falls after good steps and grows after bad ones.
    """

    steps: int = eqx.field(default=100, static=True)
    tolerance: float = eqx.field(default=5e-3, static=True)
    damping: float = eqx.field(default=1e-2, static=True)

    def __check_init__(self):
        if self.steps < 1 or not self.tolerance > 0 or not self.damping > 0:
            raise ValueError(
                "`steps`, `tolerance` and `damping` must be positive, got "
                f"{self.steps}, {self.tolerance}, {self.damping}."
            )


class Point(eqx.Module):
    """Where a descent stands."""

    equation: AbstractEquation
    xi: Float[Array, "window mode"]
    plan: StepPlan
    history: tuple[float, ...]  # minus the log posterior, the present value last
    tried: int
    rejected: int


def descend(
    point: Point,
    problem: Problem,
    method: LevenbergMarquardt,
    progress: Callable[[int, float, float], None] | None,
) -> tuple[Point, NormalEquations, str]:
    """Go down until a full step promises less than the tolerance, the steps are used up, or nothing helps.

    Returns where it stopped, the normal equations there, and why. A failed solve is a rejected step.

    Raises
    ------
    RuntimeError
        If the equation cannot be solved at the point given.
    """
    geometry = transform(problem.data.domain)
    theta, unravel = jax.flatten_util.ravel_pytree(point.equation)
    xi, damping, tried, rejected = point.xi, method.damping, point.tried, point.rejected

    def objective(theta, xi, plan):
        value, span, frames = _objective(unravel(theta), xi, problem, geometry, plan)
        return float(value), span, frames

    def settled(theta, xi, plan, accuracy):
        """The objective with a linear part made for these very laws, and steps fine enough for ``accuracy``.

        Without the first the solver's own stability limit looked like information about the laws: it pinned a
        mobility to within a thousandth of a wrong value.
        """
        value, span, frames = objective(theta, xi, plan)
        if not np.isfinite(value):
            return value, plan
        # laws may also have become gentler: the outcome may be half the steps of before
        steps = [max(1, int(plan.steps) // 4) * 2**doubling for doubling in range(6)]
        for n in steps:
            coarser = frames
            plan = _redamped(plan, n, unravel(theta), span, problem)
            value, _, frames = objective(theta, xi, plan)
            if n > steps[0] and float(_distance(frames, coarser, problem)) <= accuracy:
                break
        return value, plan

    value, plan = settled(theta, xi, point.plan, np.inf)
    if not np.isfinite(value):
        raise RuntimeError(
            "the equation cannot be solved from its starting point: make the prior's centre milder, or give "
            "shorter windows (`Problem(..., window=3)`)."
        )
    history = [value]
    normal = _linearise(unravel(theta), xi, problem, geometry, plan)
    while True:
        promised = normal.promise(0.0)
        # where the equation does not explain the movie down to its noise, what is left over is the unit
        excess = max(1.0, 2 * value / problem.scored)
        if promised < method.tolerance * excess:
            reason = f"converged: a full step would gain {max(promised, 0.0):.1e} in log posterior"
            break
        if tried >= method.steps:
            reason = f"stopped after {tried} steps, not converged: a full step promises {promised:.1e}"
            break
        tried += 1
        d_theta, d_xi = normal.newton_step(damping)
        trial, trial_plan = settled(
            theta + d_theta, xi + d_xi, plan, max(ACCURACY * excess**0.5, 0.2 * (2 * promised) ** 0.5)
        )
        if np.isfinite(trial) and trial < value:
            ratio = (value - trial) / normal.promise(damping)
            damping *= 1 / 5 if ratio > 0.75 else 2 if ratio < 0.25 else 1 / 2
            theta, xi, plan, value = theta + d_theta, xi + d_xi, trial_plan, trial
            history.append(value)
            normal = _linearise(unravel(theta), xi, problem, geometry, plan)
        else:
            rejected += 1
            damping *= 8
            if damping > 1e10:
                reason = "stopped: no step, however short, improves the fit; it may be at the solver's accuracy"
                break
        if progress is not None:
            progress(tried, value, promised)
    return Point(unravel(theta), xi, plan, tuple(history), tried, rejected), normal, reason


def _redamped(
    plan: StepPlan, steps: int, equation: AbstractEquation, span: Float[Array, "2"], problem: Problem
) -> StepPlan:
    """A plan of ``steps`` with the linear part that the present laws need, and room for those of the next trial."""
    h = jnp.min(jnp.diff(problem.data.times)) / steps
    reach = jnp.linspace(span[0], span[1], 129)
    damping = ROOM * linear_part(
        equation, transform(problem.data.domain), problem.data.times, reach, h, plan.stepper.share
    )
    return StepPlan(plan.legs, jnp.asarray(steps), damping, plan.stepper)

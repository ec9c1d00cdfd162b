"""Levenberg–Marquardt descent on laws and start states together, with start states eliminated."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan
from ..physics.steppers import damping as stepper_damping
from ..physics.transforms import transform
from .linearise import NormalEquations, linearise, negative_log_posterior
from .problem import Problem

# Laws may grow by this factor in one step before the linear part of the solver is too weak for them.
ROOM = 1.3

_objective = eqx.filter_jit(negative_log_posterior)
_linearise = eqx.filter_jit(linearise)


class LevenbergMarquardt(eqx.Module):
    """How hard to try.

    Parameters
    ----------
    steps
        Most steps tried, accepted and rejected ones together.
    tolerance
        Converged when the gain in log posterior that a full step promises is below this; a step that gains g
        moves no law by more than √(2g) posterior standard deviations.
    damping
        First damping factor; it falls after good steps and grows after bad ones.
    """

    steps: int = eqx.field(default=100, static=True)
    tolerance: float = eqx.field(default=1e-3, static=True)
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
        return float(_objective(unravel(theta), xi, problem, geometry, plan))

    plan = redamped(point.plan, point.equation, problem)
    value = objective(theta, xi, plan)
    if not np.isfinite(value):
        raise RuntimeError(
            "the equation cannot be solved from its starting point: make the prior's centre milder, or give "
            "shorter windows (`Problem(..., window=3)`)."
        )
    history = [value]
    normal = _linearise(unravel(theta), xi, problem, geometry, plan)
    while True:
        promised = normal.promise(0.0)
        if promised < method.tolerance:
            reason = f"converged: a full step would gain {max(promised, 0.0):.1e} in log posterior"
            break
        if tried >= method.steps:
            reason = f"stopped after {tried} steps, not converged: a full step promises {promised:.1e}"
            break
        tried += 1
        d_theta, d_xi = normal.newton_step(damping)
        trial = objective(theta + d_theta, xi + d_xi, plan)
        if np.isfinite(trial) and trial < value:
            ratio = (value - trial) / normal.promise(damping)
            damping *= 1 / 5 if ratio > 0.75 else 2 if ratio < 0.25 else 1 / 2
            theta, xi = theta + d_theta, xi + d_xi
            plan = redamped(plan, unravel(theta), problem)
            value = objective(theta, xi, plan)
            history.append(value)
            normal = _linearise(unravel(theta), xi, problem, geometry, plan)
        else:
            rejected += 1
            damping *= 8
            if damping > 1e10:
                reason = (
                    "stopped: no step, however short, improves the fit; it may be at the solver's accuracy"
                )
                break
        if progress is not None:
            progress(tried, value, promised)
    return Point(unravel(theta), xi, plan, tuple(history), tried, rejected), normal, reason


def redamped(plan: StepPlan, equation: AbstractEquation, problem: Problem) -> StepPlan:
    """The plan with the linear part that the present laws need, and room for those of the next trial.

    Without this the solver's own stability limit would look like information about the laws: it pinned a
    mobility to within a thousandth of a wrong value.
    """
    inside = np.nonzero(problem.data.domain.inside)
    frames = problem.data.frames[:, *inside]
    noise = jnp.sqrt(1 / jnp.max(problem.weights))
    # the range of the movie itself, which noise has widened
    middle = 0.5 * (jnp.min(frames) + jnp.max(frames))
    reach = jnp.linspace(
        jnp.minimum(jnp.min(frames) + noise, middle), jnp.maximum(jnp.max(frames) - noise, middle), 129
    )
    h = jnp.min(jnp.diff(problem.data.times)) / plan.steps
    fresh = ROOM * stepper_damping(equation, transform(problem.data.domain), reach, h)
    return eqx.tree_at(lambda p: p.damping, plan, fresh)

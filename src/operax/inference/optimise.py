"""Levenberg–Marquardt descent on laws and start states together, with start states eliminated."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan
from .linearise import NormalEquations, linearise
from .problem import Problem
from .settle import ACCURACY, settled

# Beyond this damping a step is too short to be told from none.
STRONGEST = 1e10


class Point(eqx.Module):
    """Where a descent stands: enough to go on from as if it had never stopped.

    Attributes
    ----------
    equation, xi
        Laws and start coordinates.
    plans
        Solver steps, one plan a movie.
    damping
        Damping factor of the next step.
    history
        Minus the log posterior after every accepted step, the present value last; empty before the first.
    tried, rejected, failed
        Steps tried; of these not accepted; of these because the equation could not be solved.
    """

    equation: AbstractEquation
    xi: Float[Array, "window mode"]
    plans: tuple[StepPlan, ...]
    damping: float
    history: tuple[float, ...] = ()
    tried: int = 0
    rejected: int = 0
    failed: int = 0

    def afresh(self, damping: float) -> "Point":
        """The same laws and states at the beginning of another descent."""
        return Point(self.equation, self.xi, self.plans, damping, (), self.tried, self.rejected, self.failed)


# Told the point after every step tried, the gain in log posterior that a full step promised, and the gain at
# which the descent ends.
Watch = Callable[[Point, float, float], None]
# Further residuals of an equation, half whose squared norm is added to minus the log posterior.
Pull = Callable[[AbstractEquation], Float[Array, " residual"]]


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


def descend(
    point: Point,
    problems: tuple[Problem, ...],
    method: LevenbergMarquardt,
    watch: Watch | None = None,
    pull: Pull | None = None,
) -> tuple[Point, NormalEquations, str]:
    """Go down until a full step promises less than the tolerance, the steps are used up, or nothing helps.

    Returns where it stopped, the normal equations there, and why. A failed solve is a rejected step.

    Raises
    ------
    RuntimeError
        If the equation cannot be solved at the point given.
    """
    theta, unravel = jax.flatten_util.ravel_pytree(point.equation)
    xi, damping = point.xi, point.damping
    tried, rejected, failed = point.tried, point.rejected, point.failed
    scored = sum(problem.scored for problem in problems)

    def evaluate(theta, xi, plans, accuracy):
        value, plans = settled(unravel(theta), xi, problems, plans, accuracy)
        return value + (0.0 if pull is None else 0.5 * float(jnp.sum(pull(unravel(theta)) ** 2))), plans

    def normal_at(theta, xi, plans):
        normal = linearise(unravel(theta), xi, problems, plans)
        return normal if pull is None else _pulled(normal, lambda t: pull(unravel(t)), theta)

    history, plans = list(point.history), point.plans
    if not history:
        value, plans = evaluate(theta, xi, plans, np.inf)
        if not np.isfinite(value):
            raise RuntimeError(
                "the equation cannot be solved from its starting point: make the prior's centre milder, or give "
                "shorter windows (`Problem(..., window=3)`)."
            )
        history = [value]
    normal = normal_at(theta, xi, plans)
    while True:
        promised = normal.promise(0.0)
        # where the equation does not explain the movie down to its noise, what is left over is the unit
        excess = max(1.0, 2 * history[-1] / scored)
        if promised < method.tolerance * excess:
            reason = f"converged: a full step would gain {max(promised, 0.0):.1e} in log posterior"
            break
        if damping > STRONGEST:
            reason = "stopped: no step, however short, improves the fit; it may be at the solver's accuracy"
            break
        if tried >= method.steps:
            reason = f"stopped after {tried} steps, not converged: a full step promises {promised:.1e}"
            break
        tried += 1
        d_theta, d_xi = normal.newton_step(damping)
        accuracy = max(ACCURACY * excess**0.5, 0.2 * (2 * promised) ** 0.5)
        trial, trial_plans = evaluate(theta + d_theta, xi + d_xi, plans, accuracy)
        if np.isfinite(trial) and trial < history[-1]:
            ratio = (history[-1] - trial) / normal.promise(damping)
            damping *= 1 / 5 if ratio > 0.75 else 2 if ratio < 0.25 else 1 / 2
            theta, xi, plans = theta + d_theta, xi + d_xi, trial_plans
            history.append(trial)
            normal = normal_at(theta, xi, plans)
        else:
            rejected += 1
            failed += not np.isfinite(trial)
            damping *= 8
        if watch is not None:
            here = Point(unravel(theta), xi, plans, damping, tuple(history), tried, rejected, failed)
            watch(here, promised, method.tolerance * excess)
    return Point(unravel(theta), xi, plans, damping, tuple(history), tried, rejected, failed), normal, reason


def _pulled(normal: NormalEquations, pull, theta) -> NormalEquations:
    residual, jacobian = pull(theta), jax.jacfwd(pull)(theta)
    return eqx.tree_at(
        lambda n: (n.laws, n.gradient_laws),
        normal,
        (normal.laws + jacobian.T @ jacobian, normal.gradient_laws + jacobian.T @ residual),
    )

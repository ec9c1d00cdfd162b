"""What every method of descent works on, and how it ends."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.plan import StepPlan
from .linearise import NormalEquations
from .problem import Problem
from .settle import ACCURACY, first_plans, settled


class Point(eqx.Module):
    """Where a descent stands: enough to go on from as if it had never stopped.

    Attributes
    ----------
    equation, xi
        Laws and start coordinates.
    plans
        Solver steps, one plan a movie.
    reach
        How far the next step may go, in the method's own terms: a damping factor, a trust radius.
    history
        Minus the log posterior after every accepted step, the present value last; empty before the first.
    tried, rejected, failed
        Steps tried; of these not accepted; of these because the equation could not be solved.
    memory
        What the method remembers of earlier steps.
    """

    equation: AbstractEquation
    xi: Float[Array, "window mode"]
    plans: tuple[StepPlan, ...]
    reach: float
    history: tuple[float, ...] = ()
    tried: int = 0
    rejected: int = 0
    failed: int = 0
    memory: tuple[Float[np.ndarray, " unknown"], ...] = ()

    def afresh(self, reach: float) -> "Point":
        """The same laws and states at the beginning of another descent."""
        return Point(self.equation, self.xi, self.plans, reach, (), self.tried, self.rejected, self.failed)

    def moved(self, equation, xi, plans, reach: float, value: float, memory=()) -> "Point":
        """The point after an accepted step."""
        history = (*self.history, value)
        return Point(equation, xi, plans, reach, history, self.tried + 1, self.rejected, self.failed, memory)

    def refused(self, reach: float, value: float) -> "Point":
        """The point after a step that led up, or nowhere."""
        failed = self.failed + (not np.isfinite(value))
        counts = self.tried + 1, self.rejected + 1, failed
        return Point(self.equation, self.xi, self.plans, reach, self.history, *counts, self.memory)


# Gain in log posterior below which a first part of a movie has said enough: in what it says no more of, a descent
# crawls along a valley that the whole movie does not have.
ROUGH = 5.0
# Far from the end halving the steps may move the movie by this part of the gain's square root.
CARE = 0.2
# Told the point after every step tried, the gain in log posterior that a full step promised, and the gain at
# which the descent ends.
Watch = Callable[[Point, float, float], None]
# A slope added to minus the log posterior along the laws.
Tilt = Float[Array, " p"] | float
# Further residuals of an equation, half whose squared norm is added to minus the log posterior.
Pull = Callable[[AbstractEquation], Float[Array, " residual"]]


class AbstractMethod(eqx.Module):
    """A way down."""

    steps: eqx.AbstractVar[int]
    tolerance: eqx.AbstractVar[float]

    @property
    @abc.abstractmethod
    def first_reach(self) -> float:
        """Reach of the first step."""

    @abc.abstractmethod
    def rough(self) -> "AbstractMethod":
        """The same, content with an answer good enough to go on from."""

    @abc.abstractmethod
    def descend(
        self,
        point: Point,
        problems: tuple[Problem, ...],
        watch: Watch | None = None,
        tilt: Tilt = 0.0,
        pull: Pull | None = None,
    ) -> tuple[Point, NormalEquations, str]:
        """Go down until a full step promises less than the tolerance, the steps are used up, or nothing helps.

        Returns where it stopped, the normal equations there, and why. A failed solve is a rejected step. ``tilt`` is
        a slope that is added to minus the log posterior along the laws.

        Raises
        ------
        RuntimeError
            If the equation cannot be solved at the point given.
        """


def check_settings(steps: int, tolerance: float, reach: float, name: str) -> None:
    """Refuse settings no descent can work with."""
    if steps < 1 or not tolerance > 0 or not reach > 0:
        raise ValueError(f"`steps`, `tolerance` and `{name}` must be positive, got {steps}, {tolerance}, {reach}.")


def raised(equation: AbstractEquation, tilt: Tilt) -> float:
    """What a tilt adds to minus the log posterior."""
    theta, _ = jax.flatten_util.ravel_pytree(equation)
    return float(jnp.sum(tilt * theta))


def tilted(normal: NormalEquations, tilt: Tilt) -> NormalEquations:
    """Normal equations with a tilt in their gradient."""
    return eqx.tree_at(lambda n: n.gradient_laws, normal, normal.gradient_laws + tilt)


def begun(point: Point, problems: tuple[Problem, ...], more: float) -> Point:
    """The point with its objective known, to which ``more`` is added."""
    if point.history:
        return point
    value, plans = settled(point.equation, point.xi, problems, point.plans, np.inf)
    if not np.isfinite(value):
        # a longer part of the movie may go where the plans of the shorter one are too weak
        plans = first_plans(point.equation, point.xi, problems)
        value, plans = settled(point.equation, point.xi, problems, plans, np.inf)
    if not np.isfinite(value):
        raise RuntimeError(
            "the equation cannot be solved from its starting point: make the prior's centre milder, or give "
            "shorter windows (`Problem(..., window=3)`)."
        )
    counts = point.tried, point.rejected, point.failed
    return Point(point.equation, point.xi, plans, point.reach, (value + more,), *counts)


def excess(value: float, problems: tuple[Problem, ...]) -> float:
    """The unit of gains: where the equation does not explain the movie down to its noise, what is left over."""
    # the first part of a window may hold nothing but frames that its given start has read
    return max(1.0, 2 * value / max(1, sum(problem.scored for problem in problems)))


def judged(
    point: Point,
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    promised: float,
    added: Callable[[AbstractEquation], float],
) -> tuple[Point, float, tuple[StepPlan, ...]]:
    """The objective of a trial whose full step promises this gain, and a point that it may be compared with.

    Far from the end a gain is larger than what steps leave out. Near it points judged with steps of different lengths
    differ by more than there is to gain, and the one with the coarsest may look best for no other reason: steps are
    never made coarser there, and where a trial needs finer ones the point is judged again with them.
    """
    least = ACCURACY * excess(point.history[-1], problems) ** 0.5
    accuracy = max(least, CARE * (2 * promised) ** 0.5)
    near = accuracy == least
    trial, plans = settled(equation, xi, problems, point.plans, accuracy, coarser=not near)
    if near and np.isfinite(trial) and any(int(a.steps) > int(b.steps) for a, b in zip(plans, point.plans)):
        value, finer = settled(point.equation, point.xi, problems, plans, np.inf, coarser=False)
        if np.isfinite(value):
            history = (*point.history[:-1], value + added(point.equation))
            point = eqx.tree_at(lambda p: (p.plans, p.history), point, (finer, history))
    return point, trial + added(equation), plans


def ended(point: Point, promised: float, goal: float, most: int, hopeless: bool) -> str | None:
    """Why a descent is over, in words; None where it goes on."""
    if promised < goal:
        return f"converged: a full step would gain {max(promised, 0.0):.1e} in log posterior"
    if hopeless:
        return "stopped: no step, however short, improves the fit; it may be at the solver's accuracy"
    if point.tried >= most:
        return f"stopped after {point.tried} steps, not converged: a full step promises {promised:.1e}"
    return None

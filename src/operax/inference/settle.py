"""The objective of a descent, with the solver's steps kept fine enough for the laws as they are now."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.pilot import coarsest, suitable
from ..physics.plan import StepPlan
from ..physics.steppers import damping as linear_part
from .linearise import loss, misfit, predict
from .problem import Problem, split
from .schedule import Schedule

# Laws may grow by this factor in one step before the linear part of the solver is too weak for them.
ROOM = 1.3
# Halving the steps may move the predicted movie by this distance in units of the noise. No law can then be moved
# by more than this part of its posterior standard deviation. Far from the optimum a fifth of the step suffices.
ACCURACY = 0.1
# However rough an answer will do, halving the steps may move the movie by no more than this part of the residual:
# a run that has blown up without overflowing is no answer.
SENSIBLE = 0.5
# Doublings of the steps after which accuracy is no longer waited for, and after which there is no solution.
ENOUGH, NONSENSE = 5, 12
# Distances below this many rounding errors of the movie that halving the steps no longer halves are rounding.
ROUNDED = 1e4


@eqx.filter_jit
def solved(equation, xi, problem, plan):
    """Minus the log likelihood of one movie, the compositions the run spans (starts included), and what is seen."""
    frames = predict(equation, xi, problem, plan)
    starts = jax.vmap(problem.starts.state)(jnp.arange(len(xi)), xi)
    inside = np.nonzero(problem.data.domain.inside)
    # spare slots of short windows may have gone anywhere
    real = jnp.asarray(problem.schedule.real)[..., None]
    seen, begun = frames[:, :, *inside], starts[:, *inside]
    low = jnp.minimum(jnp.min(jnp.where(real, seen, jnp.inf)), jnp.min(begun))
    high = jnp.maximum(jnp.max(jnp.where(real, seen, -jnp.inf)), jnp.max(begun))
    # a plan too weak for new laws may leave a run that has gone astray without overflowing: what it reached is nowhere
    # these laws would go, and a linear part made for it needs hundreds of steps
    data = problem.data.frames[:, *inside]
    bottom, top = jnp.min(data), jnp.max(data)
    low, high = jnp.maximum(low, 2 * bottom - top), jnp.minimum(high, 2 * top - bottom)
    return loss(problem, frames), jnp.stack([low, high]), frames


@eqx.filter_jit
def _distance(frames, others, problem):
    _, factor, variance = problem.targets()
    return jnp.sqrt(jnp.sum(jnp.where(factor > 0, factor / variance * (frames - others) ** 2, 0)))


squares = eqx.filter_jit(misfit)


def prior_loss(equation: AbstractEquation, xi: Float[Array, "window mode"]) -> float:
    """Minus the log prior up to a constant."""
    return 0.5 * float(sum(np.sum(np.square(part)) for part in (*jax.tree.leaves(equation), xi)))


def objective(
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
) -> float:
    """Minus the log posterior, up to a constant; NaN or infinite where the equation cannot be solved."""
    losses = [
        solved(equation, own, problem, plan)[0] for problem, own, plan in zip(problems, split(xi, problems), plans)
    ]
    return prior_loss(equation, xi) + sum(map(float, losses))


def settled(
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
    accuracy: float,
    coarser: bool = True,
) -> tuple[float, tuple[StepPlan, ...]]:
    """The objective with linear parts made for these very laws, and steps fine enough for ``accuracy``.

    Without the first the solver's own stability limit looked like information about the laws: it pinned a
    mobility to within a thousandth of a wrong value. Laws may also have become gentler: half the steps of before
    may do, unless ``coarser`` is false.
    """
    total, found = prior_loss(equation, xi), []
    for problem, own, plan in zip(problems, split(xi, problems), plans):
        value, span, frames = solved(equation, own, problem, plan)
        if not np.isfinite(value):
            return np.inf, plans
        # the first comparison is of twice as many with these
        least = max(1, int(plan.steps) // (4 if coarser else 2))
        apart, rounding = np.inf, ROUNDED * float(jnp.finfo(frames.dtype).eps * _distance(frames, 0 * frames, problem))
        for doubling in range(NONSENSE):
            before, longer = apart, (plan, value, frames)
            plan = _redamped(plan, least * 2**doubling, equation, span, problem)
            value, _, frames = solved(equation, own, problem, plan)
            apart = float(_distance(frames, longer[-1], problem)) if doubling else np.inf
            sensible = apart <= max(ACCURACY, SENSIBLE * float(squares(problem, frames)) ** 0.5)
            # shared out so that all movies together are as accurate as asked
            if sensible and (apart <= accuracy / len(problems) ** 0.5 or doubling >= ENOUGH):
                break
            if before / 2 < apart < rounding:
                plan, value, _ = longer
                break
        else:
            return np.inf, plans
        total += float(value)
        found.append(plan)
    return total, tuple(found)


def first_plans(
    equation: AbstractEquation, xi: Float[Array, "window mode"], problems: tuple[Problem, ...]
) -> tuple[StepPlan, ...]:
    """Rough plans to begin with; the descent refines them as the laws need."""
    plans = []
    for problem, own in zip(problems, split(xi, problems)):
        s, real = problem.schedule, np.asarray(problem.schedule.real)

        def tried(plan, problem=problem, own=own, real=real):
            return np.asarray(solved(equation, own, problem, plan)[2])[real]

        starts = problem.starts.base + jnp.tensordot(own.astype(problem.starts.modes.dtype), problem.starts.modes, 1)
        moments, longest = _moments(s), float(np.max(s.durations))
        steppers = suitable(equation, problem.geometry)
        plans.append(coarsest(tried, equation, problem.geometry, (), starts, moments, longest, 1e-2, steppers))
    return tuple(plans)


def _moments(schedule: Schedule) -> Float[Array, "2"]:
    """When the first leg begins and the last ends."""
    begins, durations = np.asarray(schedule.begins), np.asarray(schedule.durations)
    return jnp.asarray(np.stack([begins.min(), (begins + durations).max()]))


def _redamped(
    plan: StepPlan, steps: int, equation: AbstractEquation, span: Float[Array, "2"], problem: Problem
) -> StepPlan:
    """A plan of ``steps`` with the linear part that the present laws need, and room for those of the next trial."""
    longest = float(np.max(problem.schedule.durations))
    low, high = np.asarray(span)
    reach = jnp.asarray(np.linspace(low, high, 129, dtype=low.dtype))
    damping = ROOM * linear_part(
        equation, problem.geometry, _moments(problem.schedule), reach, longest / steps, plan.stepper.share
    )
    return StepPlan(plan.legs, jnp.asarray(steps), damping, plan.stepper)

"""Plans of steps: how a run is cut into steps of one length, and the loop that follows a plan.

The loop has forward and reverse derivatives. Reverse mode keeps one state a step and takes each step again.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .equations import AbstractEquation
from .steppers import ETDRK4, AbstractStepper, SemilinearTerm
from .transforms import AbstractTransform


class StepPlan(eqx.Module):
    """A frozen choice of steps: how each interval between frames is cut, and the linear part.

    Freezing makes the discrete solution a smooth function of the equation, so its derivatives are exact and
    runs can be batched.

    Parameters
    ----------
    legs
        Number of equal legs in each interval between frames.
    steps
        Number of equal steps in every leg. A Python integer unrolls into a scan, which has a reverse derivative;
        an integer array is a loop whose length may change without compiling anew, forward derivatives only.
    damping
        The (A₂, A₄) of the linear part, see `SemilinearTerm`.
    stepper
        What takes the steps.
    """

    legs: tuple[int, ...] = eqx.field(static=True)
    steps: int | Int[Array, ""]
    damping: Float[Array, "2 *fields"]
    stepper: AbstractStepper = eqx.field(default=ETDRK4(), static=True)


def cut(times: Float[Array, " time"], legs: tuple[int, ...]) -> tuple[Float[Array, " legs"], Float[Array, " legs"]]:
    """When each leg starts and how long it lasts."""
    times, counts = jnp.asarray(times), np.asarray(legs)
    number = np.concatenate([np.arange(n) for n in legs])
    durations = jnp.repeat(jnp.diff(times) / counts, counts, total_repeat_length=len(number))
    starts = jnp.repeat(times[:-1], counts, total_repeat_length=len(number)) + number * durations
    return starts, durations


def advance(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    plan: StepPlan,
    start: Float[Array, ""],
    duration: Float[Array, ""],
    c: Float[Array, "*space"],
) -> Float[Array, "*space"]:
    """The state one leg of ``duration`` after ``start``."""
    h = jnp.asarray(duration, c.dtype) / plan.steps
    t0 = jnp.asarray(start, c.dtype)
    term = SemilinearTerm(equation, geometry, plan.damping)
    weights = plan.stepper.prepare(term, h, c)

    # Reverse mode keeps the state before every step and goes through the step again; keeping what happens inside
    # the steps took three times as long.
    @partial(jax.checkpoint, prevent_cse=False)
    def step(i, state):
        c, memory = state
        c, _, memory = plan.stepper.take(term, weights, t0 + i * h, h, c, memory)
        return c, memory

    return jax.lax.fori_loop(0, plan.steps, step, (c, plan.stepper.begin(term, weights, t0, h, c)))[0]


def legs_ends(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    plan: StepPlan,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
) -> Float[Array, "leg *space"]:
    """The state at the end of every leg of a run from ``c0``; one scan over legs, each a scan over steps."""

    def leg(c, span):
        start, duration = span
        c = advance(equation, geometry, plan, start, duration, c)
        return c, c

    return jax.lax.scan(leg, c0, cut(times, plan.legs))[1]


def trajectory(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    plan: StepPlan,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
) -> Float[Array, "time *space"]:
    """Frames at ``times``, the first of them c0."""
    return framed(legs_ends(equation, geometry, plan, c0, times), plan, c0)


def framed(
    states: Float[Array, "leg *space"], plan: StepPlan, c0: Float[Array, "*space"]
) -> Float[Array, "time *space"]:
    """The frames among the ends of the legs, after the first one, c0."""
    return jnp.concatenate([c0[None], states[np.cumsum(plan.legs) - 1]])


# compiled as one: it is asked of concrete states
@jax.jit
def reachable(c: Array) -> Float[Array, " 129"]:
    """Compositions a run from ``c`` may reach: phases of a fraction between 0 and 1 may separate."""
    low, high = jnp.min(c), jnp.max(c)
    fraction = (low > -0.2) & (high < 1.2)
    low = jnp.where(fraction, jnp.minimum(low, 0.02), low)
    return jnp.linspace(low, jnp.where(fraction, jnp.maximum(high, 0.98), high), 129).astype(c.dtype)


def equal_legs(times: Float[Array, " time"]) -> tuple[int, ...]:
    """Cut irregular intervals into legs no longer than one and a half times the shortest typical one."""
    intervals = np.diff(np.asarray(times))
    return tuple(int(n) for n in np.maximum(1, np.round(intervals / np.median(intervals))))

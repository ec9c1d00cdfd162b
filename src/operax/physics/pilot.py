"""The choice of stepper and steps, by trial runs with ever shorter steps."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from .equations import AbstractEquation, Diffusion
from .plan import StepPlan, equal_legs, legs_ends, reachable
from .steppers import ETDRK2, ETDRK4, SBDF2, AbstractStepper, Rosenbrock, rosenbrock
from .steppers import damping as linear_part
from .transforms import AbstractTransform, ConjugateGradients, transform

MOST_STEPS = 2**14
# The linear part may be made this many times larger where trial runs are not finite: a run that strays meets larger
# coefficients than were allowed for.
MOST_ROOM = 256.0
# A composition beyond this many times the start's is that of a run that blew up and was stopped by the last frame.
STRAYED = 1e6


def suitable(equation: AbstractEquation, geometry: AbstractTransform) -> tuple[AbstractStepper, ...]:
    """The steppers to try for an equation on a geometry, the best first."""
    if isinstance(geometry, ConjugateGradients):
        return (SBDF2(),)
    if not rosenbrock.suits(equation, geometry):
        return ETDRK4(), ETDRK2()
    # Where coefficients vary by orders of magnitude no frozen linear part is close to the true one. Otherwise order
    # four gains more than the true Jacobian.
    return (Rosenbrock(), ETDRK4()) if isinstance(equation, Diffusion) else (ETDRK4(), Rosenbrock())


# one compiled loop serves any number of steps, and the run itself after its trials
run = eqx.filter_jit(legs_ends)


def choose_plan(
    equation: AbstractEquation,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    domain: Domain,
    *,
    tolerance: float = 1e-4,
    stepper: AbstractStepper | None = None,
) -> StepPlan:
    """The coarsest plan (steps a leg a power of two) whose error stays below ``tolerance``.

    The error is the root-mean-square difference of the worst frame to the run with half the steps, relative to
    the spread of c over the run, divided by 2ᵖ − 1 as the scheme's order p allows (by 3 at most if it falls more
    slowly than that). It must also fall as the steps are halved: a linear part far too large slows a run down by an
    amount that looks small at first and doubles with every halving.

    Parameters
    ----------
    equation, c0, times, domain
        As in `simulate`; concrete values.
    tolerance
        Error aimed at, relative to the spread of the composition.
    stepper
        What takes the steps; default the first of `suitable` that reaches the tolerance.

    Raises
    ------
    RuntimeError
        If even 2¹⁴ steps a leg do not reach it: the equation is ill-posed there, or the state has left
        the range its laws are made for.
    """
    geometry = transform(domain)
    legs = equal_legs(times)
    longest = float(np.max(np.diff(np.asarray(times)) / np.asarray(legs)))

    def tried(plan):
        # every leg's end is compared, also of those between frames
        return run(equation, geometry, plan, c0, times)

    candidates = suitable(equation, geometry) if stepper is None else (stepper,)
    plan = coarsest(tried, equation, geometry, legs, c0[None], times, longest, tolerance, candidates)
    return eqx.tree_at(lambda p: p.steps, plan, int(plan.steps))


def coarsest(
    tried: Callable[[StepPlan], Float[Array, "state *space"]],
    equation: AbstractEquation,
    geometry: AbstractTransform,
    legs: tuple[int, ...],
    starts: Float[Array, "start *space"],
    times: Float[Array, " time"],
    longest: float,
    tolerance: float,
    candidates: tuple[AbstractStepper, ...],
) -> StepPlan:
    """The coarsest plan by trial runs whose legs are ``longest`` at most; its number of steps is an array.

    Parameters
    ----------
    tried
        The states that runs from ``starts`` pass with a plan.
    candidates
        Steppers, the best first; the first that reaches the tolerance is taken.

    Raises
    ------
    RuntimeError
        If none does.
    """
    smallest = np.inf
    moments = jnp.asarray(np.asarray(times)[[0, -1]])
    for stepper in candidates:

        def planned(steps, room, range_, stepper=stepper):
            frozen = room * linear_part(
                equation, geometry, moments, jnp.asarray(range_), longest / steps, stepper.share
            )
            return StepPlan(legs, jnp.asarray(steps), frozen, stepper)

        plan, error = _halved(tried, planned, np.asarray(starts), geometry.domain.inside, tolerance, stepper)
        if plan is not None:
            return plan
        smallest = min(smallest, error)
    raise RuntimeError(
        f"no step plan reaches a relative error of {tolerance:g} within {MOST_STEPS} steps an interval "
        f"(last difference {smallest:g}). Check that the diffusivity is positive where the movie goes, the units of "
        "`times` and spacing, or ask for a larger tolerance."
    )


def _halved(tried, planned, starts, inside, tolerance, stepper) -> tuple[StepPlan | None, float]:
    """The coarsest plan with this stepper, or None, and the last difference seen."""
    gain = 2 ** stepper.order(None) - 1
    rounding = 100 * float(np.finfo(starts.dtype).eps)
    starts = starts[:, inside]
    possible = range_ = np.asarray(reachable(starts))
    room, steps, error, accepted, coarse = 1.0, 1, np.inf, None, None
    strayed = STRAYED * max(1.0, float(np.abs(possible).max()))
    while steps <= MOST_STEPS:
        plan = planned(steps, room, range_)
        fine = np.asarray(tried(plan))[:, inside]
        if not bool((np.abs(fine) < strayed).all()):
            # what a tame run spanned may have been too little, what a wild one spanned says nothing
            range_ = _spanned(np.concatenate([range_, possible]), 0.0)
            room, accepted, coarse, error = min(2 * room, MOST_ROOM), None, None, np.inf
        else:
            # with the start: a run may begin far from where its legs end, or end in nothing
            visited = np.concatenate([starts, fine])
            if coarse is not None:
                # of each field about its own mean: species may differ by more than they vary
                spread = float(np.sqrt(np.mean(np.var(visited, (0, 1))))) or 1.0
                worst = np.mean((fine - coarse).reshape(len(fine), -1) ** 2, -1).max()
                before, error = error, float(np.sqrt(worst)) / spread
                if accepted is not None and error < before and error <= tolerance:
                    return accepted, error
                expected = gain if error < 2 * before / (gain + 1) else min(gain, 3)
                accepted = plan if error / expected <= tolerance else None
                if accepted is not None and (error < before < np.inf or error <= rounding):
                    return accepted, error
            range_, coarse, room = _spanned(visited, 0.05), fine, 1.0
        steps *= 2
    return None, error


def _spanned(c: np.ndarray, margin: float) -> np.ndarray:
    """Compositions from the lowest in ``c`` to the highest and a fraction ``margin`` of the span beyond."""
    low, high = c.min(), c.max()
    extra = margin * (high - low)
    return np.linspace(low - extra, high + extra, 129, dtype=c.dtype)

"""Solve an equation forward in time."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from ..movie import Movie
from .adaptive import adapt, own
from .equations import AbstractEquation
from .pilot import choose_plan, run, suitable
from .plan import StepPlan, equal_legs, framed, reachable, trajectory
from .steppers import damping as linear_part
from .transforms import transform


def simulate(
    equation: AbstractEquation,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    domain: Domain,
    *,
    dt: float | None = None,
    rtol: float | None = None,
    solver: diffrax.AbstractSolver | None = None,
    tolerance: float = 1e-4,
) -> Movie:
    """Solve an equation from a start state.

    Parameters
    ----------
    equation
        What is solved; derivatives may be taken through its leaves.
    c0
        State at ``times[0]``, of the domain's shape.
    times
        Times of the frames, strictly increasing.
    domain
        Cells, boundary and mask.
    dt
        Longest step. With it the run is one scan with fixed steps that has forward and reverse derivatives.
        ``None`` chooses the steps, see ``tolerance``.
    rtol
        With it diffrax steps adaptively to this relative (and absolute) tolerance a step, reverse mode only; see
        `integrate` for the number of steps and for events.
    solver
        A stepper of `steppers`; default `Rosenbrock` for diffusion along a line that is not periodic, `SBDF2` on
        masks too large for an eigenbasis, `ETDRK4` elsewhere, or `ETDRK2` where `ETDRK4` finds no steps. Any other
        diffrax solver for a `SemilinearTerm` needs ``dt`` or ``rtol``.
    tolerance
        Where neither ``dt`` nor ``rtol`` is given: steps are halved until the estimated error of the worst frame is
        below this, root mean square and relative to the spread of the composition. Needs concrete values.

    Returns
    -------
    Movie
        One frame for each of ``times``; the first is ``c0``.

    Raises
    ------
    ValueError
        If shapes disagree, or both ``dt`` and ``rtol`` are given, or a solver of others without either.
    RuntimeError
        If the solution is not finite, or no step plan is fine enough.
    """
    c0 = jnp.asarray(c0, dtype=float)
    if not isinstance(times, jax.core.Tracer):
        # numpy stays a number to look at under `jax.jit`
        times = np.asarray(times, dtype=c0.dtype)  # type: ignore[assignment]
    _check(equation, c0, times, domain, dt, rtol, solver, tolerance)
    if rtol is None and (solver is None or own(solver)):
        if dt is None:
            plan = choose_plan(equation, c0, times, domain, tolerance=tolerance, stepper=solver)
            # needs concrete values anyway, so the loop that the trials ran serves again
            plan = eqx.tree_at(lambda p: p.steps, plan, jnp.asarray(plan.steps))
            frames = framed(run(equation, transform(domain), plan, c0, times), plan, c0)
        else:
            plan = _fixed_plan(equation, c0, times, domain, dt, solver)
            frames = _trajectory(equation, transform(domain), plan, c0, times)
    else:
        solver = solver or suitable(equation, transform(domain))[0]
        frames = adapt(equation, transform(domain), c0, times, dt, rtol, solver)[0]
    if not isinstance(frames, jax.core.Tracer) and not bool(jnp.isfinite(frames).all()):
        raise RuntimeError(
            "the solution is not finite: take a smaller `dt`, or check that the diffusivity is positive where "
            "the state goes."
        )
    return Movie(frames, times, domain)


_trajectory = eqx.filter_jit(trajectory)


def _check(equation, c0, times, domain, dt, rtol, solver, tolerance):
    shape = domain.shape if equation.fields == 1 else (*domain.shape, equation.fields)
    if c0.shape != shape:
        raise ValueError(f"`c0` must have the shape {shape} of the domain (and its fields), got {c0.shape}.")
    if times.ndim != 1 or times.size < 2:
        raise ValueError(f"`times` must list at least two times, got shape {times.shape}.")
    if not isinstance(times, jax.core.Tracer) and not (np.diff(times) > 0).all():
        raise ValueError("`times` must be strictly increasing; sort them and drop duplicates.")
    if not isinstance(c0, jax.core.Tracer) and not np.isfinite(c0).all():
        raise ValueError("`c0` must be finite everywhere; fill or mask the missing pixels first.")
    if dt is not None and rtol is not None:
        raise ValueError("give `dt` (fixed steps) or `rtol` (adaptive steps), not both.")
    if dt is not None and not dt > 0:
        raise ValueError(f"`dt` must be positive, got {dt}.")
    if not tolerance > 0:
        raise ValueError(f"`tolerance` must be positive, got {tolerance}.")
    if solver is not None and not own(solver) and dt is None and rtol is None:
        raise ValueError("a `solver` that is no stepper of operax needs `dt` (fixed steps) or `rtol` (adaptive steps).")


def _fixed_plan(equation, c0, times, domain, dt, stepper):
    legs = equal_legs(times)
    longest = float(np.max(np.diff(np.asarray(times)) / np.asarray(legs)))
    steps = int(np.ceil(longest / dt * (1 - 1e-9)))
    geometry = transform(domain)
    stepper = stepper or suitable(equation, geometry)[0]
    range_ = reachable(c0[np.nonzero(domain.inside)])
    damping = linear_part(equation, geometry, times, range_, longest / steps, stepper.share)
    return StepPlan(legs, steps, damping, stepper)

"""Runs through diffrax: steps that follow an error estimate, events, and solvers of others."""

from typing import TypeGuard

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..domain import Domain
from ..movie import Movie
from .equations import AbstractEquation
from .pilot import MOST_STEPS, suitable
from .plan import reachable
from .steppers import ETDRK4, SBDF2, AbstractStepper, SemiImplicitEuler, SemilinearTerm
from .steppers import damping as linear_part
from .transforms import AbstractTransform, transform


class Integration(eqx.Module):
    """What a run with an error estimate gave.

    Parameters
    ----------
    movie
        Its frames. After an event the last of them is the state at the event.
    accepted, rejected
        Number of steps taken, and of steps tried and taken back.
    """

    movie: Movie
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]


def integrate(
    equation: AbstractEquation,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    domain: Domain,
    *,
    rtol: float = 1e-4,
    solver: diffrax.AbstractSolver | None = None,
    event: diffrax.Event | None = None,
) -> Integration:
    """Solve an equation with steps that follow an error estimate, and count the steps.

    Parameters
    ----------
    equation, c0, times, domain
        As in `simulate`.
    rtol
        Relative and absolute error allowed in a step.
    solver
        A diffrax solver for a `SemilinearTerm`; default what `simulate` would choose. A stepper without an error
        estimate of its own is compared with two half steps.
    event
        Ends the run early, see `diffrax.Event`; its condition is called with the names ``t``, ``y`` (the
        state) and more. With a root finder
        the moment is found between steps, by the cubic through the states and rates at both ends.

    Returns
    -------
    Integration

    Raises
    ------
    RuntimeError
        If it needs more than 2¹⁴ steps.

    Notes
    -----
    Reverse-mode derivatives only; an ``event`` needs concrete values. For fits `simulate` with fixed steps is made.
    """
    c0 = jnp.asarray(c0, dtype=float)
    solver = solver or suitable(equation, transform(domain))[0]
    moments = jnp.asarray(times, c0.dtype)
    frames, last, end, counts = adapt(equation, transform(domain), c0, moments, None, rtol, solver, event)
    if event is not None:
        reached = np.nonzero(np.asarray(moments) < float(end))
        frames = jnp.concatenate([frames[reached], last])
        moments = jnp.append(moments[reached], end)
    return Integration(Movie(frames, moments, domain), *counts)


def own(solver: diffrax.AbstractSolver) -> TypeGuard[AbstractStepper]:
    """Whether it is a bare stepper of `steppers`; to `isinstance` a solver wrapped by diffrax is what it wraps."""
    return issubclass(type(solver), AbstractStepper)


@eqx.filter_jit
def adapt(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    dt: float | None,
    rtol: float | None,
    solver: diffrax.AbstractSolver,
    event: diffrax.Event | None = None,
):
    """Frames at ``times``, the last state and its time, and the numbers of steps accepted and rejected."""
    # equal steps that end on the frames of a regular movie; a frame inside a step lies on the cubic through its ends
    interval = jnp.min(jnp.diff(times))
    first = interval / (16 if dt is None else jnp.ceil(interval / dt * (1 - 1e-9)))
    longest = first if rtol is None else jnp.max(jnp.diff(times))
    range_ = reachable(c0[np.nonzero(geometry.domain.inside)])
    # solvers of others may split as they like: the larger share is safe
    share = solver.share if own(solver) else SBDF2.share
    term = SemilinearTerm(equation, geometry, linear_part(equation, geometry, times, range_, longest, share))
    if rtol is None:
        controller: diffrax.AbstractStepSizeController = diffrax.ConstantStepSize()
    else:
        controller = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=rtol, atol=rtol), step_ts=times)
        solver = diffrax.HalfSolver(solver) if type(solver) in (ETDRK4, SBDF2, SemiImplicitEuler) else solver
    frames, last = diffrax.SubSaveAt(ts=times), diffrax.SubSaveAt(t1=True)
    solution = diffrax.diffeqsolve(
        term, solver, times[0], times[-1], first, c0,
        saveat=diffrax.SaveAt(subs=[frames, last]), stepsize_controller=controller, max_steps=MOST_STEPS, event=event,
    )  # fmt: skip
    counts = solution.stats["num_accepted_steps"], solution.stats["num_rejected_steps"]
    return solution.ys[0], solution.ys[1], solution.ts[1][0], counts

"""Solve an equation forward in time: one scan that has forward and reverse derivatives, or diffrax adaptively."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..domain import Domain
from ..movie import Movie
from .equations import AbstractEquation, Diffusion
from .steppers import ETDRK4, SBDF2, AbstractStepper, Rosenbrock, SemiImplicitEuler, SemilinearTerm, rosenbrock
from .steppers import damping as linear_part
from .transforms import AbstractTransform, transform

MOST_STEPS = 2**14


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


def trajectory(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    plan: StepPlan,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
) -> Float[Array, "time *space"]:
    """Frames at ``times``, the first of them c0; one scan over legs, each a scan over steps."""

    def leg(c, span):
        start, duration = span
        c = advance(equation, geometry, plan, start, duration, c)
        return c, c

    _, states = jax.lax.scan(leg, c0, cut(times, plan.legs))
    ends = np.cumsum(plan.legs) - 1
    return jnp.concatenate([c0[None], states[ends]])


def spanned(c: Array, margin: float) -> Float[Array, " 129"]:
    """Compositions from the lowest in ``c`` to the highest and a fraction ``margin`` of the span beyond."""
    low, high = jnp.min(c), jnp.max(c)
    extra = margin * (high - low)
    return jnp.linspace(low - extra, high + extra, 129).astype(c.dtype)


def _reachable(c: Array) -> Float[Array, " 129"]:
    """Compositions a run from ``c`` may reach: phases of a fraction between 0 and 1 may separate."""
    low, high = jnp.min(c), jnp.max(c)
    fraction = (low > -0.2) & (high < 1.2)
    low = jnp.where(fraction, jnp.minimum(low, 0.02), low)
    return jnp.linspace(low, jnp.where(fraction, jnp.maximum(high, 0.98), high), 129).astype(c.dtype)


def _legs(times) -> tuple[int, ...]:
    """Cut irregular intervals into legs no longer than one and a half times the shortest typical one."""
    intervals = np.diff(np.asarray(times))
    return tuple(int(n) for n in np.maximum(1, np.round(intervals / np.median(intervals))))


@eqx.filter_jit
def _pilot(equation, geometry, plan, c0, times):
    def leg(c, span):
        start, duration = span
        c = advance(equation, geometry, plan, start, duration, c)
        return c, c

    # every leg's end is compared, also of those between frames
    return jax.lax.scan(leg, c0, cut(times, plan.legs))[1]


def choose_plan(
    equation: AbstractEquation,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    domain: Domain,
    *,
    tolerance: float = 1e-4,
) -> StepPlan:
    """The coarsest plan (steps a leg a power of two) whose error stays below ``tolerance``.

    The error is the root-mean-square difference of the worst frame to the run with half the steps, relative to
    the spread of c over the run, divided by 15 as the scheme's order four allows (by 3 if it halves slower).

    Raises
    ------
    RuntimeError
        If even 2¹⁴ steps a leg do not reach it: the equation is ill-posed there, or the state has left
        the range its laws are made for.
    """
    geometry, stepper = transform(domain), _default(equation, domain)
    inside = domain.inside
    legs = _legs(times)
    longest = float(np.max(np.diff(np.asarray(times)) / np.asarray(legs)))
    range_, coarse, steps, error = _reachable(c0[inside]), None, 1, np.inf
    while steps <= MOST_STEPS:
        frozen = linear_part(equation, geometry, times, range_, longest / steps, stepper.share)
        fine = _pilot(equation, geometry, StepPlan(legs, jnp.asarray(steps), frozen, stepper), c0, times)
        finite = bool(jnp.isfinite(fine).all())
        if finite:
            range_ = spanned(fine[:, inside], 0.05)
        if coarse is not None and finite:
            # of each field about its own mean: species may differ by more than they vary
            spread = float(jnp.sqrt(jnp.mean(jnp.var(fine[:, inside], (0, 1))))) or 1.0
            worst = jnp.mean((fine - coarse)[:, inside].reshape(len(fine), -1) ** 2, -1).max()
            before, error = error, float(jnp.sqrt(worst)) / spread
            if error / (15 if error < before / 8 else 3) <= tolerance:
                return StepPlan(legs, steps, frozen, stepper)
        coarse, steps = fine if finite else None, 2 * steps
    raise RuntimeError(
        f"no step plan reaches a relative error of {tolerance:g} within {MOST_STEPS} steps an interval "
        f"(last difference {error:g}). Check that the diffusivity is positive where the movie goes, the units of "
        "`times` and spacing, or ask for a larger tolerance."
    )


def simulate(
    equation: AbstractEquation,
    c0: Float[Array, "*space"],
    times: Float[Array, " time"],
    domain: Domain,
    *,
    dt: float | None = None,
    rtol: float | None = None,
    solver: diffrax.AbstractSolver | None = None,
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
        ``None`` chooses the steps by halving them until frames agree to ``1e-4`` (needs concrete values).
    rtol
        With it diffrax steps adaptively to this relative (and absolute) tolerance a step, reverse mode only.
    solver
        A diffrax solver for the `SemilinearTerm`; default `Rosenbrock` for diffusion along a line with no-flux
        ends, else `ETDRK4`. A solver named here runs through diffrax, at fixed
        ``dt`` or at ``rtol``.

    Returns
    -------
    Movie
        One frame for each of ``times``; the first is ``c0``.

    Raises
    ------
    ValueError
        If shapes disagree, or both ``dt`` and ``rtol`` are given, or a solver without either.
    RuntimeError
        If the solution is not finite, or no step plan is fine enough.
    """
    c0 = jnp.asarray(c0, dtype=float)
    if not isinstance(times, jax.core.Tracer):
        # numpy stays a number to look at under `jax.jit`
        times = np.asarray(times, dtype=c0.dtype)  # type: ignore[assignment]
    _check(equation, c0, times, domain, dt, rtol, solver)
    if rtol is None and solver is None:
        plan = choose_plan(equation, c0, times, domain) if dt is None else _fixed_plan(equation, c0, times, domain, dt)
        frames = _trajectory(equation, transform(domain), plan, c0, times)
    else:
        frames = _diffrax(equation, transform(domain), c0, times, dt, rtol, solver or _default(equation, domain))
    if not isinstance(frames, jax.core.Tracer) and not bool(jnp.isfinite(frames).all()):
        raise RuntimeError(
            "the solution is not finite: take a smaller `dt`, or check that the diffusivity is positive where "
            "the state goes."
        )
    return Movie(frames, times, domain)


_trajectory = eqx.filter_jit(trajectory)


def _check(equation, c0, times, domain, dt, rtol, solver):
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
    if solver is not None and dt is None and rtol is None:
        raise ValueError("a `solver` of your choice needs `dt` (fixed steps) or `rtol` (adaptive steps).")


def _default(equation, domain) -> AbstractStepper:
    # where coefficients vary little with the composition, order four gains more than the true Jacobian
    stiff = isinstance(equation, Diffusion) and rosenbrock.suits(equation, transform(domain))
    return Rosenbrock() if stiff else ETDRK4()


def _fixed_plan(equation, c0, times, domain, dt):
    legs = _legs(times)
    longest = float(np.max(np.diff(np.asarray(times)) / np.asarray(legs)))
    steps = int(np.ceil(longest / dt * (1 - 1e-9)))
    geometry = transform(domain)
    range_ = _reachable(c0[np.nonzero(domain.inside)])
    stepper = _default(equation, domain)
    damping = linear_part(equation, geometry, times, range_, longest / steps, stepper.share)
    return StepPlan(legs, steps, damping, stepper)


@eqx.filter_jit
def _diffrax(equation, geometry, c0, times, dt, rtol, solver):
    # equal steps that end on the frames of a regular movie; in between diffrax interpolates by a cubic
    interval = jnp.min(jnp.diff(times))
    first = interval / (16 if dt is None else jnp.ceil(interval / dt * (1 - 1e-9)))
    range_ = _reachable(c0[np.nonzero(geometry.domain.inside)])
    # solvers of others may split as they like: the larger share is safe
    share = solver.share if isinstance(solver, AbstractStepper) else SBDF2.share
    term = SemilinearTerm(equation, geometry, linear_part(equation, geometry, times, range_, first, share))
    if rtol is None:
        controller: diffrax.AbstractStepSizeController = diffrax.ConstantStepSize()
    else:
        controller = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=rtol, atol=rtol), step_ts=times)
        solver = diffrax.HalfSolver(solver) if isinstance(solver, ETDRK4 | SBDF2 | SemiImplicitEuler) else solver
    solution = diffrax.diffeqsolve(
        term, solver, times[0], times[-1], first, c0,
        saveat=diffrax.SaveAt(ts=times), stepsize_controller=controller, max_steps=MOST_STEPS,
    )  # fmt: skip
    return solution.ys

"""Members of an ensemble, fitted side by side in one compiled program, each from the optimum of the recorded movie."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from ..movie import Movie
from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan
from .linearise import loss, predict
from .perturb import AbstractPerturbation
from .problem import Problem, split

# Steps of the descent remembered for its metric.
MEMORY = 8
# A trial must gain this part of what the slope promises.
SUFFICIENT = 1e-4
# Shorter steps cannot be told from none.
SHORTEST = 1e-4


class Shared(eqx.Module):
    """What all members of an ensemble share.

    Attributes
    ----------
    equation, xi
        The optimum of the recorded movie.
    tilt
        What averaging over start states adds to the slope along the laws.
    factor
        A square root of the joint covariance of all unknowns there.
    expected
        The movies it predicts.
    plans
        Solver steps, kept for all members.
    seed
        Data of the random key; a member folds its number in.
    remake
        What makes the problem of a member again from its movie; ``None`` where only its frames differ.
    """

    equation: AbstractEquation
    xi: Float[Array, "window mode"]
    tilt: Float[Array, " p"]
    factor: Float[Array, "unknown unknown"]
    problems: tuple[Problem, ...]
    expected: tuple[Float[Array, "time *space"], ...]
    plans: tuple[StepPlan, ...]
    perturbation: AbstractPerturbation
    seed: Array
    generator: str = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    remake: Callable[[Movie, Array], Problem] | None = None


class Members(eqx.Module):
    """Where members ended.

    Attributes
    ----------
    unknowns
        Laws, then start coordinates; the latter only where all members share their problem's.
    value
        Minus the log posterior of each member's own problem.
    promised
        Gain in log posterior that a further full step promises.
    tried
        Steps tried.
    accuracy
        How far halving the solver's steps moves the predicted movie, in units of the noise.
    """

    unknowns: Float[Array, "member unknown"]
    value: Float[Array, " member"]
    promised: Float[Array, " member"]
    tried: Int[Array, " member"]
    accuracy: Float[Array, " member"]


class Stand(eqx.Module):
    """Where one descent stands, in coordinates in which the posterior at the optimum is a standard normal."""

    u: Array
    value: Array
    slope: Array
    direction: Array
    moves: Array
    bends: Array
    reach: Array
    tried: Array

    @property
    def promised(self):
        return -0.5 * self.slope @ self.direction


def _direction(slope, moves, bends):
    """Minus the slope times the inverse curvature that past moves and bends of the slope tell (L-BFGS)."""
    inner = jnp.sum(moves * bends, 1)
    rho = jnp.where(inner > 0, 1 / jnp.where(inner > 0, inner, 1), 0)

    def back(q, row):
        move, bend, r = row
        a = r * (move @ q)
        return q - a * bend, a

    def forth(q, row):
        move, bend, r, a = row
        return q + move * (a - r * (bend @ q)), None

    q, alpha = jax.lax.scan(back, slope, (moves, bends, rho), reverse=True)
    return -jax.lax.scan(forth, q, (moves, bends, rho, alpha))[0]


def descended(
    value_and_slope: Callable[[Array], tuple[Array, Array]], size: int, dtype: jnp.dtype, steps: int, tolerance: float
) -> Stand:
    """Go down from zero by L-BFGS, in coordinates in which the curvature is nearly one; safe to batch."""
    u = jnp.zeros(size, dtype)
    value, slope = value_and_slope(u)
    nothing = jnp.zeros((MEMORY, size), dtype)
    rounding = 4 * jnp.finfo(dtype).eps

    def under_way(s):
        return (s.promised > tolerance) & (s.tried < steps) & (s.reach > SHORTEST)

    def step(s):
        u = s.u + s.reach * s.direction
        value, slope = value_and_slope(u)
        goal = s.value + SUFFICIENT * s.reach * (s.slope @ s.direction) + rounding * jnp.abs(s.value)
        good = jnp.isfinite(value) & jnp.isfinite(slope).all() & (value <= goal)
        move, bend = u - s.u, slope - s.slope
        # only upward curvature enters the metric
        learnt = good & (move @ bend > 1e-8 * jnp.linalg.norm(move) * jnp.linalg.norm(bend))
        moves = jnp.where(learnt, jnp.roll(s.moves, -1, 0).at[-1].set(move), s.moves)
        bends = jnp.where(learnt, jnp.roll(s.bends, -1, 0).at[-1].set(bend), s.bends)
        kept_slope = jnp.where(good, slope, s.slope)
        return Stand(
            jnp.where(good, u, s.u),
            jnp.where(good, value, s.value),
            kept_slope,
            _direction(kept_slope, moves, bends),
            moves,
            bends,
            jnp.where(good, 1.0, s.reach / 4),
            s.tried + 1,
        )

    begin = Stand(u, value, slope, -slope, nothing, nothing, jnp.ones((), dtype), jnp.zeros((), int))
    return jax.lax.while_loop(under_way, step, begin)


def _apart(problem: Problem, frames, others):
    """Squared distance of two predictions in units of the noise."""
    _, factor, variance = problem.targets()
    return jnp.sum(jnp.where(factor > 0, factor / variance * (frames - others) ** 2, 0))


def drawn_problems(shared: Shared, number: Int[Array, ""]) -> tuple[Array, tuple[Problem, ...]]:
    """The perturbed problems of a member, and a key for what else is drawn for it."""
    key = jax.random.fold_in(jax.random.wrap_key_data(shared.seed, impl=shared.generator), number)
    other_key, *keys = jax.random.split(key, 1 + len(shared.problems))
    return other_key, tuple(
        shared.perturbation.problem(problem, expected, key=k)
        for problem, expected, k in zip(shared.problems, shared.expected, keys)
    )


def _member(shared: Shared, number: Int[Array, ""]) -> Members:
    centre_key, problems = drawn_problems(shared, number)
    theta, rebuild = jax.flatten_util.ravel_pytree(shared.equation)
    optimum = jnp.concatenate([theta, shared.xi.ravel().astype(theta.dtype)])
    centre = shared.perturbation.centre(optimum, key=centre_key)

    def predicted(x, plans):
        equation, xi = rebuild(x[: theta.size]), x[theta.size :].reshape(shared.xi.shape)
        return [predict(equation, own, p, plan) for p, own, plan in zip(problems, split(xi, problems), plans)]

    def value(u):
        x = optimum + shared.factor @ u
        likely = sum(map(loss, problems, predicted(x, shared.plans)))
        return likely + 0.5 * jnp.sum((x - centre) ** 2) + shared.tilt @ x[: theta.size]

    end = descended(jax.value_and_grad(value), optimum.size, optimum.dtype, shared.steps, shared.tolerance)
    x = optimum + shared.factor @ end.u
    finer = tuple(eqx.tree_at(lambda p: p.steps, plan, 2 * plan.steps) for plan in shared.plans)
    apart = sum(map(_apart, problems, predicted(x, shared.plans), predicted(x, finer)))
    return Members(x, end.value, end.promised, end.tried, jnp.sqrt(jnp.asarray(apart)))


@eqx.filter_jit
def side_by_side(shared: Shared, numbers: Int[Array, " member"], devices: tuple[jax.Device, ...] = ()) -> Members:
    """Fit members ``numbers`` together; one that has converged is frozen while the others go on.

    Several ``devices`` share the members and exchange nothing; the number of members must be a multiple of theirs.
    """
    arrays, fixed = eqx.partition(shared, eqx.is_array)

    def some(arrays, numbers):
        return jax.vmap(_member, (None, 0))(eqx.combine(arrays, fixed), numbers)

    if len(devices) < 2:
        return some(arrays, numbers)
    rows, everywhere = PartitionSpec("member"), PartitionSpec()
    mesh = Mesh(np.array(devices), ("member",))
    return jax.shard_map(some, mesh=mesh, in_specs=(everywhere, rows), out_specs=rows, check_vma=False)(arrays, numbers)

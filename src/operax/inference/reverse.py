"""Gradient and Gauss–Newton products by reverse derivatives: their cost does not grow with the number of unknowns."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.plan import StepPlan
from .linearise import loss, predict
from .problem import Problem, split

# Changes or slopes of laws and start coordinates, in the order and shape of the unknowns.
Vector = tuple[Float[Array, " p"], Float[Array, "window mode"]]


def frozen(plans: tuple[StepPlan, ...]) -> tuple[StepPlan, ...]:
    """The plans with a number of steps that is fixed, which reverse derivatives need."""
    return tuple(eqx.tree_at(lambda p: p.steps, plan, int(plan.steps)) for plan in plans)


@eqx.filter_jit
def _slope(equation, xi, problem, plan):
    theta, rebuild = jax.flatten_util.ravel_pytree(equation)

    def value(theta, xi):
        return loss(problem, predict(rebuild(theta), xi, problem, plan))

    return jax.grad(value, argnums=(0, 1))(theta, xi)


@eqx.filter_jit
def _product(equation, xi, d_theta, d_xi, problem, plan):
    theta, rebuild = jax.flatten_util.ravel_pytree(equation)

    def seen(theta, xi):
        return predict(rebuild(theta), xi, problem, plan)

    _, factor, variance = problem.targets()
    _, change = jax.jvp(seen, (theta, xi), (d_theta, d_xi))
    predicted, back = jax.vjp(seen, theta, xi)

    def weighted(factor, variance, mean, change):
        rows = problem.likelihood.information(factor, variance, mean)
        return jax.linear_transpose(rows, change)(rows(change))[0]

    return back(jax.vmap(jax.vmap(weighted))(factor, variance, predicted, change))


def gradient(
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
) -> Vector:
    """Gradient of minus the log posterior."""
    theta, _ = jax.flatten_util.ravel_pytree(equation)
    parts = [_slope(equation, own, p, plan) for p, own, plan in zip(problems, split(xi, problems), frozen(plans))]
    return _joined(parts, theta, xi)


def product(
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
    change: Vector,
) -> Vector:
    """Gauss–Newton curvature of minus the log posterior, prior included, times a change of the unknowns."""
    own = zip(problems, split(xi, problems), split(change[1], problems), frozen(plans))
    parts = [_product(equation, x, change[0], d_x, p, plan) for p, x, d_x, plan in own]
    return _joined(parts, *change)


def _joined(parts: list[Vector], theta, xi) -> Vector:
    """Parts of all movies, and the prior's part."""
    most = xi.shape[1]
    starts = jnp.concatenate([jnp.pad(part[1], ((0, 0), (0, most - part[1].shape[1]))) for part in parts])
    return sum(part[0] for part in parts) + theta, starts + xi

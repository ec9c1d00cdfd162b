"""The gauge of an equation: what its unknown numbers can do that no movie shows."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..domain import Domain
from .equations import AbstractEquation
from .rate_field import AbstractField, KnownField, RateField

# A direction counts as unseen below this many roundings of the largest response, for each unknown number: the
# stencils of steep compositions lose some digits.
ROUNDINGS = 1e3
# Side of the rough state that is tried if none is given, in pixels.
SIDE = 24
# Pixels of rough states for each unknown number, at least.
PIXELS = 4


@eqx.filter_jit
def _response(equation, t, c, domain):
    """∂rate/∂θ, pixel by unknown number."""
    theta, rebuild = ravel_pytree(equation)
    return jax.jacfwd(lambda theta: rebuild(theta).rate(t, c, domain).ravel())(theta)


def gauge_directions(
    equation: AbstractEquation,
    c: Float[Array, "*space"] | None = None,
    domain: Domain | None = None,
    *,
    t: float = 0.0,
) -> Float[Array, "directions unknowns"]:
    """Directions of the unknown numbers that leave the rate of change of a state as it is, to first order.

    With no state given, a rough one that visits all compositions is tried: what does not show there shows in no
    movie, such as (M, μ_h, κ) → (a M, μ_h/a, κ/a) and a constant of μ_h. With a frame of a movie and its domain,
    the answer is about that frame.

    Parameters
    ----------
    equation
        At the unknown numbers where the question is asked.
    c, domain
        A state and where it lives; both or none.
    t
        Time, for an equation that knows it.

    Returns
    -------
    directions
        Orthonormal rows, in the order of ``jax.flatten_util.ravel_pytree(equation)``; none if every number shows.

    Raises
    ------
    ValueError
        If only one of ``c`` and ``domain`` is given.

    Notes
    -----
    The prior holds what the movie does not: along these directions posterior and prior have the same width. A
    number that shows, but less than the noise, is not found here; the posterior tells.
    """
    if (c is None) != (domain is None):
        raise ValueError("give both a state `c` and its `domain`, or neither.")
    if not jax.tree.leaves(equation):
        return jnp.zeros((0, 0))
    if domain is None:
        domain = _ground(equation)
        shown = [_response(equation, t, state, domain) for state in _rough(equation, domain)]
        response = jnp.concatenate(shown)
    else:
        response = _response(equation, t, jnp.asarray(c), domain)
    # the triangle has the singular values of the whole, and no row for each pixel
    _, sizes, directions = np.linalg.svd(np.linalg.qr(response, mode="r"))
    sizes = np.pad(sizes, (0, len(directions) - len(sizes)))
    unseen = sizes <= ROUNDINGS * sizes.size * jnp.finfo(response.dtype).eps * sizes.max()
    return jnp.asarray(directions[unseen])


def _ground(equation: AbstractEquation) -> Domain:
    """Where rough states are tried: a square, or where a rate field lies."""
    for part in jax.tree.leaves(equation, is_leaf=lambda part: isinstance(part, AbstractField)):
        if isinstance(part, RateField):
            return part.domain
        if isinstance(part, KnownField) and part.shape:
            return Domain(part.shape, 1 / max(part.shape))
    return Domain((SIDE, SIDE), 1 / SIDE, "periodic")


def _rough(equation: AbstractEquation, domain: Domain) -> list[Float[Array, "*space"]]:
    """States that visit all compositions, as many as there have to be for more pixels than unknown numbers."""
    shape = domain.shape if equation.fields == 1 else (*domain.shape, equation.fields)
    inside = domain.inside if equation.fields == 1 else domain.inside[..., None]
    unknown = sum(leaf.size for leaf in jax.tree.leaves(equation))
    rng, count = np.random.default_rng(0), -(-PIXELS * unknown // int(domain.inside.sum()))
    return [jnp.asarray(np.where(inside, rng.uniform(0.02, 0.98, shape), 0.0)) for _ in range(count)]

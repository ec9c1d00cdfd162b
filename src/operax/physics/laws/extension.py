"""Laws outside the compositions they are made for: continued smoothly, so that a trial run can stray."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Compositions within this distance of 0 and 1 see the logarithm and c(1-c) continued.
EDGE = 1e-3
# Fitted laws level off over this part of their span beyond its ends.
LEVEL = 0.05


def _clamped(x, low, high):
    """``x`` within [low, high]. The tangent of `jnp.clip` costs twice as much: it shares itself out at ties."""
    return jax.lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


def extended(
    law: Callable, c: Float[Array, "*shape"], low: float, high: float, reach: float = np.inf
) -> Float[Array, "*shape"]:
    """Evaluate ``law`` on [low, high] and continue it outside by its tangent, so it is C¹ everywhere.

    With a finite ``reach`` the tangent levels off over that distance, so that a fitted polynomial or the
    exponential of one stays within bounds where a trial run strays.
    """

    def continued(c):
        inner, ends = _clamped(c, low, high), jnp.asarray([low, high], c.dtype)
        slopes = jax.jvp(law, (ends,), (jnp.ones_like(ends),))[1]
        beyond, below = c - inner, c < (low + high) / 2
        return law(inner) + jnp.where(below, *slopes) * beyond / (1 + jnp.abs(beyond) / reach)

    c = jnp.asarray(c)
    # XLA does not fuse across a branch. Where it did, batched tangents of a rate evaluated a fitted law anew for every
    # tangent and every face: nine times slower with ten tangents of 64² pixels on CPU.
    return jax.lax.cond((jnp.min(c) >= low) & (jnp.max(c) <= high), law, continued, c)


def levelled(x: Float[Array, "*shape"], low: float, high: float, reach: float) -> Float[Array, "*shape"]:
    """``x`` on [low, high], levelling off outside over ``reach``: C¹, and never further out than that.

    A parabola: every pixel pays for this, and in batched tangents for each of them again.
    """
    inner = _clamped(x, low, high)
    beyond = _clamped(x, low - 2 * reach, high + 2 * reach) - inner
    return inner + beyond - beyond * jnp.abs(beyond) / (4 * reach)


def check_span(span: tuple[float, float]) -> None:
    """Refuse a range of compositions that does not increase."""
    if not span[0] < span[1]:
        raise ValueError(f"`span` must be an increasing pair, got {span}.")

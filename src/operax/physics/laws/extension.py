"""Laws outside the compositions they are made for: continued smoothly, so that a trial run can stray."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

# Compositions within this distance of 0 and 1 see the logarithm and c(1-c) continued.
EDGE = 1e-3
# Fitted laws level off over this part of their span beyond its ends.
LEVEL = 0.05


def _clamped(x, low, high):
    """``x`` within [low, high]. The tangent of `jnp.clip` costs twice as much: it shares itself out at ties."""
    return jax.lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


def extended(
    law: Callable,
    c: Float[Array, "*shape"],
    low: float,
    high: float,
    reach: float = np.inf,
    numbers: tuple[Float[Array, "..."], ...] = (),
) -> Float[Array, "*shape"]:
    """Evaluate ``law(c, *numbers)`` on [low, high] and continue it outside by its tangent, so it is C¹ everywhere.

    With a finite ``reach`` the tangent levels off over that distance, so that a fitted polynomial or the
    exponential of one stays within bounds where a trial run strays. ``law`` must act pixel by pixel, and what a
    derivative may be taken by must be among ``numbers``.
    """
    return _extended(law, low, high, reach, jnp.asarray(c), numbers)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2, 3))
def _extended(law, low, high, reach, c, numbers):
    return _by_branch(law, low, high, reach, c, numbers)


@partial(_extended.defjvp, symbolic_zeros=True)
def _tangent(law, low, high, reach, primals, tangents):
    # A law acts pixel by pixel, so its slope serves every tangent. Left to itself, a batch of tangents goes through
    # the law anew for each.
    c, numbers = primals
    d_c, d_numbers = tangents
    value, slope = jax.jvp(lambda c: _by_branch(law, low, high, reach, c, numbers), (c,), (jnp.ones_like(c),))
    change = jnp.zeros_like(value) if isinstance(d_c, SymbolicZero) else slope * d_c
    if not all(isinstance(d, SymbolicZero) for d in d_numbers):
        d_numbers = tuple(jnp.zeros_like(n) if isinstance(d, SymbolicZero) else d for n, d in zip(numbers, d_numbers))
        change += jax.jvp(lambda numbers: _by_branch(law, low, high, reach, c, numbers), (numbers,), (d_numbers,))[1]
    # as the branch does for the value: fused on, rates under a current took minutes to compile
    return value, jax.lax.optimization_barrier(change)


def _by_branch(law, low, high, reach, c, numbers):
    def inside(c, numbers):
        return law(c, *numbers)

    def continued(c, numbers):
        inner, ends = _clamped(c, low, high), jnp.asarray([low, high], c.dtype)
        slopes = jax.jvp(lambda c: law(c, *numbers), (ends,), (jnp.ones_like(ends),))[1]
        beyond, below = c - inner, c < (low + high) / 2
        return law(inner, *numbers) + jnp.where(below, *slopes) * beyond / (1 + jnp.abs(beyond) / reach)

    # XLA does not fuse across a branch. Where it did, batched tangents of a rate evaluated a fitted law anew for every
    # tangent and every face: nine times slower with ten tangents of 64² pixels on CPU.
    return jax.lax.cond((jnp.min(c) >= low) & (jnp.max(c) <= high), inside, continued, c, numbers)


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

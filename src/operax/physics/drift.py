"""A drift flux K(c) along the axes: gravity on water in a porous medium, migration of ions in a field."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..domain import Domain
from .laws import AbstractLaw, as_law
from .operators import End, along_axis, through_ends


def as_drift(value) -> tuple[AbstractLaw, ...]:
    """One law an axis, from a law (number, function) of the first axis, a tuple of them, or None."""
    entries = () if value is None else value if isinstance(value, tuple | list) else (value,)
    return tuple(as_law(entry) for entry in entries)


class Carried(NamedTuple):
    """What a face needs to know of a point beside it: c, K(c), dK/dc and the diffusivity there."""

    c: Array
    flux: Array
    slope: Array
    spread: Array


def carried_between(low: Carried, high: Carried, distance: float) -> Array:
    """The drift flux through a face between two points.

    The mean of both, which alone would oscillate where the drift over a pixel outweighs diffusion, less an extra
    diffusion that makes up D to (D⁴ + A⁴)^¼ with A = distance/2 · |dK/dc|. That is smooth, never below A, which keeps
    profiles monotone, and differs from D by the fourth power of the distance where A is small.
    """
    D = 0.5 * (low.spread + high.spread)
    A = 0.25 * distance * (jnp.abs(low.slope) + jnp.abs(high.slope))
    both = D + A
    # of the shares: fourth powers of D and A themselves would leave the range of single precision
    share = jnp.where(both > 0, D / jnp.where(both > 0, both, 1.0), 1.0)
    extra = both * (share**4 + (1 - share) ** 4) ** 0.25 - D
    return 0.5 * (low.flux + high.flux) - extra * (high.c - low.c) / distance


def drift_rate(
    drift: tuple[AbstractLaw, ...],
    diffusivity: Callable,
    c: Float[Array, "*space"],
    fixed: Mapping[End, Float[Array, ""]],
    domain: Domain,
) -> Float[Array, "*space"]:
    """−∇·K(c), one component of K an axis; nothing passes closed ends or the rim of a mask.

    ``diffusivity`` is what smooths from pixel to pixel, see `carried_between`. A fixed flux is the whole flux through
    its end, so drift adds nothing there.

    Raises
    ------
    ValueError
        If there are more components than axes.
    """
    if len(drift) > domain.ndim:
        raise ValueError(f"`drift` has {len(drift)} entries; the domain has the axes {domain.axes}, one entry each.")

    total = jnp.zeros_like(c)
    for axis, law in enumerate(drift):

        def carried(c, law=law):
            value, slope = jax.jvp(law, (c,), (jnp.ones_like(c),))
            return Carried(c, value, slope, diffusivity(c))

        def through_face(low, high, h=domain.spacing[axis]):
            return carried_between(Carried(*low), Carried(*high), h)

        def inflow(end, layer, axis=axis, carried=carried):
            if end.axis != axis or end.kind == "fixed-flux":
                return None
            outer, inner = carried(fixed[end]), carried(layer)
            return -carried_between(inner, outer, end.half) if end.high else carried_between(outer, inner, end.half)

        total = total + along_axis(carried(c), axis, domain, through_face) + through_ends(c, domain, inflow)
    return total

"""Finite-volume stencils on cell-centred pixels: slices of a field with a halo, so that tangents stay cheap.

All operators act on one field of the domain's shape; batches are `jax.vmap`. Fluxes live on faces. A face between a
pixel inside the particles and one outside carries none, so mass is kept to rounding on every domain; what passes
the ends of an axis comes in by `through_ends` alone.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..domain import Domain


def _haloed(u: Array, domain: Domain) -> Array:
    """``u`` with one more pixel around it: that of the other end along a periodic axis, else the last one again."""
    for axis, boundary in enumerate(domain.boundary):
        n = u.shape[axis]
        first, last = lax.slice_in_dim(u, 0, 1, axis=axis), lax.slice_in_dim(u, n - 1, n, axis=axis)
        u = lax.concatenate([last, u, first] if boundary == "periodic" else [first, u, last], axis)
    # Without the barrier XLA makes a copy of `u` for every slice of this one: batched tangents took twice as long.
    return lax.optimization_barrier(u)


def _sides(haloed: Array, axis: int) -> tuple[Array, Array]:
    """The values on the low and the high side of every face along one axis, both ends included."""
    for other in range(haloed.ndim):
        if other != axis:
            haloed = lax.slice_in_dim(haloed, 1, haloed.shape[other] - 1, axis=other)
    n = haloed.shape[axis]
    return lax.slice_in_dim(haloed, 0, n - 1, axis=axis), lax.slice_in_dim(haloed, 1, n, axis=axis)


def _outflow(flux: Array, axis: int) -> Array:
    """What leaves every pixel through its high face minus what enters through its low face."""
    n = flux.shape[axis]
    return lax.slice_in_dim(flux, 1, n, axis=axis) - lax.slice_in_dim(flux, 0, n - 1, axis=axis)


def _open(domain: Domain, axis: int) -> np.ndarray:
    """Whether each face of `_sides` lies between two pixels inside."""
    n = domain.shape[axis]
    wrapped = np.take(domain.inside, range(-1, n + 1), axis, mode="wrap")
    both = np.take(wrapped, range(n + 1), axis) & np.take(wrapped, range(1, n + 2), axis)
    if domain.boundary[axis] != "periodic":
        both[(slice(None),) * axis + ([0, n],)] = False
    return both


def divergence_of_flux(
    mobility: Float[Array, "*space"] | None, potential: Float[Array, "*space"], domain: Domain
) -> Float[Array, "*space"]:
    """∇·(M ∇μ) with the face mobility the mean of its two pixels; ``mobility=None`` stands for M = 1.

    Every end that is not periodic is taken as closed, see `through_ends`. Zero outside the particles. Second order
    in the spacing.
    """
    total = jnp.zeros_like(potential)
    mu = _haloed(potential, domain)
    M = None if mobility is None else _haloed(mobility, domain)
    for axis, h in enumerate(domain.spacing):
        if domain.shape[axis] == 1:
            continue
        low, high = _sides(mu, axis)
        weight = _open(domain, axis) / h**2 if domain.masked else np.asarray(1 / h**2)
        flux = (high - low) * jnp.asarray(weight, potential.dtype)
        if M is not None:
            m_low, m_high = _sides(M, axis)
            flux = flux * (0.5 * (m_low + m_high))
        total = total + _outflow(flux, axis)
    return total


def along_axis(
    fields: tuple[Float[Array, "*space"], ...], axis: int, domain: Domain, flux: Callable[[tuple, tuple], Array]
) -> Float[Array, "*space"]:
    """−∂J/∂x along one axis, with any flux J through a face as a function of the fields on its two sides.

    Ends that are not periodic are taken as closed, and so are the faces of a mask.
    """
    if domain.shape[axis] == 1:
        return jnp.zeros_like(fields[0])
    low, high = zip(*(_sides(_haloed(u, domain), axis) for u in fields))
    through = flux(low, high) / domain.spacing[axis]
    if domain.masked or domain.boundary[axis] != "periodic":
        through = through * jnp.asarray(_open(domain, axis), through.dtype)
    return -_outflow(through, axis)


class End(NamedTuple):
    """An end of an axis that something passes.

    Parameters
    ----------
    axis
        Number of the axis.
    high
        Whether it is the axis's high end.
    kind
        ``"fixed-value"`` or ``"fixed-flux"``.
    half
        Distance from the end to the centre of the pixels along it, half a spacing.
    """

    axis: int
    high: bool
    kind: str
    half: float


def open_ends(domain: Domain) -> tuple[End, ...]:
    """The ends of a domain that are neither closed nor periodic."""
    return tuple(
        End(axis, high, kind, h / 2)
        for axis, (h, pair) in enumerate(zip(domain.spacing, domain.ends))
        for high, kind in zip((False, True), pair)
        if kind in ("fixed-value", "fixed-flux")
    )


def through_ends(
    u: Float[Array, "*space"], domain: Domain, inflow: Callable[[End, Array], Array | None]
) -> Float[Array, "*space"]:
    """What passes the ends adds to each pixel along them, per time.

    Parameters
    ----------
    inflow
        Of an end and the layer of ``u`` along it: inflow per area and time, positive into the domain at the low and at
        the high end alike; None for nothing.
    """
    total = jnp.zeros_like(u)
    for end in open_ends(domain):
        rest = u.shape[end.axis] - 1
        place = rest if end.high else 0
        layer = lax.slice_in_dim(u, place, place + 1, axis=end.axis)
        flow = inflow(end, layer)
        if flow is None:
            continue
        gained = jnp.broadcast_to(flow / (2 * end.half), layer.shape).astype(u.dtype)
        if domain.masked:
            gained = jnp.where(np.take(domain.inside, [place], end.axis), gained, 0)
        edges = [(place, rest - place, 0) if i == end.axis else (0, 0, 0) for i in range(u.ndim)]
        total = total + lax.pad(gained, jnp.zeros((), u.dtype), edges)
    return total


def laplacian(
    u: Float[Array, "*space"], domain: Domain, levels: Mapping[End, Float[Array, ""]] | None = None
) -> Float[Array, "*space"]:
    """∇²u by central differences, with the domain's boundary and mask.

    A fixed value acts over half a pixel: second order in the solution, though not in the pixels along the end.

    Parameters
    ----------
    levels
        The value of u at the ends where it is fixed; None means zero. A fixed flux is no matter of u itself: there
        its slope is zero.
    """

    def inflow(end, layer):
        if end.kind == "fixed-flux":
            return None
        return ((0.0 if levels is None else levels[end]) - layer) / end.half

    inner = divergence_of_flux(None, u, domain)
    return inner + through_ends(u, domain, inflow) if open_ends(domain) else inner


def squared_gradient(u: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
    """∫ |∇u|² over the domain, from the inner faces; twice the gradient energy for κ = 1.

    The half pixels before an end with a fixed value are left out.
    """
    total = jnp.zeros((), u.dtype)
    haloed = _haloed(u, domain)
    for axis, h in enumerate(domain.spacing):
        low, high = _sides(haloed, axis)
        square = ((high - low) / h) ** 2 * jnp.asarray(_open(domain, axis), u.dtype)
        # the last face of a periodic axis is the first again, and others carry nothing there
        total = total + lax.slice_in_dim(square, 1, square.shape[axis], axis=axis).sum()
    return total * domain.pixel_volume

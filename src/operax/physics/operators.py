"""Finite-volume stencils on cell-centred pixels: slice and pad, so that tangents stay cheap.

All operators act on one field of the domain's shape; batches are `jax.vmap`. Fluxes live on faces. A face at a
no-flux boundary, or between a pixel inside the particles and one outside, carries none, so mass is kept to
rounding on every domain.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..domain import Domain


def _sides(u: Array, axis: int, periodic: bool) -> tuple[Array, Array]:
    """The values on the low and the high side of every face along one axis.

    Periodic: n + 1 faces, the first and the last the same. No-flux: the n - 1 inner faces.
    """
    n = u.shape[axis]
    if periodic:
        last, first = lax.slice_in_dim(u, n - 1, n, axis=axis), lax.slice_in_dim(u, 0, 1, axis=axis)
        u, n = jnp.concatenate([last, u, first], axis), n + 2
    return lax.slice_in_dim(u, 0, n - 1, axis=axis), lax.slice_in_dim(u, 1, n, axis=axis)


def _outflow(flux: Array, axis: int, periodic: bool) -> Array:
    """What leaves every pixel through its high face minus what enters through its low face."""
    if not periodic:
        # `lax.pad` fuses with its neighbours; joining on zeros made batched tangents eight times slower
        edges = [(int(i == axis), int(i == axis), 0) for i in range(flux.ndim)]
        flux = lax.pad(flux, jnp.zeros((), flux.dtype), edges)
    n = flux.shape[axis]
    return lax.slice_in_dim(flux, 1, n, axis=axis) - lax.slice_in_dim(flux, 0, n - 1, axis=axis)


def _open(domain: Domain, axis: int, periodic: bool) -> np.ndarray:
    """Whether each face of `_sides` lies between two pixels inside."""
    n = domain.shape[axis]
    inside = np.take(domain.inside, range(-1, n + 1), axis, mode="wrap") if periodic else domain.inside
    n = inside.shape[axis]
    return np.take(inside, range(n - 1), axis) & np.take(inside, range(1, n), axis)


def divergence_of_flux(
    mobility: Float[Array, "*space"] | None, potential: Float[Array, "*space"], domain: Domain
) -> Float[Array, "*space"]:
    """∇·(M ∇μ) with the face mobility the mean of its two pixels; ``mobility=None`` stands for M = 1.

    Zero outside the particles. Second order in the spacing.
    """
    total = jnp.zeros_like(potential)
    for axis, (h, boundary) in enumerate(zip(domain.spacing, domain.boundary)):
        if domain.shape[axis] == 1:
            continue
        periodic = boundary == "periodic"
        low, high = _sides(potential, axis, periodic)
        weight = _open(domain, axis, periodic) / h**2 if domain.masked else np.asarray(1 / h**2)
        flux = (high - low) * jnp.asarray(weight, potential.dtype)
        if mobility is not None:
            m_low, m_high = _sides(mobility, axis, periodic)
            flux = flux * (0.5 * (m_low + m_high))
        total = total + _outflow(flux, axis, periodic)
    return total


def laplacian(u: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
    """∇²u by central differences, with the domain's boundary and mask."""
    return divergence_of_flux(None, u, domain)


def squared_gradient(u: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
    """∫ |∇u|² over the domain, from the faces; twice the gradient energy for κ = 1."""
    total = jnp.zeros((), u.dtype)
    for axis, (h, boundary) in enumerate(zip(domain.spacing, domain.boundary)):
        periodic = boundary == "periodic"
        low, high = _sides(u, axis, periodic)
        square = ((high - low) / h) ** 2 * jnp.asarray(_open(domain, axis, periodic), u.dtype)
        if periodic:  # the last face is the first again
            square = lax.slice_in_dim(square, 1, square.shape[axis], axis=axis)
        total = total + square.sum()
    return total * domain.pixel_volume

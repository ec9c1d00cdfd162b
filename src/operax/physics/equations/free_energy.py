"""The free energy of a composition field with interfaces, and the chemical potential that is its derivative."""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..laws import AbstractLaw
from ..operators import End, laplacian, squared_gradient
from .interface import check_closed


def chemical_potential(
    potential: Callable,
    kappa: AbstractLaw,
    c: Float[Array, "*space"],
    domain: Domain,
    levels: Mapping[End, Float[Array, ""]] | None = None,
) -> Float[Array, "*space"]:
    """μ = μ_h(c) − κ ∇²c, with the values of c at the ends where it is fixed.

    Raises
    ------
    ValueError
        If something is fixed at an end of the domain and no ``levels`` are given.
    """
    if levels is None:
        check_closed(domain)
    return potential(c) - kappa(c) * laplacian(c, domain, levels)


def free_energy(
    potential: Callable, kappa: AbstractLaw, c: Float[Array, "*space"], domain: Domain, points: int
) -> Float[Array, ""]:
    """∫ f(c) + κ/2 |∇c|² with f′ = μ_h and f(½) = 0, in units of μ times volume.

    f is the trapezoidal integral of μ_h from ½ on ``points`` nodes: exact to O(points⁻²).
    """
    s = jnp.linspace(0, 1, points, dtype=c.dtype)
    path = 0.5 + (c[..., None] - 0.5) * s
    f = jnp.trapezoid(potential(path), s, axis=-1) * (c - 0.5)
    bulk = jnp.where(jnp.asarray(domain.inside), f, 0).sum() * domain.pixel_volume
    return bulk + 0.5 * kappa(c).ravel()[0] * squared_gradient(c, domain)

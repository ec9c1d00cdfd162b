"""The free energy of a composition field with interfaces, and the chemical potential that is its derivative."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...domain import Domain
from ..laws import AbstractLaw
from ..operators import End, laplacian, squared_gradient
from .interface import check_closed

NODES = np.polynomial.legendre.leggauss(64)


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


def free_energy(potential: Callable, kappa: AbstractLaw, c: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
    """∫ f(c) + κ/2 |∇c|² with f′ = μ_h and f(½) = 0, in units of μ times volume.

    f is the integral of μ_h from ½ by Gauss and Legendre's rule on 64 nodes, one field of them held at a time.
    """
    nodes, weights = NODES

    def add(f, node):
        place, weight = node
        return f + weight * potential(0.5 + (c - 0.5) * place), None

    rule = jnp.asarray(0.5 * (1 + nodes), c.dtype), jnp.asarray(0.5 * weights, c.dtype)
    f = jax.lax.scan(add, jnp.zeros_like(c), rule)[0] * (c - 0.5)
    bulk = jnp.where(jnp.asarray(domain.inside), f, 0).sum() * domain.pixel_volume
    return bulk + 0.5 * kappa(c).ravel()[0] * squared_gradient(c, domain)

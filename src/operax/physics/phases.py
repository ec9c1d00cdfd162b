"""What a chemical potential says of phases: where they begin, which coexist, what their interface costs.

Every function takes a law or any function μ(c), is differentiable and may be mapped over posterior draws. Where a
potential does not separate the answer is NaN, not an error, since draws of one posterior may differ in that.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .laws import derivative

# Compositions searched: dense at both ends, where dilute phases of strong interaction lie.
SEARCHED = 0.5 - 0.5 * np.cos(np.pi * (np.arange(513) + 0.5) / 513)
# Gauss–Legendre nodes and weights between two phases; a logarithm that ends 0.001 outside costs less than 1e-10.
LEGENDRE = np.polynomial.legendre.leggauss(96)
NODES, WEIGHTS = (LEGENDRE[0] + 1) / 2, LEGENDRE[1] / 2
# Newton steps of the common tangent, from a start within one searched step.
STEPS = 12
# Halvings of one searched step until the precision is spent.
HALVINGS = 50


def spinodal(potential: Callable) -> Float[Array, "2"]:
    """The lowest and the highest composition at which the potential is level: between them c is unstable.

    Parameters
    ----------
    potential
        μ(c), a law or a function.

    Returns
    -------
    compositions
        Where dμ/dc = 0; NaN for a potential that rises everywhere.

    Notes
    -----
    Laws are continued by their tangent within `laws.EDGE` of 0 and 1, so phases more dilute than that are not seen.

    References
    ----------
    J. W. Cahn and J. E. Hilliard, J. Chem. Phys. 28, 258 (1958), doi:10.1063/1.1744102.
    """
    c = jnp.asarray(SEARCHED)
    unstable = derivative(potential, c) < 0
    first, last = jnp.argmax(unstable), c.size - 1 - jnp.argmax(unstable[::-1])
    stable = c[jnp.stack([first - 1, last + 1]).clip(0, c.size - 1)]
    inner = c[jnp.stack([first, last])]

    def halve(_, ends):
        stable, inner = ends
        middle = (stable + inner) / 2
        below = derivative(potential, middle) < 0
        return jnp.where(below, stable, middle), jnp.where(below, middle, inner)

    stable, _ = jax.lax.stop_gradient(jax.lax.fori_loop(0, HALVINGS, halve, (stable, inner)))
    # one Newton step carries the derivative by the coefficients
    curvature = jax.lax.stop_gradient(derivative(lambda s: derivative(potential, s), stable))
    root = stable - derivative(potential, stable) / curvature
    return jnp.where(unstable.any(), root, jnp.nan)


def _between(a, b):
    return a + (b - a) * jnp.asarray(NODES)


def _defect(potential, pair):
    """Zero for a common tangent: equal potentials, and equal areas above and below them."""
    a, b = pair
    mu_a, mu_b = potential(pair)
    area = (b - a) * (jnp.asarray(WEIGHTS) @ potential(_between(a, b)))
    return jnp.stack([mu_b - mu_a, area - (b - a) * (mu_a + mu_b) / 2])


def binodal(potential: Callable) -> Float[Array, "2"]:
    """The two compositions that coexist, by the common tangent of the free energy f, f′ = μ.

    Of several miscibility gaps the one with the highest barrier is taken.

    Parameters
    ----------
    potential
        μ(c), a law or a function.

    Returns
    -------
    compositions
        Poor and rich phase; NaN for a potential that rises everywhere.

    Notes
    -----
    Laws are continued by their tangent within `laws.EDGE` of 0 and 1, so phases more dilute than that are not seen.

    References
    ----------
    J. W. Cahn and J. E. Hilliard, J. Chem. Phys. 28, 258 (1958), doi:10.1063/1.1744102.
    """
    c = jnp.asarray(SEARCHED)
    mu = jax.lax.stop_gradient(potential(c))
    f = jnp.concatenate([jnp.zeros(1), jnp.cumsum((mu[1:] + mu[:-1]) / 2 * jnp.diff(c))])
    # the convex envelope of f: the highest of its supporting tangents, one for each slope
    support = (f - mu[:, None] * c).min(1)
    lines = support[:, None] + mu[:, None] * c
    deepest = jnp.argmax(f - lines.max(0))
    above = f - lines[jnp.argmax(lines[:, deepest])]
    left = jnp.argmin(jnp.where(jnp.arange(c.size) < deepest, above, jnp.inf))
    right = jnp.argmin(jnp.where(jnp.arange(c.size) > deepest, above, jnp.inf))

    def newton(_, pair):
        step = jnp.linalg.solve(jax.jacfwd(lambda p: _defect(potential, p))(pair), _defect(potential, pair))
        return pair - step

    found = jax.lax.stop_gradient(jax.lax.fori_loop(0, STEPS, newton, jnp.stack([c[left], c[right]])))
    found = newton(0, found)
    separates = (derivative(potential, c) < 0).any()
    return jnp.where(separates, found, jnp.nan)


def _barrier(potential, pair):
    """Free energy above the common tangent at the nodes between two phases."""
    a, b = pair
    c = _between(a, b)
    areas = jax.vmap(lambda end: (end - a) * (jnp.asarray(WEIGHTS) @ potential(_between(a, end))))(c)
    # rounding next to the phases must not reach a square root as a negative number, nor its slope as infinity
    return jnp.maximum(areas - potential(a) * (c - a), jnp.finfo(areas.dtype).tiny)


def interface_energy(potential: Callable, kappa: float | Float[Array, ""]) -> Float[Array, ""]:
    """Energy of a flat interface between the coexisting phases, ∫ √(2 κ Δf) dc.

    Parameters
    ----------
    potential
        μ(c), a law or a function.
    kappa
        Gradient coefficient κ, units of μ times length².

    Returns
    -------
    energy
        In units of μ times length, for each unit area; times `Scales.interface_energy` in J/m².

    References
    ----------
    J. W. Cahn and J. E. Hilliard (1958), doi:10.1063/1.1744102, eq. 2.21.
    """
    pair = binodal(potential)
    root = jnp.sqrt(2 * kappa * _barrier(potential, pair))
    return (pair[1] - pair[0]) * (jnp.asarray(WEIGHTS) @ root)


def interface_width(potential: Callable, kappa: float | Float[Array, ""]) -> Float[Array, ""]:
    """Width of a flat interface: the step of composition over its largest slope, √(κ / 2 Δf) Δc.

    Parameters
    ----------
    potential, kappa
        As for `interface_energy`.

    Notes
    -----
    A movie resolves κ only where this is several pixels wide.

    References
    ----------
    J. W. Cahn and J. E. Hilliard, J. Chem. Phys. 28, 258 (1958), doi:10.1063/1.1744102.
    """
    pair = binodal(potential)
    return (pair[1] - pair[0]) * jnp.sqrt(kappa / (2 * _barrier(potential, pair).max()))

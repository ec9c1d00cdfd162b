"""Non-negative least squares for every pixel at once, with the covariance of what it finds."""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...denoise.small import solved

# All subsets of components are tried: 2^n solutions of a pixel.
MOST = 6


def unmix(
    values: Float[Array, "energy *pixels"],
    variance: Float[Array, "energy *pixels"],
    spectra: Float[Array, "component energy"],
    background: Float[Array, "free energy"] | None = None,
    *,
    bounded: bool = True,
) -> tuple[Float[Array, "all *pixels"], Float[Array, "all all *pixels"], Float[Array, "*pixels"]]:
    """Amounts a ≥ 0 that minimise Σ_E (y_E − Σ_k a_k s_kE)² / σ_E² in every pixel.

    Every subset of components is solved without a constraint, and of the solutions without a negative amount
    the one of least misfit is taken. For as few components as can be told apart in a spectrum this is exact,
    and the same work in every pixel.

    Parameters
    ----------
    values, variance
        Spectrum of each pixel, and its variance.
    spectra
        Reference spectra.
    background
        Spectra whose amounts may have either sign, such as a constant.
    bounded
        Whether amounts are held at zero or above. Left free, their mean is not moved by noise.

    Returns
    -------
    amounts, covariance, misfit
        Amounts of the components and, after them, of the background; their covariance; and χ² over the
        degrees of freedom.

    Raises
    ------
    ValueError
        If shapes disagree, there are too many components or too few energies, or the spectra are not
        independent.

    Notes
    -----
    The covariance is that of the unconstrained fit. It describes the scatter of a pixel well inside the allowed
    range; where an amount is held at zero, its own scatter is smaller and one-sided. Noise must be independent
    from energy to energy.
    """
    rows = jnp.asarray(spectra) if background is None else jnp.concatenate([spectra, background])
    count, free = len(spectra), 0 if background is None else len(background)
    if rows.ndim != 2 or rows.shape[1] != len(values) or jnp.shape(variance) != jnp.shape(values):
        raise ValueError(
            f"`spectra` must have one value for each of the {len(values)} energies and `variance` the shape of "
            f"`values`; got {rows.shape}, {jnp.shape(variance)} and {jnp.shape(values)}."
        )
    if not 1 <= count <= MOST:
        raise ValueError(f"`spectra` must hold 1 to {MOST} components, got {count}; fewer can be told apart anyway.")
    if len(values) < count + free:
        raise ValueError(f"{count + free} amounts cannot be found from {len(values)} energies.")
    if np.linalg.matrix_rank(np.asarray(rows)) < count + free:
        raise ValueError("`spectra` and background must be linearly independent; two of them say the same.")
    return _solved(jnp.asarray(values), jnp.asarray(variance), rows, count, bounded)


@eqx.filter_jit
def _solved(values, variance, rows, count: int, bounded: bool):
    free = len(rows) - count
    weight = 1 / variance
    normal = jnp.einsum("ke,le,e...->...kl", rows, rows, weight)
    right = jnp.einsum("ke,e...->...k", rows, weight * values)
    best, gain = None, None
    for chosen in product((True, False) if bounded else (True,), repeat=count):
        used = jnp.asarray([*chosen, *([True] * free)])
        # unused components: a unit row with nothing on the right
        matrix = jnp.where(used[:, None] & used, normal, jnp.eye(count + free))
        found = jnp.einsum("...kl,...l->...k", _inverse(matrix), jnp.where(used, right, 0))
        allowed = jnp.all((found[..., :count] >= 0) | (not bounded), -1)
        reached = jnp.where(allowed, jnp.sum(found * right, -1), -jnp.inf)
        if best is None or gain is None:
            best, gain = found, reached
        else:
            better = reached > gain
            best, gain = jnp.where(better[..., None], found, best), jnp.where(better, reached, gain)
    assert best is not None
    amounts = jnp.moveaxis(best, -1, 0)
    covariance = jnp.moveaxis(_inverse(normal), (-2, -1), (0, 1))
    residual = values - jnp.einsum("ke,k...->e...", rows, amounts)
    misfit = jnp.sum(residual**2 * weight, 0) / max(len(values) - count - free, 1)
    return amounts, covariance, misfit


def _inverse(matrices: Float[Array, "*pixels n n"]) -> Float[Array, "*pixels n n"]:
    """Inverses of many small positive definite matrices, brought to a unit diagonal first."""
    scale = jax.lax.rsqrt(jnp.diagonal(matrices, axis1=-2, axis2=-1))
    scales = scale[..., :, None] * scale[..., None, :]
    unit = jnp.broadcast_to(jnp.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
    return solved(matrices * scales, unit)[0] * scales

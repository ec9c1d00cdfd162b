"""Put the noisy value back: what prediction and pixel say together."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .small import solved


def restored(
    mean: Float[Array, "*pixel channel"],
    covariance: Float[Array, "*pixel channel channel"],
    observed: Float[Array, "*pixel channel"],
    sigma2: Float[Array, "*pixel channel"],
) -> tuple[Float[Array, "*pixel channel"], Float[Array, "*pixel channel channel"]]:
    """Mean and covariance of the clean values given their blind prediction and their noisy values.

    x̂ = μ + Σ (Σ + N)⁻¹ (y − μ), with covariance Σ − Σ (Σ + N)⁻¹ Σ and N = diag σ². For a grey movie
    x̂ = (s² y + σ² μ) / (s² + σ²).

    References
    ----------
    Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277, section 3.
    """
    if mean.shape[-1] == 1:
        spread2 = covariance[..., 0]
        trust = spread2 / (spread2 + sigma2)
        return mean + trust * (observed - mean), (trust * sigma2)[..., None]
    total = covariance + sigma2[..., None] * jnp.eye(mean.shape[-1], dtype=mean.dtype)
    # Σ and N are symmetric: the solve gives the transpose of Σ (Σ + N)⁻¹.
    gain = solved(total, covariance)[0].swapaxes(-1, -2)
    change = (gain @ (observed - mean)[..., None])[..., 0]
    return mean + change, covariance - gain @ covariance

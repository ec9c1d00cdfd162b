"""Noise models: the variance of a value given its mean, and samples."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key


def _positive(name: str, value, *, strictly: bool = False) -> Array:
    array = jnp.asarray(value)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)
    if not isinstance(array, jax.core.Tracer):
        v = np.asarray(array)
        if not np.isfinite(v).all() or (v < 0).any() or (strictly and (v == 0).any()):
            kind = "positive" if strictly else "zero or positive"
            worst = v[~np.isfinite(v)][0] if not np.isfinite(v).all() else v.min()
            raise ValueError(f"`{name}` must be finite and {kind}, got {worst:g}.")
    return array


class Gaussian(eqx.Module):
    """Normal noise of one standard deviation, or of one for each pixel.

    Parameters
    ----------
    std
        Standard deviation in units of the movie's values; a number, or an array broadcastable to a frame.

    Raises
    ------
    ValueError
        If a standard deviation is negative, NaN or infinite.
    """

    std: Float[Array, "..."]

    def __init__(self, std):
        self.std = _positive("std", std)

    def variance(self, mean: Float[Array, "..."]) -> Float[Array, "..."]:
        """Variance of a value whose noise-free value is ``mean``, of the shape of ``mean``."""
        return jnp.broadcast_to(self.std**2, jnp.shape(mean))

    def sample(self, clean: Float[Array, "..."], *, key: Key[Array, ""]) -> Float[Array, "..."]:
        """A noisy copy of ``clean``."""
        clean = jnp.asarray(clean)
        return clean + self.std * jax.random.normal(key, clean.shape, clean.dtype)


class PoissonGaussian(eqx.Module):
    """Counting noise on top of read noise: Var(y | x) = gain · max(x − offset, 0) + read_std².

    Parameters
    ----------
    gain
        Movie units per count.
    offset
        Value of a pixel that receives no counts. Below it only read noise is left.
    read_std
        Standard deviation of the read noise, in units of the movie's values.

    Raises
    ------
    ValueError
        If the gain is not positive, the read noise is negative, or anything is not finite.

    Notes
    -----
    A variance that is a straight line in the mean fixes the gain but only the combination
    read_std² − gain · offset; `estimate` says which split it reports.
    """

    gain: Float[Array, "..."]
    offset: Float[Array, "..."]
    read_std: Float[Array, "..."]

    def __init__(self, gain, offset=0.0, read_std=0.0):
        self.gain = _positive("gain", gain, strictly=True)
        self.read_std = _positive("read_std", read_std)
        offset = jnp.asarray(offset)
        self.offset = offset if jnp.issubdtype(offset.dtype, jnp.floating) else offset.astype(float)
        if not isinstance(self.offset, jax.core.Tracer) and not np.isfinite(np.asarray(self.offset)).all():
            raise ValueError(f"`offset` must be finite, got {self.offset}.")

    def variance(self, mean: Float[Array, "..."]) -> Float[Array, "..."]:
        """Variance of a value whose noise-free value is ``mean``, of the shape of ``mean``."""
        shot = self.gain * jnp.maximum(jnp.asarray(mean) - self.offset, 0)
        return jnp.broadcast_to(shot + self.read_std**2, jnp.shape(mean))

    def sample(self, clean: Float[Array, "..."], *, key: Key[Array, ""]) -> Float[Array, "..."]:
        """A noisy copy of ``clean``; its mean is ``clean`` everywhere, also below ``offset``."""
        clean = jnp.asarray(clean)
        counting, reading = jax.random.split(key)
        expected = jnp.maximum(clean - self.offset, 0) / self.gain
        counts = jax.random.poisson(counting, expected, clean.shape).astype(clean.dtype)
        read = self.read_std * jax.random.normal(reading, clean.shape, clean.dtype)
        return clean + self.gain * (counts - expected) + read

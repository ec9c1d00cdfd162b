"""Classical denoisers behind the same call as a trained one: `TemporalMean` and `LowRank`."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian, estimate


def _variance(movie: Movie, noise) -> Array | None:
    """Noise variance of each value: what the movie states, what the model says, what the movie shows."""
    inside = movie.domain.inside.reshape(movie.domain.shape + (1,) * movie.channels_ndim)
    if noise is None and movie.variance is not None:
        return jnp.broadcast_to(movie.variance, movie.frames.shape)
    if noise is None:
        if len(movie) < 3 or movie.channels_ndim:
            return None
        noise = estimate(movie)
    return noise.variance(jnp.where(jnp.asarray(inside), movie.frames, 0))


class TemporalMean(eqx.Module):
    """A running mean over an odd number of frames; `TemporalMean(3)(movie)` gives a `Movie`.

    At the ends the window is cut, so that no frame counts twice.

    Parameters
    ----------
    width
        Number of frames averaged, odd.
    noise
        Noise model for the variance of the result. ``None`` takes the movie's own variance, or measures it;
        where it can do neither (colour, fewer than three frames) the result has no variance.

    Raises
    ------
    ValueError
        If the width is not odd and positive.

    Notes
    -----
    The variance is that of the averaged noise. What the mean blurs away where the movie changes within the
    window is bias, and not in it.
    """

    width: int = eqx.field(static=True, default=3)
    noise: Gaussian | PoissonGaussian | None = None

    def __check_init__(self):
        if not isinstance(self.width, int) or self.width < 1 or self.width % 2 == 0:
            raise ValueError(f"`width` must be an odd number of frames, got {self.width!r}.")

    def __call__(self, movie: Movie) -> Movie:
        """The movie averaged over the window, with its variance and its `reads`."""
        half = min(self.width // 2, len(movie) - 1)
        frame = np.arange(len(movie))
        window = (np.abs(frame[:, None] - frame) <= half).astype(float)
        weights = jnp.asarray(window / window.sum(1, keepdims=True), movie.frames.dtype)
        variance = _variance(movie, self.noise)
        if variance is not None:
            variance = jnp.tensordot(weights**2, variance, 1)
        return movie.replace(
            frames=jnp.tensordot(weights, movie.frames, 1), variance=variance, reads=range(-half, half + 1)
        )


class LowRank(eqx.Module):
    """Keep the strongest singular components of the time × pixels matrix; `LowRank()(movie)` gives a `Movie`.

    Parameters
    ----------
    rank
        Number of components kept after the mean picture is taken off. ``None`` keeps those above the optimal
        hard threshold λ(β) √n σ of Gavish and Donoho.
    noise
        Noise model for that threshold and the variance. ``None`` takes the movie's variance, or measures it.

    Raises
    ------
    ValueError
        If the rank is negative or above what the movie can have, or no noise level can be had for the
        threshold.

    Notes
    -----
    Every frame of the result has read every recorded frame. Moving fronts are not of low rank: they come out
    with ghosts. The variance is the share of noise that a fixed subspace lets through; that the subspace was
    itself found from noisy data is not in it.

    References
    ----------
    Gavish, Donoho (2014), doi:10.1109/TIT.2014.2323359, equations 3 and 11 (noise level known).
    """

    rank: int | None = eqx.field(static=True, default=None)
    noise: Gaussian | PoissonGaussian | None = None

    def __check_init__(self):
        if self.rank is not None and (not isinstance(self.rank, int) or self.rank < 0):
            raise ValueError(f"`rank` must be a whole number of zero or more, or None, got {self.rank!r}.")

    def __call__(self, movie: Movie) -> Movie:
        """The movie rebuilt from its strongest components, with its variance and its `reads`."""
        inside = jnp.asarray(movie.domain.inside)
        values = movie.frames[:, inside].reshape(len(movie), -1)
        frames, pixels = values.shape
        if self.rank is not None and self.rank > min(frames, pixels):
            raise ValueError(f"`rank` must be at most {min(frames, pixels)} for this movie, got {self.rank}.")
        variance = _variance(movie, self.noise)
        picture = values.mean(0)
        u, s, vt = jnp.linalg.svd(values - picture, full_matrices=False)
        rank = self.rank
        if rank is None:
            if variance is None:
                raise ValueError(
                    "`LowRank` needs a noise level to choose its rank, and cannot measure one in this movie; "
                    "pass `noise` or `rank`."
                )
            sigma = float(jnp.sqrt(variance[:, inside].mean()))
            rank = int((np.asarray(s) > threshold(frames, pixels) * sigma).sum())
        kept = picture + (u[:, :rank] * s[:rank]) @ vt[:rank]
        clean = movie.frames.at[:, inside].set(kept.reshape(movie.frames[:, inside].shape))
        if variance is not None:
            # Leverage of a frame and of a pixel on its own value under projection on the kept subspaces.
            time = 1 / frames + (u[:, :rank] ** 2).sum(1)[:, None]
            space = (vt[:rank] ** 2).sum(0)[None]
            leverage = jnp.clip(time + space - time * space, 0, 1)
            share = variance[:, inside].reshape(values.shape) * leverage
            variance = variance.at[:, inside].set(share.reshape(movie.frames[:, inside].shape))
        count = len(movie)
        return movie.replace(frames=clean, variance=variance, reads=range(1 - count, count))


def threshold(rows: int, columns: int) -> float:
    """Singular value below which a component of a matrix with unit noise is better left out, λ(m/n) √n."""
    small, large = sorted((rows, columns))
    beta = small / large
    return float(np.sqrt(large * (2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1)))))

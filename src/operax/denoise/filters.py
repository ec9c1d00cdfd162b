"""Filters of scikit-image behind the same call, their strength chosen on the movie itself."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian, estimate
from .stabilise import stabilised, unstabilised

# Strengths tried, in units of the noise's standard deviation.
STRENGTHS = (0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
# One pixel in this many along every axis is replaced by its neighbours' mean while strengths are compared.
STRIDE = 4


def _hidden(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A copy in which a sparse grid of pixels is replaced by the mean of their six neighbours, and the grid."""
    grid = np.zeros(volume.shape, bool)
    grid[tuple(slice(STRIDE // 2, None, STRIDE) for _ in volume.shape)] = True
    total, count = np.zeros_like(volume), np.zeros_like(volume)
    for axis in range(volume.ndim):
        for step in (-1, 1):
            there = np.roll(volume, step, axis)
            edge = [slice(None)] * volume.ndim
            edge[axis] = slice(0, 1) if step > 0 else slice(-1, None)
            known = np.ones_like(volume)
            known[tuple(edge)] = 0
            total, count = total + there * known, count + known
    return np.where(grid, total / np.maximum(count, 1), volume), grid


def _calibrated(volume, inside, smooth: Callable) -> tuple[np.ndarray, float]:
    """The volume smoothed with the strength that predicts hidden pixels best, and that strength.

    References
    ----------
    Batson, Royer (2019), arXiv:1901.11365.
    """
    masked, grid = _hidden(volume)
    judged = grid & inside
    errors = [float(np.mean((smooth(masked, strength) - volume)[judged] ** 2)) for strength in STRENGTHS]
    best = STRENGTHS[int(np.argmin(errors))]
    return smooth(volume, best), best


def _filtered(movie: Movie, noise, smooth: Callable) -> Movie:
    """The movie through a filter for noise of unit variance."""
    if movie.channels_ndim:
        raise ValueError(
            f"these filters take grey movies, got frames of shape {movie.frames.shape}. Pass channel by channel."
        )
    noise = estimate(movie) if noise is None else noise
    inside = np.broadcast_to(movie.domain.inside, movie.frames.shape)
    level = np.asarray(movie.frames, float)
    level = np.where(inside, level, level[inside].mean())
    found, _ = _calibrated(stabilised(level, noise), inside, smooth)
    clean = np.where(inside, unstabilised(found, noise), np.asarray(movie.frames, float))
    count = len(movie)
    return movie.replace(frames=jnp.asarray(clean, movie.frames.dtype), variance=None, reads=range(1 - count, count))


class TotalVariation(eqx.Module):
    """Least change that explains the movie: total variation in time and space; `TotalVariation()(movie)`.

    Its strength is the one that predicts pixels hidden from it best. Counting noise is stabilised first.

    Parameters
    ----------
    noise
        Noise model; measured if ``None``.

    Notes
    -----
    Flattens what varies smoothly into steps. Gives no variance. Every frame has read every recorded frame.

    References
    ----------
    Chambolle (2004), doi:10.1023/B:JMIV.0000011325.36760.1e.
    """

    noise: Gaussian | PoissonGaussian | None = None

    def __call__(self, movie: Movie) -> Movie:
        """The movie denoised.

        Raises
        ------
        ValueError
            For a colour movie.
        """
        from skimage import restoration

        return _filtered(
            movie, self.noise, lambda x, s: restoration.denoise_tv_chambolle(x, weight=s, max_num_iter=100)
        )


class NonLocalMeans(eqx.Module):
    """Mean over patches that look alike, in time and space; `NonLocalMeans()(movie)`.

    Its strength is the one that predicts pixels hidden from it best. Counting noise is stabilised first.

    Parameters
    ----------
    noise
        Noise model; measured if ``None``.
    distance
        How far, in pixels and frames, patches are looked for.

    Raises
    ------
    ValueError
        If the distance is below one.

    Notes
    -----
    Gives no variance. Every frame has read frames up to ``distance + 1`` away.

    References
    ----------
    Buades, Coll, Morel (2005), doi:10.1109/CVPR.2005.38.
    """

    noise: Gaussian | PoissonGaussian | None = None
    distance: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        if not isinstance(self.distance, int) or self.distance < 1:
            raise ValueError(f"`distance` must be a whole number of at least 1, got {self.distance!r}.")

    def __call__(self, movie: Movie) -> Movie:
        """The movie denoised.

        Raises
        ------
        ValueError
            For a colour movie.
        """
        from skimage import restoration

        def smooth(x, strength):
            return restoration.denoise_nl_means(
                x, patch_size=3, patch_distance=self.distance, h=strength, sigma=1.0, fast_mode=True
            )

        return _filtered(movie, self.noise, smooth)

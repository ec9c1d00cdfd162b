"""Gamma spots: bright hits on the camera that are no neutrons."""

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import median_filter

from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian


def remove_spots(
    movie: Movie, noise: Gaussian | PoissonGaussian | None = None, *, threshold: float = 5.0, size: int = 5
) -> Movie:
    """Replace pixels that stand out from their surroundings by more than noise can.

    A pixel is a spot if it differs from the median around it by more than ``threshold`` standard deviations; it
    takes that median, and the variance of a median.

    Parameters
    ----------
    movie
        Counts of one channel, two space axes.
    noise
        Noise model; without one the movie's own variance is used, and without that the spread of the
        differences themselves, frame by frame and by level.
    threshold
        In standard deviations; of normal noise, one pixel in two million exceeds five.
    size
        Width of the surroundings in pixels, odd; spots of up to a third of it are seen.

    Raises
    ------
    ValueError
        If the movie has colour or not two space axes, or an option is out of range.

    Notes
    -----
    The median keeps straight edges and rounds corners: details smaller than ``size`` that are brighter than five
    standard deviations pass for spots. Pixels outside the particles are treated like all others.
    """
    if movie.channels_ndim or movie.domain.ndim != 2:
        raise ValueError(f"`remove_spots` needs grey frames of two space axes, got axes {movie.axes}.")
    if not threshold > 0 or size < 3 or size % 2 == 0:
        raise ValueError(f"`threshold` must be positive and `size` odd and at least 3, got {threshold}, {size}.")
    frames = np.array(movie.frames)
    variance = None if movie.variance is None else np.array(jnp.broadcast_to(movie.variance, frames.shape))
    for i, frame in enumerate(frames):
        around = median_filter(np.nan_to_num(frame), size, mode="nearest")
        if noise is not None:
            spread = np.asarray(noise.variance(jnp.asarray(around)))
        elif variance is not None:
            spread = median_filter(variance[i], size, mode="nearest")
        else:
            spread = _measured(frame - around, around)
        spot = ~(np.abs(frame - around) <= threshold * np.sqrt(spread))
        frame[spot] = around[spot]
        if variance is not None:
            # a median of n normal values has π/2 of the variance of their mean
            variance[i][spot] = (np.pi / 2 / size**2) * spread[spot]
    return movie.replace(frames=frames, variance=variance)


def _measured(difference: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Robust variance of the differences, level by level of the surroundings."""
    edges = np.quantile(level, np.linspace(0, 1, 17))
    group = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, 15)
    found = np.zeros(16)
    for g in range(16):
        held = difference[group == g]
        found[g] = (1.4826 * np.median(np.abs(held))) ** 2 if held.size else 0.0
    return np.maximum(found, 1e-12 * max(found.max(), 1e-300))[group]

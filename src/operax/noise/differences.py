"""Second temporal differences of a movie, on which all that is known of its noise is measured.

A signal that is locally straight in time drops out of them, noise that is fresh in every frame does not.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import convolve1d, minimum_filter, uniform_filter

from ..movie import Movie

# Differences beyond this many standard deviations are fronts, drift or spikes rather than noise.
CLIP = 3.0
# Variance of a standard normal cut at +-3: erf(3/√2) - 3 √(2/π) exp(-9/2), over the kept 0.9973.
CLIPPED_VARIANCE = 0.97333
# What moves is smooth over three pixels, white noise is not: a second difference at the variance of one value.
BEND = np.array([-1.0, 2.0, -1.0]) / np.sqrt(6.0)
# Share of the pixels that must lie amid others for their second differences in space to speak for all.
ENOUGH = 0.1


class Differences(NamedTuple):
    """Differences at the variance of one value; zero outside the particles.

    Parameters
    ----------
    values
        Middle frame minus the straight line through its neighbours, scaled; shape ``(time - 2, *space)``.
    level
        Local mean over three frames and three pixels an axis.
    inside
        Particle mask.
    overlap
        Correlation of successive differences that noise fresh in every frame has (−2/3 for regular times).
    """

    values: np.ndarray
    level: np.ndarray
    inside: np.ndarray
    overlap: float


def _blurred(frames, inside):
    """Mean over the pixels inside of 3 pixels an axis around every pixel."""
    share = uniform_filter(inside.astype(float), 3, mode="constant")
    return np.stack([uniform_filter(frame, 3, mode="constant") for frame in frames]) / np.maximum(share, 1e-9)


def differences(movie: Movie) -> Differences:
    """Second differences of a grey movie; irregular times are served.

    The middle frame is compared with the straight line through its neighbours:
    e = w₋ y₋ − y₀ + w₊ y₊ with Var e = (1 + w₋² + w₊²) σ².

    Raises
    ------
    ValueError
        For fewer than three frames or a colour movie.
    """
    if len(movie) < 3:
        raise ValueError(
            f"the noise is measured on second temporal differences, which need at least 3 frames; got "
            f"{len(movie)}. Give the noise yourself, e.g. `Gaussian(std)`."
        )
    y, t = np.asarray(movie.frames, float), np.asarray(movie.times, float)
    after = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    weights = np.stack([1 - after, -np.ones_like(after), after])
    weights /= np.sqrt((weights**2).sum(0))
    inside = movie.domain.inside
    y = np.where(inside, y, 0.0)
    spread = weights.reshape(3, -1, *([1] * movie.domain.ndim))
    values = spread[0] * y[:-2] + spread[1] * y[1:-1] + spread[2] * y[2:]
    # Averaging over 3 pixels an axis keeps noise in the abscissa from flattening the line.
    blurred = _blurred(y, inside)
    level = (blurred[:-2] + blurred[1:-1] + blurred[2:]) / 3
    overlap = (weights[1, :-1] * weights[0, 1:] + weights[2, :-1] * weights[1, 1:]) if len(after) > 1 else 0.0
    return Differences(values, level, inside, float(np.mean(overlap)))


def still(found: Differences) -> Differences:
    """The differences bent along every space axis too, which leaves white noise its variance and little that moves.

    Pixels beside an edge are left out; unless too few are left, then nothing is changed.
    """
    amid = minimum_filter(found.inside, 3, mode="constant")
    if amid.sum() < ENOUGH * found.inside.sum():
        return found
    values = found.values
    for axis in range(1, values.ndim):
        values = convolve1d(values, BEND, axis, mode="constant")
    return found._replace(values=values, inside=amid)


def robust_variance(values: np.ndarray) -> float:
    """Variance of the normal core of ``values``: iterated cut at three standard deviations.

    It starts from the 80 % quantile of the absolute values; the median is often zero for integers of low
    counts. Where that is zero too, counts are so rare that the plain variance is all there is.
    """
    magnitude = np.abs(values - np.median(values))
    variance = (np.quantile(magnitude, 0.8) / 1.2816) ** 2
    if variance == 0:
        return float(np.mean(magnitude**2))
    for _ in range(12):
        core = magnitude[magnitude <= CLIP * np.sqrt(variance)]
        new = float(np.mean(core**2)) / CLIPPED_VARIANCE if core.size else 0.0
        if abs(new - variance) <= 1e-4 * variance:
            return new
        variance = new
    return variance

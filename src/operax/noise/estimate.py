"""Measure the noise of a movie from the movie alone, or from flats."""

import jax.numpy as jnp
import numpy as np

from ..movie import Movie
from .correlation import autocorrelation
from .differences import differences, robust_variance, still
from .models import Gaussian, PoissonGaussian

# A line in variance against mean is believed only beyond this many standard errors...
SIGNIFICANT = 5.0
# ...and only if it changes the variance by this factor between the dark and the bright end.
NOTICEABLE = 1.3
# Successive differences share frames: their squares correlate as ρ², ρ = −2/3, 1/6, so this many count as one.
SHARED = 1.94


def estimate(movie: Movie) -> Gaussian | PoissonGaussian:
    """Measure the noise of a movie from the movie alone.

    Second temporal differences are sorted by the local mean, their robust variance is taken level by level,
    and a straight line is laid through variance against mean. `PoissonGaussian` is returned only when the
    line rises by more than 30 % over the range seen and by five standard errors; otherwise `Gaussian`. Where the
    noise is white, second differences in space are taken of them too, which what moves does not survive.

    Parameters
    ----------
    movie
        A raw movie of at least three frames, at regular or irregular times. Pixels outside the particles are
        ignored. Of a colour movie each channel is measured by itself, and the model holds one number a channel.

    Raises
    ------
    ValueError
        For fewer than three frames, or a movie without any noise to see.

    Notes
    -----
    Do not trust it where the signal bends strongly between three successive frames in most pixels, for frames
    that were averaged, registered by interpolation, or compressed (noise is then correlated and looks too
    small), or for noise whose variance falls with the mean. A line with positive intercept is reported
    with ``offset=0``; one with negative intercept takes the darkest level seen as ``offset`` and the variance
    there as read noise, so that the variance is never extrapolated towards zero.

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian (2008), doi:10.1109/TIP.2008.2001399 (the noise model).
    """
    if movie.channels_ndim:
        grey = [
            estimate(movie.replace(frames=movie.frames[..., i], variance=None)) for i in range(movie.frames.shape[-1])
        ]
        return _stacked(grey)
    found = differences(movie)
    if not robust_variance(found.values[:, found.inside]) > 0:
        raise ValueError(
            "the second temporal differences of this movie are zero, so it shows no noise to measure: frames "
            "are repeated, saturated or computed. Give the noise yourself, e.g. `Gaussian(std)`."
        )
    found = still(found) if autocorrelation(movie).white else found
    values, level = (x[:, found.inside].ravel() for x in (found.values, found.level))
    return _model(values, level, SHARED, movie.frames.dtype)


def flats(movie: Movie) -> Gaussian | PoissonGaussian:
    """Measure the noise from repeated frames of something that does not change: flats, darks, or both joined.

    Each pixel's variance over the frames is held against its mean, and a straight line laid through; nothing
    about the scene is assumed, so that pixels of all brightnesses may lie side by side.

    Parameters
    ----------
    movie
        At least eight frames of a scene that stands still, in the same units as the movie it is for. Drift of
        the lamp is taken off as one number a frame.

    Raises
    ------
    ValueError
        For fewer than eight frames, a colour movie, or frames that are all the same.
    """
    if len(movie) < 8 or movie.channels_ndim:
        raise ValueError(
            f"`flats` needs at least 8 grey frames of one scene, got frames of shape {movie.frames.shape}. "
            "Pass colour channel by channel."
        )
    y = np.asarray(movie.frames, float)[:, movie.domain.inside]
    level = y.mean(0)
    # Lamp drift: one factor a frame, or one offset where the scene is dark.
    y = y - np.outer(y @ level / max(level @ level, 1e-300), level) + level
    if not y.var(0).max() > 0:
        raise ValueError("the frames of `movie` are all the same, so they show no noise; give raw, unaveraged frames.")
    residual = (y - y.mean(0)) * np.sqrt(len(y) / (len(y) - 1))
    return _model(residual.ravel(), np.broadcast_to(level, y.shape).ravel(), 1.0, movie.frames.dtype)


def _model(values, level, shared: float, dtype) -> Gaussian | PoissonGaussian:
    """The simplest noise model for differences of given levels, ``shared`` of which count as one."""
    pooled = robust_variance(values)
    order = np.argsort(level, kind="stable")
    groups = [g for g in np.array_split(order, int(np.clip(values.size // 200, 1, 24))) if g.size]
    mean = np.array([level[g].mean() for g in groups])
    variance = np.array([robust_variance(values[g]) for g in groups])
    count = np.array([g.size for g in groups]) / shared
    line = _line(mean, variance, count) if len(groups) >= 3 else None
    if line is None:
        return Gaussian(jnp.asarray(np.sqrt(pooled), dtype))
    slope, intercept, error = line
    dark, bright = slope * mean[0] + intercept, slope * mean[-1] + intercept
    if slope < SIGNIFICANT * error or bright < NOTICEABLE * max(dark, 0.0):
        return Gaussian(jnp.asarray(np.sqrt(pooled), dtype))
    if intercept >= 0:
        offset, read = 0.0, intercept
    else:
        offset, read = mean[0], max(dark, variance[0], 1e-3 * bright)
    return PoissonGaussian(*(jnp.asarray(v, dtype) for v in (slope, offset, np.sqrt(read))))


def _line(mean, variance, count) -> tuple[float, float, float] | None:
    """Slope, intercept and the slope's standard error of variance against mean, robust and weighted."""
    if np.ptp(mean) <= 1e-9 * np.abs(mean).max():
        return None
    floor = 1e-3 * np.mean(variance)
    centre = mean.mean()
    design = np.stack([mean - centre, np.ones_like(mean)], 1) / np.ptp(mean)
    fitted = np.full_like(variance, np.mean(variance))
    downweight = np.ones_like(variance)
    for _ in range(10):
        error = np.maximum(fitted, floor) * np.sqrt(2 / count)
        w = downweight / error**2
        covariance = np.linalg.pinv(design.T @ (w[:, None] * design))
        solution = covariance @ (design.T @ (w * variance))
        fitted = design @ solution
        z = (variance - fitted) / error
        scale = max(1.0, 1.4826 * float(np.median(np.abs(z))))
        # Huber: a level that fronts sweep through most of the time must not tilt the line.
        downweight = np.minimum(1.0, 1.5 * scale / np.maximum(np.abs(z), 1e-12))
    slope = float(solution[0]) / np.ptp(mean)
    intercept = float(solution[1]) / np.ptp(mean) - slope * centre
    return slope, intercept, float(np.sqrt(covariance[0, 0])) * scale / np.ptp(mean)


def _stacked(models) -> Gaussian | PoissonGaussian:
    """One model with a number for each channel."""
    if all(isinstance(m, Gaussian) for m in models):
        return Gaussian(jnp.stack([m.std for m in models]))
    rows = [
        # A channel without visible counting noise: so little gain that it makes no difference.
        (1e-9 * m.std, jnp.zeros_like(m.std), m.std) if isinstance(m, Gaussian) else (m.gain, m.offset, m.read_std)
        for m in models
    ]
    return PoissonGaussian(*(jnp.stack(column) for column in zip(*rows)))

"""Optical density: how much of the incident flux a pixel absorbs, with the variance of counts and of the flux."""

import os

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian


class Incident(eqx.Module):
    """What an empty pixel counts in each frame.

    Parameters
    ----------
    intensity
        Counts, or any unit that the stack is in.
    variance
        Variance of that mean, not of a single pixel.

    Raises
    ------
    ValueError
        If an intensity is not positive or a variance negative.
    """

    intensity: Float[Array, " frame"] = eqx.field(converter=jnp.asarray)
    variance: Float[Array, " frame"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self):
        if self.intensity.ndim != 1 or self.variance.shape != self.intensity.shape:
            raise ValueError(
                f"`intensity` and `variance` must hold one number a frame, got shapes {self.intensity.shape} and "
                f"{self.variance.shape}."
            )
        if not (np.asarray(self.intensity) > 0).all() or not (np.asarray(self.variance) >= 0).all():
            raise ValueError(
                f"the incident `intensity` must be positive and its `variance` not negative; the smallest are "
                f"{np.min(self.intensity):g} and {np.min(self.variance):g}. Pick a region without sample."
            )


def _grey(movie: Movie, name: str) -> None:
    if movie.channels_ndim:
        raise ValueError(f"`{name}` needs one count a pixel, got a colour movie of shape {movie.frames.shape}.")


def empty_pixels(movie: Movie, *, width: float = 0.5) -> Bool[np.ndarray, "*space"]:
    """Pixels without sample, found in the histogram of the mean picture.

    Empty pixels all transmit the same, so they make the brightest peak of the histogram; those within
    ``width`` of its height on either side are taken.

    Parameters
    ----------
    movie
        Counts.
    width
        Height, relative to the peak, at which it is cut on both sides.

    Raises
    ------
    ValueError
        If the movie has colour or ``width`` is not between 0 and 1.

    Notes
    -----
    Where no pixel is really empty, the thinnest part of the sample is taken for empty, and every density comes
    out too small by that of this part. Look at the mask that is returned.
    """
    _grey(movie, "empty_pixels")
    if not 0 < width < 1:
        raise ValueError(f"`width` must lie between 0 and 1, got {width}.")
    inside = movie.domain.inside
    mean = np.asarray(movie.frames).mean(0)
    # a bin holds about a hundred pixels if all are alike; quantiles keep hot pixels out of the span
    low, high = np.quantile(mean[inside], [0.001, 0.999])
    bins = int(np.clip(inside.sum() / 100, 8, 64))
    counts, edges = np.histogram(mean[inside], bins, (low, high))
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], "same")
    # the brightest local maximum that is more than a few stray pixels
    rising = np.r_[True, np.diff(smooth) > 0] & np.r_[np.diff(smooth) <= 0, True]
    peak = int(np.flatnonzero(rising & (smooth > 0.1 * smooth.max()))[-1])
    below = smooth < width * smooth[peak]
    first = peak - int(np.argmax(below[peak::-1])) + 1 if below[peak::-1].any() else 0
    return inside & (mean >= edges[first])


def incident(movie: Movie, region: Bool[np.ndarray, "*space"]) -> Incident:
    """The incident flux in each frame, as the mean over an empty region.

    Parameters
    ----------
    movie
        Counts.
    region
        Pixels without sample: drawn by hand, or from `empty_pixels`.

    Raises
    ------
    ValueError
        If the region does not fit or has fewer than two rows.

    Notes
    -----
    The variance is that of the mean of the region's rows, from their scatter: noise that is correlated along a
    row, as a scanned beam leaves it, does not make it too small.
    """
    _grey(movie, "incident")
    mask = np.asarray(region, bool)
    if mask.shape != movie.domain.shape:
        raise ValueError(f"`region` must have the movie's shape {movie.domain.shape}, got {mask.shape}.")
    rows = mask.reshape(len(mask), -1)
    weight = rows.sum(1).astype(float)
    if (weight > 0).sum() < 2:
        raise ValueError("`region` must reach over at least two rows, or the flux has no measure of its own error.")
    counts = np.where(rows, np.asarray(movie.frames, float).reshape(len(movie), *rows.shape), 0).sum(2)
    total = weight.sum()
    mean = counts.sum(1) / total
    # scatter of row sums around the common mean, with the loss of one degree of freedom
    scatter = ((counts - mean[:, None] * weight) ** 2).sum(1) / total**2
    used = (weight > 0).sum()
    dtype = movie.frames.dtype
    return Incident(jnp.asarray(mean, dtype), jnp.asarray(scatter * used / (used - 1), dtype))


def read_incident(path: str | os.PathLike, movie: Movie, *, std: float = 0.0) -> Incident:
    """The incident flux from a file of two columns, energy and flux, at the energies of a stack.

    Parameters
    ----------
    path
        Text; lines that begin with # are skipped.
    movie
        Energy stack.
    std
        Relative standard deviation of the flux.

    Raises
    ------
    ValueError
        If the file is no such table or does not reach over the stack's energies.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: is no table of numbers ({error}).") from error
    energies = np.asarray(movie.times, float)
    values = interpolated(path, table, energies)
    dtype = movie.frames.dtype
    return Incident(jnp.asarray(values, dtype), jnp.asarray((std * values) ** 2, dtype))


def interpolated(path, table: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """The second column of a table at the given energies; never extrapolated."""
    if table.ndim != 2 or table.shape[1] < 2 or len(table) < 2:
        raise ValueError(f"{os.fspath(path)}: must have two columns, energy and value; got shape {table.shape}.")
    order = np.argsort(table[:, 0])
    known, values = table[order, 0], table[order, 1]
    slack = 1e-3 * (known[-1] - known[0])
    if energies.min() < known[0] - slack or energies.max() > known[-1] + slack:
        raise ValueError(
            f"{os.fspath(path)}: covers {known[0]:g} to {known[-1]:g}, the stack needs {energies.min():g} to "
            f"{energies.max():g}; crop the stack to these energies."
        )
    return np.interp(energies, known, values)


def optical_density(movie: Movie, flux: Incident, noise: Gaussian | PoissonGaussian | None = None) -> Movie:
    """Optical density −ln(I / I₀) with its variance, Var(I)/I² + Var(I₀)/I₀².

    Parameters
    ----------
    movie
        Counts I, positive inside the particles.
    flux
        Incident flux I₀, from `incident` or `read_incident`.
    noise
        Noise model of the counts, used where the movie states no variance. Without either the result has no
        variance.

    Raises
    ------
    ValueError
        If counts are not positive, or flux and movie have different numbers of frames.

    Notes
    -----
    The logarithm of a noisy count is biased upwards by half its relative variance: 0.5 % of an optical density of
    one at 100 counts, more where a dark offset was not subtracted. Denoise the counts and not the densities
    where they are lower. The error of I₀ is common to all pixels of a frame.
    """
    _grey(movie, "optical_density")
    if flux.intensity.shape != (len(movie),):
        raise ValueError(f"`flux` must have one value for each of {len(movie)} frames, got {flux.intensity.shape[0]}.")
    inside = jnp.asarray(movie.domain.inside)
    dark = int(np.asarray((movie.frames <= 0) & inside).sum())
    if dark:
        raise ValueError(
            f"the logarithm needs positive counts; {dark} values are zero or negative. Mask these pixels, average "
            "frames, or denoise the counts first."
        )
    over_space = (slice(None), *(None,) * movie.domain.ndim)
    counts = jnp.where(inside, movie.frames, 1.0)
    level = flux.intensity[over_space]
    frames = jnp.where(inside, jnp.log(level / counts), 0.0)
    variance = movie.variance
    if variance is None and noise is not None:
        variance = noise.variance(counts)
    if variance is not None:
        variance = variance / counts**2 + flux.variance[over_space] / level**2
        variance = jnp.where(inside, variance, 0.0)
    return movie.replace(frames=frames, variance=variance, units=(*movie.units[:2], "optical density"))

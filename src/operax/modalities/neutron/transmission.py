"""Transmission: counts behind the sample over counts of the open beam, with dark, dose and scatter corrected."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.ndimage import label

from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian


def _averaged(movie: Movie | None, noise, like: Movie, name: str):
    """Mean frame and its variance; zero where there is no movie."""
    if movie is None:
        zero = jnp.zeros(like.domain.shape, like.frames.dtype)
        return zero, zero
    _same_view(movie, like, name)
    variance = _variance(movie, noise)
    return movie.frames.mean(0), None if variance is None else variance.mean(0) / len(movie)


def _variance(movie: Movie, noise) -> Array | None:
    if movie.variance is not None:
        return jnp.broadcast_to(movie.variance, movie.frames.shape)
    return None if noise is None else noise.variance(movie.frames)


def _same_view(movie: Movie, like: Movie, name: str) -> None:
    if movie.domain.shape != like.domain.shape or movie.channels_ndim:
        raise ValueError(
            f"`{name}` must show the same pixels as the sample, {like.domain.shape}, one count a pixel; got "
            f"{movie.frames.shape[1:]}."
        )


def transmission(
    sample: Movie,
    open_beam: Movie,
    dark: Movie | None = None,
    *,
    empty: Bool[np.ndarray, "*space"] | None = None,
    noise: Gaussian | PoissonGaussian | None = None,
    scatter: Float[Array, "*space"] | float = 0.0,
    open_scatter: Float[Array, "*space"] | float = 0.0,
) -> Movie:
    """Transmission T = f (S − D − s) / (O − D − o) of every frame, with its variance.

    f makes the mean over the empty region one: it corrects for the dose, which varies from frame to frame.

    Parameters
    ----------
    sample, open_beam, dark
        Counts S behind the sample, O of the open beam, D without beam; the last two are averaged over their
        frames. Without a dark movie D is zero.
    empty
        Pixels that the sample never covers; ``None`` takes the doses as equal, f = 1.
    noise
        Noise model of the counts, for movies that state no variance. Without either the result has none.
    scatter, open_scatter
        Scattered counts s and o, from `scattered`.

    Raises
    ------
    ValueError
        If views differ, the open beam is not brighter than dark and scatter in a pixel inside, or the empty
        region is no mask of a part of the view.

    Notes
    -----
    The dark frame is common to both counts, and its noise enters as such: Var T = T² [Var S / (S−D−s)² +
    Var O / (O−D−o)² + Var D (1/(S−D−s) − 1/(O−D−o))²] plus the variance of f. Open beam and dark are common to
    all frames, so errors of different frames are correlated by them; take many frames of both. Where a sample
    lets nearly nothing through, T may be negative by noise: it is not clipped.

    References
    ----------
    Boillat et al. (2018), doi:10.1364/OE.26.015769 (scatter by black bodies).
    """
    if sample.channels_ndim:
        raise ValueError(f"`transmission` needs one count a pixel, got a colour movie of shape {sample.frames.shape}.")
    mean_open, var_open = _averaged(open_beam, noise, sample, "open_beam")
    mean_dark, var_dark = _averaged(dark, noise, sample, "dark")
    var_sample = _variance(sample, noise)
    inside = jnp.asarray(sample.domain.inside)
    beam = mean_open - mean_dark - open_scatter
    faint = int(np.asarray((beam <= 0) & inside).sum())
    if faint:
        raise ValueError(
            f"the open beam must be brighter than dark and scatter; it is not in {faint} pixels. Remove spots of the "
            "dark frames, mask dead pixels, or crop to the beam."
        )
    beam = jnp.where(inside, beam, 1.0)
    signal = jnp.where(inside, sample.frames - mean_dark - scatter, 0.0)
    dose, spread = _dose(signal, beam, var_sample, var_open, empty, sample)
    over_space = (slice(None), *(None,) * sample.domain.ndim)
    frames = dose[over_space] * signal / beam
    variance = None
    if var_sample is not None and var_open is not None and var_dark is not None:
        factor = dose[over_space] / beam
        # T² (1/S − 1/O)² without dividing by a signal that may be zero
        common = (factor * (1 - signal / beam)) ** 2 * var_dark
        variance = factor**2 * var_sample + (frames / beam) ** 2 * var_open + common
        variance = jnp.where(inside, variance + frames**2 * spread[over_space], 0.0)
    return sample.replace(frames=frames, variance=variance, units=(*sample.units[:2], "transmission"))


def _dose(signal, beam, var_signal, var_beam, empty, sample: Movie):
    """Dose factor of each frame, and its relative variance."""
    if empty is None:
        return jnp.ones(len(sample), signal.dtype), jnp.zeros(len(sample), signal.dtype)
    mask = np.asarray(empty, bool)
    if mask.shape != sample.domain.shape or not (mask & sample.domain.inside).any():
        raise ValueError(f"`empty` must mark pixels of the view {sample.domain.shape}, got shape {mask.shape}.")
    here = jnp.asarray(mask & sample.domain.inside)
    bright, through = signal[:, here].mean(1), beam[here].mean()
    if not (np.asarray(bright) > 0).all():
        raise ValueError("the `empty` region is dark in some frame; pick one that the sample never covers.")
    spread = jnp.zeros_like(bright)
    if var_signal is not None and var_beam is not None:
        count = here.sum()
        spread = var_signal[:, here].mean(1) / count / bright**2 + var_beam[here].mean() / count / through**2
    return through / bright, spread


def scattered(
    movie: Movie, dark: Movie | None, black: Bool[np.ndarray, "row column"], *, degree: int = 2
) -> Float[Array, "row column"]:
    """Scattered counts all over the view, from what arrives behind black bodies.

    Black bodies stop the direct beam, so what is counted behind them was scattered. A polynomial in row and
    column is laid through these pixels.

    Parameters
    ----------
    movie
        Counts with black bodies in the beam, with or without the sample; averaged over frames.
    dark
        Counts without beam.
    black
        Pixels behind black bodies, well inside their shadows.
    degree
        Total degree of the polynomial.

    Raises
    ------
    ValueError
        If views differ, or the black pixels are too few for the polynomial.

    Notes
    -----
    Scatter is smooth only far from the sample's edges; between few black bodies the polynomial is a guess. The
    median of blocks of pixels is fitted, so single spots do no harm. Black bodies let about a percent through.
    """
    _same_view(movie, movie, "movie")
    mask = np.asarray(black, bool)
    if mask.shape != movie.domain.shape or movie.domain.ndim != 2:
        raise ValueError(f"`black` must be a mask of the view {movie.domain.shape}, got shape {mask.shape}.")
    counts = np.asarray(movie.frames.mean(0) - _averaged(dark, None, movie, "dark")[0], float)

    bodies, count = label(mask)
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    if count < len(powers):
        raise ValueError(
            f"a polynomial of degree {degree} needs {len(powers)} black bodies, `black` shows {count}; lower `degree`."
        )
    rows, columns = (np.linspace(-1, 1, n) for n in mask.shape)
    places = [np.nonzero(bodies == i + 1) for i in range(count)]
    middle = np.array([[rows[r].mean(), columns[c].mean()] for r, c in places])
    level = np.array([np.median(counts[place]) for place in places])
    terms = np.stack([middle[:, 0] ** i * middle[:, 1] ** j for i, j in powers], 1)
    solution = np.linalg.lstsq(terms, level, rcond=None)[0]
    field = sum(a * np.outer(rows**i, columns**j) for a, (i, j) in zip(solution, powers))
    return jnp.asarray(field, movie.frames.dtype)

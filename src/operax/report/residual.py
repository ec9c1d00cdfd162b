"""Measured minus predicted in units of the noise, and whether anything is left in it."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..inference import Fit, Problem
from ..metrics import whiteness
from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian


def matching(predicted: Movie, measured: Movie) -> np.ndarray:
    """Number of the measured frame that belongs to each predicted frame, matched by time.

    Raises
    ------
    ValueError
        If the domains differ, a movie is in colour, or a predicted time was not measured.
    """
    if predicted.domain != measured.domain or predicted.channels_ndim or measured.channels_ndim:
        raise ValueError(
            f"`predicted` and `measured` must be grey movies on one domain, got frames of shape "
            f"{predicted.frames.shape} on {predicted.domain} and {measured.frames.shape} on "
            f"{measured.domain}."
        )
    wanted, given = np.asarray(predicted.times, float), np.asarray(measured.times, float)
    nearest = np.abs(given[None] - wanted[:, None]).argmin(1)
    close = 1e-3 * (np.diff(given).min() if given.size > 1 else 1.0)
    off = np.abs(given[nearest] - wanted) > close
    if off.any():
        raise ValueError(
            f"every predicted frame needs a measured one at its time; none was measured at {wanted[off][0]:g}."
        )
    return nearest


def standardised(
    predicted: Movie, measured: Movie, noise: Gaussian | PoissonGaussian | None = None
) -> Float[np.ndarray, "time *space"]:
    """Measured minus predicted over the standard deviation of the noise, for every predicted frame.

    Parameters
    ----------
    predicted, measured
        Movies on one domain; every predicted time must be a measured one.
    noise
        Noise model, taken at the predicted values; ``None`` takes the variance of ``measured``. An infinite
        variance marks a value that does not count.

    Returns
    -------
    array
        NaN outside the particles and where a value does not count.

    Raises
    ------
    ValueError
        If the movies do not match, or no positive variance is known.
    """
    at = matching(predicted, measured)
    inside = predicted.domain.inside
    if noise is not None:
        variance = noise.variance(jnp.where(jnp.asarray(inside), predicted.frames, 0))
    elif measured.variance is not None:
        variance = jnp.broadcast_to(measured.variance, measured.frames.shape)[at]
    else:
        raise ValueError("the noise of `measured` is not known: give `noise`, or a movie with `variance`.")
    sigma2 = np.asarray(variance, float)
    if not (sigma2[:, inside] > 0).all():
        raise ValueError("the noise variance must be positive at every pixel inside the particles.")
    counts = inside & np.isfinite(sigma2)
    difference = np.asarray(measured.frames, float)[at] - np.asarray(predicted.frames, float)
    return np.where(counts, difference / np.sqrt(np.where(counts, sigma2, 1)), np.nan)


def judged(problem: Problem) -> Movie:
    """The data of a problem with the variance it was judged by; infinite where a value did not count."""
    weights = problem.weights
    scored = weights > 0
    return problem.data.replace(variance=jnp.where(scored, 1 / jnp.where(scored, weights, 1), jnp.inf))


@dataclass(frozen=True)
class Verdict:
    """A judgement in words; ``passed`` is ``None`` where nothing could be judged."""

    words: str
    passed: bool | None


def white(z: Float[np.ndarray, "time *space"]) -> Verdict:
    """Whether a standardised residual, NaN where it does not count, looks like independent noise."""
    frames = np.isfinite(z).any(tuple(range(1, z.ndim)))
    kept = z[frames]
    inside = np.isfinite(kept).all(0)
    if not (frames.any() and inside.any()):
        return Verdict("not judged: no pixel counts in every frame", None)
    try:
        found = whiteness(np.where(inside, kept, 0), inside)
    except ValueError as error:
        return Verdict(f"not judged: {error}", None)
    return Verdict(found.verdict, found.white)


def correlations(
    z: Float[np.ndarray, "time *space"], reach: int = 8
) -> list[tuple[Int[np.ndarray, " lag"], Float[np.ndarray, " lag"], Int[np.ndarray, " lag"]]]:
    """Correlation of a residual with itself along every axis: lags, correlations, numbers of pairs.

    NaN marks what does not count; lags with fewer than twenty pairs are left out.
    """
    known = np.isfinite(z)
    r = np.where(known, z - z[known].mean(), 0) if known.any() else np.zeros_like(z)
    power = (r[known] ** 2).mean() if known.any() else 1.0
    found = []
    for axis in range(z.ndim):
        r_, known_ = np.moveaxis(r, axis, 0), np.moveaxis(known, axis, 0)
        lags = np.arange(1, min(reach, len(r_) - 1) + 1)
        pairs = np.array([(known_[n:] & known_[:-n]).sum() for n in lags], int)
        rho = np.array([(r_[n:] * r_[:-n]).sum() for n in lags], float) / np.maximum(pairs, 1) / (power or 1.0)
        kept = pairs >= 20
        found.append((lags[kept], rho[kept], pairs[kept]))
    return found


def misfit(fit: Fit, problem: Problem) -> tuple[float, float]:
    """χ² per degree of freedom, values scored less numbers fixed, and its expected scatter around one.

    Raises
    ------
    ValueError
        If the fit has as many unknowns as values.
    """
    free = problem.scored - fit.normal.informed()
    if not free >= 1:
        raise ValueError(
            f"{problem.scored} values were scored but {problem.scored - free:.0f} numbers were fitted, so "
            "the misfit "
            "says nothing; take longer windows or fewer start modes."
        )
    return float(fit.chi2) * problem.scored / free, float(np.sqrt(2 / free))

"""Mean squared error of a blind prediction, from the spectrum of its residual."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.fft import dctn

from ..movie import Movie
from ..noise import Correlation
from .denoiser import channels, with_channels
from .share import CHECKED, PROBE, TOLD, VALUES, alike, spectrum

# What is known of the noise variance, together with what a network has learnt of it by heart, relative to it.
LEVEL = 0.02
# Frames from which on slow waves are told from fast ones.
FEWEST = 8


def blind_risk(denoiser, raw: Movie, blind: Movie, noise, correlation: Correlation) -> float:
    """Mean squared error of a blind prediction, in squared units of the movie, estimated without the truth.

    Two estimates are weighed by how well each is known: mean[(y − μ)² − σ²], which is good where there is little noise,
    and that of `spectral`, which needs no noise level.

    Parameters
    ----------
    denoiser
        What made ``blind``; it is asked once more, with noise added.
    raw, blind
        The noisy movie and its blind prediction.
    noise, correlation
        The noise model and how noise is correlated.
    """
    inside, known = raw.domain.inside, jnp.where(jnp.asarray(raw.domain.inside)[..., None], channels(blind), 0)
    sigma2 = np.asarray(with_channels(noise, raw).variance(known), float) * inside[..., None]
    residual = np.where(inside[..., None], np.asarray(channels(raw), float) - np.asarray(known, float), 0)
    counted = inside.sum() * residual.shape[-1]
    variance, values = sigma2.sum() / (len(raw) * counted), len(raw) * counted
    plain = float((residual**2).sum() / values - variance)
    if len(raw) < FEWEST or variance == 0:
        return plain
    # The middle of a long movie, and before and after it all that it is predicted from.
    margin = max(map(abs, denoiser.network.reads))
    count = min(len(raw), max(CHECKED, VALUES // inside.size))
    first = (len(raw) - count) // 2
    low, high = max(0, first - margin), min(len(raw), first + count + margin)
    part, within = raw[low:high], slice(first - low, first - low + count)
    made = alike(spectrum(part, correlation), sigma2[low:high], key=jax.random.key(0))
    louder = part.frames + jnp.asarray((PROBE * made).reshape(part.frames.shape), part.frames.dtype)
    change = channels(denoiser.blind(part.replace(frames=louder))) - channels(blind[low:high])
    answer = np.where(inside[..., None], np.asarray(change, float) / PROBE, 0)
    smooth = told(residual[first : first + count], made[within], answer[within]) / (count * counted)
    # The noise level may be worse known than most; then both differ.
    unsure = np.hypot(LEVEL * variance, plain - smooth), TOLD * max(smooth, 1e-300)
    return float(np.average((plain, smooth), weights=1 / np.square(unsure)))


def told(*parts: Float[np.ndarray, "time row column channel"]) -> float:
    """The sum of squared errors that `spectral` tells, over all channels."""
    return sum(spectral(*(part[..., k] for part in parts)) for k in range(parts[0].shape[-1]))


def spectral(
    residual: Float[np.ndarray, "time row column"],
    made: Float[np.ndarray, "time row column"],
    answer: Float[np.ndarray, "time row column"],
) -> float:
    """Sum of squared errors of a prediction whose residual is noise that is fresh in every frame, plus that error.

    The error e = μ − x is slow and smooth, the noise n of a frame is neither. In octaves of spatial and of temporal
    frequency the power of the residual is that of n − e: N + E[e²] − 2 E[n e]. The noise N is read off the fastest
    half of all waves in time, E[n e] off the prediction's ``answer`` to noise ``made`` that was added. So much of the
    error as is noise of other pixels is the power of that answer, wherever it is; the rest, what the prediction has
    smoothed away, is taken to be as large as the residual shows it where it can be seen.

    Parameters
    ----------
    residual
        y − μ, zero outside.
    made, answer
        Noise of about the same spectrum, and the change of μ per unit of it.

    References
    ----------
    Risk by added noise: Ramani, Blu, Unser (2008), doi:10.1109/TIP.2008.2001404.
    """
    count, *shape = residual.shape
    seen, put, came = (dctn(x, norm="ortho") for x in (residual, made, answer))
    frequency = np.hypot(*(waves / n for waves, n in zip(np.ogrid[tuple(map(slice, shape))], shape)))
    bands = np.floor(np.log2(np.maximum(frequency, 2.0**-5)))
    half = count // 2
    edges = [0, *(2**k for k in range(half.bit_length()) if 2**k < half), half, count]
    total = 0.0
    for band in np.unique(bands):
        inside = bands == band
        powers = [x[:, inside] for x in (seen**2, put * came, came**2, put**2)]
        # Rows of blocks: power of the residual, and answers to noise of unit power, a wave.
        blocks = [[part[first:last].mean() for part in powers] for first, last in pairwise(edges)]
        power, product, square, added = np.array(blocks).T
        aligned, passed = product / added, square / added
        noise = power[-1] / max(1 - 2 * aligned[-1] + passed[-1], 0.1)
        waves = np.diff(edges) * inside.sum()
        varied = noise * passed * waves
        shown = (power - noise * (1 - 2 * aligned)) * waves
        unsure = noise * np.sqrt(2 * waves * (1 + waves / waves[-1]))
        told = (varied / unsure)[:-1] ** 2
        # How much larger than its noise the error is in this band; as large where nothing is known of it.
        larger = max((np.sum((shown * varied / unsure**2)[:-1]) + 1) / (told.sum() + 1), 0.5)
        expected = larger * varied[:-1]
        total += np.sum(expected + told / (1 + told) * (shown[:-1] - expected)) + varied[-1]
    return float(total)

"""How much of a filtered movie goes into the result of a trained network, decided on the movie itself."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from .. import noise as noises
from ..movie import Movie
from .assess import calibrated
from .choose import unpredictable
from .denoiser import Denoiser, blind_moments, channels, finished, missed, noise_level, put_back, there, with_channels
from .patches import held_out
from .share import PROBE, Gain, alike, bolder, measure, restored, spectrum

# At most this many frames are looked at.
CHECKED = 32
# What may be paid for less bias, as a share of the mean squared error: what is shrunk a little less than is best for
# the error loses much bias for a small price, which grows with the square of the departure.
PRICE = 0.03


def decide(denoiser: Denoiser, movie: Movie, *, key: Key[Array, ""]) -> tuple[Gain, tuple[str, ...]]:
    """How much of the filtered movie goes into the result; reasons if none may."""
    # The middle of a long movie, and so much before and after it that what is judged is estimated as in the movie.
    margin = max(map(abs, denoiser.network.reads))
    count = min(len(movie), max(CHECKED, 2 * margin + 2) + 2 * margin)
    first = (len(movie) - count) // 2
    shown, when = movie[first : first + count], np.arange(count)
    judged = ((when >= margin) | (first == 0)) & ((when < count - margin) | (first + count == len(movie)))
    correlation = noises.autocorrelation(shown)
    mean, variance = blind_moments(denoiser, shown)
    blind = finished(denoiser, shown, mean, variance, denoiser.network.reads)
    reasons = unpredictable(correlation, denoiser.network) or calibrated(blind, shown, denoiser.noise)
    if reasons:
        return denoiser.gain, reasons
    found = spectrum(shown, correlation)
    denoiser = eqx.tree_at(lambda d: d.gain.spectrum, denoiser, jnp.asarray(found, mean.dtype))
    model, inside, observed = with_channels(denoiser.noise, shown), jnp.asarray(shown.domain.inside), channels(shown)
    sigma2 = noise_level(denoiser, model, jnp.where(inside[..., None], mean, 0))
    shape = (mean.shape[-1], *mean.shape[:-1])
    made = np.moveaxis(alike(found, shape, key=key), 0, -1) * np.sqrt(sigma2)
    louder = observed + (PROBE * denoiser.scale * made).astype(observed.dtype)
    kept, more = (put_back(denoiser, model, y, inside) for y in (observed, louder))
    known = there(denoiser.network, count)
    used = np.broadcast_to(inside[..., None] & (judged & known)[:, None, None, None], mean.shape)
    seen = (observed - denoiser.centre) / denoiser.scale
    frame, row, column = np.ogrid[tuple(map(slice, mean.shape[:3]))]
    held = np.broadcast_to(held_out(first + frame, row, column)[..., None], mean.shape)
    gain = measure(mean, variance, seen, sigma2, used, held, kept, made, (more - kept) / PROBE, found)

    def completed(y, kept, blind):
        """Mean, variance, and what is found in the residual."""
        # Those of the noise as it was: only the answer to the noise that was added is asked for.
        mean, variance = blind
        best, doubt = restored(gain, mean, variance, sigma2, kept, known.reshape(-1, 1, 1, 1))
        return best, doubt, missed(denoiser, model, y, best, inside)

    best, doubt, rest = completed(observed, kept, (mean, variance))
    shifted = blind_moments(denoiser, shown.replace(frames=louder.reshape(shown.frames.shape)))
    after = completed(louder, more, (shifted[0], variance))
    parts = seen - best, doubt, rest, made, (after[2] - rest) / PROBE
    return bolder(gain, *(np.asarray(part, float)[used] for part in parts), price=PRICE), ()

"""How much of a filtered movie goes into the result of a trained network, decided on the movie itself."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from .. import noise as noises
from ..movie import Movie
from .assess import CALIBRATED, calibrated, standardised
from .choose import unpredictable
from .denoiser import Denoiser, blind_moments, channels, missed, noise_level, put_back, there, with_channels
from .patches import held_out
from .share import CHECKED, PROBE, VALUES, Gain, alike, bolder, given_back, measure, restored, spectrum

# What may be paid for less bias, as a share of the mean squared error: what is shrunk a little less than is best for
# the error loses much bias for a small price, which grows with the square of the departure. As many times more where
# noise is correlated as there are values for one that is independent: there more is shrunk.
PRICE = 0.03


def decide(denoiser: Denoiser, movie: Movie, *, key: Key[Array, ""]) -> tuple[Gain, bool, tuple[str, ...]]:
    """How much of the filtered movie goes into the result, whether any may, and what speaks against the result."""
    # The middle of a long movie, and so much before and after it that what is judged is estimated as in the movie.
    margin = max(map(abs, denoiser.network.reads))
    enough = max(CHECKED, VALUES // movie.domain.inside.size, 2 * margin + 2)
    count = min(len(movie), enough + 2 * margin)
    first = (len(movie) - count) // 2
    shown, when = movie[first : first + count], np.arange(count)
    judged = ((when >= margin) | (first == 0)) & ((when < count - margin) | (first + count == len(movie)))
    correlation = noises.autocorrelation(shown)
    mean, variance = blind_moments(denoiser, shown)
    reasons = unpredictable(correlation, denoiser.network)
    if reasons:
        return denoiser.gain, False, reasons
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
    # Judged with the spreads that residuals show: what is still off is the noise model, or follows something else.
    blind = eqx.tree_at(lambda d: d.gain, denoiser, gain).blind(shown)
    reasons = calibrated(blind, shown, denoiser.noise)
    if standardised(blind, shown, denoiser.noise).variance < CALIBRATED[0]:
        # No prediction comes closer than the noise: there is less of it, and filters would take the signal for it.
        return denoiser.gain, False, reasons

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
    price = PRICE * float((np.asarray(correlation.space) ** 2).sum())
    gain = bolder(gain, *(np.asarray(part, float)[used] for part in parts), price=price)
    left = np.mean(np.asarray(seen - given_back(gain, best, rest), float), (0, 1, 2), where=used)
    return eqx.tree_at(lambda g: g.offset, gain, jnp.asarray(left, gain.offset.dtype)), True, reasons

"""How much of a filtered movie goes into the result of a trained network, decided on the movie itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from .. import noise as noises
from ..movie import Movie
from .assess import CALIBRATED, calibrated, standardised
from .choose import unpredictable
from .cosines import SIZE
from .denoiser import Denoiser, blind_moments, channels, missed, noise_level, normalised, put_back, there, with_channels
from .patches import held_out
from .risk import FEWEST, told
from .share import CHECKED, PROBE, VALUES, Gain, alike, bolder, given_back, measure, restored, spectrum

# What may be paid for less bias, as a share of the mean squared error: what is shrunk a little less than is best for
# the error loses much bias for a small price, which grows with the square of the departure. As many times more where
# noise is correlated as there are values for one that is independent: there more is shrunk.
PRICE = 0.05
# Pixels along an axis that are looked at of large pictures.
SIDE = 256


def decide(denoiser: Denoiser, movie: Movie, *, key: Key[Array, ""]) -> tuple[Gain, bool, tuple[str, ...]]:
    """How much of the filtered movie goes into the result, whether any may, and what speaks against the result."""
    denoiser, shown, judged, corner = _sample(denoiser, movie)
    count = len(shown)
    correlation = noises.autocorrelation(shown)
    mean, variance = blind_moments(denoiser, shown)
    reasons = unpredictable(correlation, denoiser.network)
    if reasons:
        return denoiser.gain, False, reasons
    found = spectrum(shown, correlation)
    denoiser = eqx.tree_at(lambda d: d.gain.spectrum, denoiser, jnp.asarray(found, mean.dtype))
    model, inside, observed = with_channels(denoiser.noise, shown), jnp.asarray(shown.domain.inside), channels(shown)
    sigma2 = noise_level(denoiser, model, jnp.where(inside[..., None], mean, 0))
    made = alike(found, np.asarray(sigma2), key=key)
    louder = observed + (PROBE * denoiser.scale * made).astype(observed.dtype)
    kept, more = (put_back(denoiser, model, y, inside) for y in (observed, louder))
    known = there(denoiser.network, count)
    used = np.broadcast_to(inside[..., None] & (judged & known)[:, None, None, None], mean.shape)
    seen = normalised(denoiser, observed)
    frame, row, column = np.ogrid[tuple(map(slice, mean.shape[:3]))]
    held = np.broadcast_to(held_out(corner[0] + frame, corner[1] + row, corner[2] + column)[..., None], mean.shape)
    shifted = blind_moments(denoiser, shown.replace(frames=louder.reshape(shown.frames.shape)))
    risk = _risk(used, judged & known, seen - mean, made, (shifted[0] - mean) / PROBE)
    gain = measure(mean, variance, seen, sigma2, used, held, kept, made, (more - kept) / PROBE, found, risk)
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
    after = completed(louder, more, (shifted[0], variance))
    parts = seen - best, doubt, rest, made, (after[2] - rest) / PROBE
    price = PRICE * float((np.asarray(correlation.space) ** 2).sum())
    gain = bolder(gain, *(np.asarray(part, float)[used] for part in parts), price=price)
    left = np.mean(np.asarray(seen - given_back(gain, best, rest), float), (0, 1, 2), where=used)
    return eqx.tree_at(lambda g: g.offset, gain, jnp.asarray(left, gain.offset.dtype)), True, reasons


def _risk(used, frames, *parts) -> float | None:
    """Mean squared error of the blind prediction from its residual, noise added, and its answer."""
    if frames.sum() < FEWEST or not used.any():
        return None
    return told(*(np.where(used, np.asarray(part, float), 0)[frames] for part in parts)) / used.sum()


def _sample(denoiser: Denoiser, movie: Movie) -> tuple[Denoiser, Movie, np.ndarray, tuple[int, ...]]:
    """A denoiser for the middle of a movie and the fullest part of pictures; that part, frames that count, corner."""
    corner = _fullest(movie.domain.inside)
    window = tuple(slice(low, low + SIDE) for low in corner)
    local = jax.tree.map(lambda leaf: leaf[window] if leaf.ndim > 1 else leaf, denoiser.noise)
    # So many frames before and after that what is judged is estimated as in the movie.
    margin = max(map(abs, denoiser.network.reads))
    enough = max(CHECKED, VALUES // movie.domain.inside[window].size, 2 * margin + 2)
    count = min(len(movie), enough + 2 * margin)
    first, when = (len(movie) - count) // 2, np.arange(count)
    judged = ((when >= margin) | (first == 0)) & ((when < count - margin) | (first + count == len(movie)))
    shown = movie[first : first + count].crop(*window)
    return eqx.tree_at(lambda d: d.noise, denoiser, local), shown, judged, (first, *corner)


def _fullest(inside) -> tuple[int, ...]:
    """First row and column of the window that holds most of the pixels inside; of several, the middle one."""
    spare = [max(n - SIDE, 0) for n in inside.shape]
    # Where networks pool and blocks begin, so that they lie in the window as they lie in the picture.
    low = np.stack(np.meshgrid(*(np.arange(0, n + 1, SIZE) for n in spare), indexing="ij"), -1).reshape(-1, 2)
    high = np.minimum(low + SIDE, inside.shape)
    total = np.pad(inside.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    held = total[*high.T] - total[low[:, 0], high[:, 1]] - total[high[:, 0], low[:, 1]] + total[*low.T]
    away = np.abs(2 * low - spare).sum(1)
    return tuple(int(n) for n in low[np.lexsort((away, -held))[0]])

"""How much of a filtered movie goes into a blind prediction: as much as makes the unbiased risk least."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..movie import Movie
from ..noise import Correlation
from ..noise.differences import differences, robust_variance
from .cosines import SIZE, cosines

# Pixels are sorted into classes of alike predicted spread, and of alike value: at most this many, of at least so many
# pixels.
CLASSES, MEMBERS = 12, 4000
# Relative difference from which ratios make classes of their own.
ALIKE = 0.01
# Frames and values that are looked at: of a small movie more frames, because noise and signal may change on the way.
CHECKED, VALUES = 32, 2_000_000
# Noise added to see how much of it comes through, over the noise that is there.
PROBE = 0.1
# What is known of a mean predicted variance, and of a noise variance, relative to it.
SPREAD, LEVEL = 0.3, 0.005
# What is known of a mean squared error told by spectra, relative to it.
TOLD = 0.12
# No predicted variance is made smaller than this share of it.
LEAST = 0.02
# Cuts into blocks by which correlated noise is made, and rounds until its spectrum, or a table, is right.
CORNERS = tuple((i, j) for i in range(0, SIZE, 4) for j in range(0, SIZE, 4))
ROUNDS = 4


class Gain(eqx.Module):
    """What is put back of a filtered movie, for each class of predicted spread.

    Parameters
    ----------
    ratios
        Predicted over noise variance in the middle of each class.
    share
        Weight of the filtered value, zero to one; the rest is that of the blind prediction.
    doubt
        Variance of the result over the predicted one.
    spread
        Variance of the blind prediction over the predicted one, as residuals show it.
    levels, height
        Blind prediction in the middle of each class of its own, and what its variance is over the above there.
    spectrum
        Power of the noise in each cosine of a block, over its mean; ones where noise is white.
    again
        Weight of what blocks find in the residual, zero to one.
    offset
        Mean of what is left of the residual then, of each channel.
    """

    ratios: Float[Array, " class"]
    share: Float[Array, " class"]
    doubt: Float[Array, " class"]
    spread: Float[Array, " class"]
    levels: Float[Array, " level"]
    height: Float[Array, " level"]
    spectrum: Float[Array, "row column"]
    again: Float[Array, ""]
    offset: Float[Array, " channel"]


def nothing(dtype) -> Gain:
    """The gain that leaves the blind prediction as it is."""
    return Gain(
        jnp.zeros(1, dtype),
        jnp.zeros(1, dtype),
        jnp.ones(1, dtype),
        jnp.ones(1, dtype),
        jnp.zeros(1, dtype),
        jnp.ones(1, dtype),
        jnp.ones((SIZE, SIZE), dtype),
        jnp.zeros((), dtype),
        jnp.zeros(1, dtype),
    )


def restored(gain: Gain, mean, variance, sigma2, kept, there) -> tuple[Array, Array]:
    """Mean and variance of clean values given their blind prediction and their filtered values.

    x̂ = μ + w (f − μ), with w that of the pixel's predicted spread; ``there`` tells where there are filtered values.

    References
    ----------
    Prediction and noisy value joined: Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277.
    """
    ratio = variance / jnp.where(sigma2 > 0, sigma2, 1)
    # Between classes it changes continuously, so that rounding moves no pixel from one to another.
    share, doubt, spread = (_between(ratio, gain.ratios, table) for table in (gain.share, gain.doubt, gain.spread))
    spread = spread * _between(mean, gain.levels, gain.height)
    there = jnp.broadcast_to(there, mean.shape)
    return jnp.where(there, mean + share * (kept - mean), mean), jnp.where(there, doubt, spread) * variance


def given_back(gain: Gain, mean, found) -> Array:
    """Restored values with a share of what blocks find in the residual, and with the mean of the noisy ones.

    The last axis is that of the channels.
    """
    return mean + gain.again * found + gain.offset


def _between(at, points, values):
    # The derivative of `interp` between one point and itself is NaN.
    return jnp.interp(at, points, values) if len(points) > 1 else jnp.broadcast_to(values[0], at.shape)


def measure(mean, variance, observed, sigma2, inside, held, kept, noise, change, spectrum, risk=None) -> Gain:
    """The gain of least unbiased risk.

    With d = f − μ the risk of μ + w d is least at w = E[d (x − μ)] / E[d²], and E[d (x − μ)] = E[d (y − μ)] − E[f n]:
    a blind prediction does not see the noise n of its pixel, and what the filtered value f knows of it comes out if
    a little more noise is added. What the network learnt of the noise by heart, E[μ n], is the difference of
    E[d (y − μ)] between pixels kept out of training and the others.

    Parameters
    ----------
    mean, variance, observed, sigma2
        Blind prediction, its variance, noisy values and noise variance, of one shape.
    inside
        Pixels that count, of that shape.
    held
        Pixels that training has not seen as targets.
    kept
        Filtered values.
    noise, change
        Other noise of the same variance and spectrum, and the change of the filtered values per unit of it.
    spectrum
        Power of the noise in each cosine.
    risk
        Mean squared error of the blind prediction, to within `TOLD` of it, if it is known from elsewhere.

    References
    ----------
    Risk: Stein (1981), doi:10.1214/aos/1176345632; by added noise: Ramani, Blu, Unser (2008),
    doi:10.1109/TIP.2008.2001404; mixtures of least risk: Blu, Luisier (2007), doi:10.1109/TIP.2007.906002.
    """
    used = np.asarray(inside) & (np.asarray(sigma2) > 0)
    x = [np.asarray(a, float)[used] for a in (mean, variance, observed, sigma2, kept, noise, change)]
    mu, spread, y, level, f, n, slope = x
    held = np.asarray(held)[used]
    if mu.size == 0:
        return nothing(mean.dtype)
    ratio, d = spread / level, f - mu
    kind = _classes(np.maximum(ratio, 1e-12), lambda bound: ALIKE * bound)
    # Predictions that are equal to within their errors are of one level.
    height = _classes(mu, lambda bound: np.sqrt(spread.mean()))
    by_heart = learnt(d * (y - mu), level, held)
    # What is learnt is missing where it was learnt.
    product, missing = d * (y - mu) - n * slope, by_heart * level * ~held
    power, aligned = _averages(kind, d**2, product + missing)
    share = np.clip(aligned / np.maximum(power, 1e-30), 0, 1)
    seen = (y - mu) ** 2 - level + 2 * missing
    told, error, unsure = _errors(kind, spread, level, seen)
    count = np.bincount(kind)
    if risk is not None and risk > 0:
        # What is off in one class is off in all: the noise level, and what a network says of itself.
        total, off = np.average((error, unsure), 1, weights=count)
        weights = 1 / np.square((off, TOLD * risk))
        error *= np.average((total, risk), weights=weights) / total
        unsure *= 1 / np.sqrt(weights.sum()) / off
    # Of a difference that comes out near nothing, about half of its uncertainty is left.
    left = np.maximum(error - 2 * share * aligned + share**2 * power, unsure / 2)
    (ratios,), (levels,) = _averages(kind, ratio), _averages(height, mu)
    wider = np.maximum(error / told, LEAST)
    spread = spread * np.interp(ratio, ratios, wider)
    _, found, _ = _errors(height, spread, level, seen)
    # Levels tell how the error is shared out among them, classes how large it is.
    found *= np.average(error, weights=count) / np.average(found, weights=np.bincount(height))
    higher = np.ones(len(levels))
    for _ in range(ROUNDS):
        # What is read off between the middles of classes is right in the mean of each only after some rounds.
        (expected,) = _averages(height, spread * np.interp(mu, levels, higher))
        higher = np.maximum(higher * found / expected, LEAST)
    tables = ratios, share, left / told, wider, levels, higher, spectrum, 0.0, np.zeros(1)
    return Gain(*(jnp.asarray(table, mean.dtype) for table in tables))


def _classes(values, apart: Callable) -> np.ndarray:
    """Number of the class of each value: of equal size, if the bounds of classes are at least so far apart."""
    count = int(np.clip(values.size // MEMBERS, 1, CLASSES))
    kept = [values.min()]
    for bound in np.quantile(values, np.arange(1, count) / count):
        if bound - kept[-1] > apart(bound):
            kept.append(bound)
    return np.unique(np.searchsorted(kept[1:], values, "right"), return_inverse=True)[1]


def _averages(kind, *values) -> list[np.ndarray]:
    """Means of values over the members of each class."""
    return [np.bincount(kind, one) / np.bincount(kind) for one in values]


def _errors(kind, spread, level, seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blind error of each class: as predicted, from prediction and residual weighed, and how well it is known."""
    told, noisy, seen = _averages(kind, spread, level, seen)
    sampled = np.sqrt(2 / np.bincount(kind))
    # Residuals smaller than the noise tell by how much at least its model is off.
    off = max(LEVEL, np.max(-seen / noisy - 2 * sampled))
    weights = [1 / (SPREAD * np.maximum(told, seen)) ** 2, 1 / (noisy * np.maximum(sampled, off)) ** 2]
    both = weights[0] + weights[1]
    # Where the noise model tells of more noise than there is, residuals alone would say less than nothing.
    return told, np.maximum((weights[0] * told + weights[1] * seen) / both, LEAST * told), 1 / np.sqrt(both)


def bolder(gain: Gain, rest, variance, found, noise, change, *, price: float) -> Gain:
    """The gain with as much of what is found in the residual as costs no more than a share of the risk.

    The risk of x̂ + c q is that of x̂ less 2 c E[q (x − x̂)] plus c² E[q²].

    Parameters
    ----------
    gain
        From `measure`.
    rest, variance, found
        Noisy less restored values y − x̂, the variance of x̂, and what is found in the residual, q.
    noise, change
        Other noise, and the change of q per unit of it.
    price
        Share of the least risk.
    """
    risk, power = variance.mean(), max((found**2).mean(), 1e-30)
    aligned = (found * rest - noise * change).mean()
    best = aligned / power
    least = max(risk - max(best, 0) ** 2 * power, 0.02 * risk)
    # Where less than nothing would be best, the way from there to nothing has its price too.
    weight = min(best + np.sqrt(min(best, 0) ** 2 + price * least / power), 1.0)
    # a predicted variance that is far too small would come out below nothing
    worse = max((risk - 2 * weight * aligned + weight**2 * power) / risk, 0.02)
    return eqx.tree_at(lambda g: (g.doubt, g.again), gain, (gain.doubt * worse, jnp.asarray(weight, gain.again.dtype)))


def learnt(products, level, held) -> float:
    """Share of the noise that a network has learnt by heart, from products of its error with an estimate of it."""
    if not 0 < held.sum() < held.size:
        return 0.0
    found = products[held].sum() / level[held].sum() - products[~held].sum() / level[~held].sum()
    unsure = products[held].std() / (np.sqrt(held.sum()) * level[held].mean())
    # No more of it than is known.
    return max(0.0, float(found**3 / max(found**2 + unsure**2, 1e-30)))


def _pictures(blocks, corner, shape):
    """Pictures put together from their blocks."""
    joined = blocks.swapaxes(-3, -2)
    joined = joined.reshape(*joined.shape[:-4], joined.shape[-4] * SIZE, joined.shape[-2] * SIZE)
    return joined[..., corner[0] : corner[0] + shape[0], corner[1] : corner[1] + shape[1]]


def _blocks(pictures, corner):
    """Pictures cut into blocks; the first ones begin ``corner`` before the picture, which zeros continue."""
    pads = [(o, -(n + o) % SIZE) for o, n in zip(corner, pictures.shape[-2:])]
    padded = np.pad(pictures, [*[(0, 0)] * (pictures.ndim - 2), *pads])
    rows, columns = (n // SIZE for n in padded.shape[-2:])
    return padded.reshape(*pictures.shape[:-2], rows, SIZE, columns, SIZE).swapaxes(-3, -2)


def _waves(blocks):
    """Cosines of every block."""
    return np.einsum("...ab,ka,lb->...kl", blocks, cosines(SIZE), cosines(SIZE), optimize=True)


def alike(
    spectrum: Float[np.ndarray, "wave wave"],
    sigma2: Float[np.ndarray, "time row column channel"],
    *,
    key: Key[Array, ""],
) -> Float[np.ndarray, "time row column channel"]:
    """Noise of the variance given, with the spectrum given in blocks of 8 × 8 pixels, fresh in every picture."""
    shape = (sigma2.shape[-1], *sigma2.shape[:-1])
    return np.moveaxis(_unit(spectrum, shape, key), 0, -1) * np.sqrt(sigma2)


def _unit(spectrum, shape, key):
    """Pictures of noise of unit variance."""
    white = np.asarray(jax.random.normal(key, shape), float)
    if np.ptp(spectrum) == 0:
        return white
    strength = np.asarray(spectrum, float)
    for _ in range(ROUNDS):
        made = np.zeros(shape)
        for corner in CORNERS:
            waves = _waves(_blocks(white, corner)) * np.sqrt(strength)
            back = np.einsum("...kl,ka,lb->...ab", waves, cosines(SIZE), cosines(SIZE), optimize=True)
            made += _pictures(back, corner, shape[-2:])
        # Averaging the cuts has rounded the spectrum off: it is asked for more of what is missing.
        found = _waves(_blocks(made, (0, 0)))[..., : shape[-2] // SIZE, : shape[-1] // SIZE, :, :] ** 2
        found = found.reshape(-1, SIZE, SIZE).mean(0)
        strength = strength * spectrum / np.maximum(found, 1e-12) * found.mean()
    return made / made.std()


def spectrum(movie: Movie, correlation: Correlation) -> Float[np.ndarray, "wave wave"]:
    """Power of a movie's noise in each cosine of a block, over its mean; ones where noise is white.

    Measured on second temporal differences, without those blocks that hold something that moves.
    """
    if correlation.white:
        return np.ones((SIZE, SIZE))
    grey = [movie.frames] if not movie.channels_ndim else jnp.moveaxis(movie.frames, -1, 0)
    inside, power = movie.domain.inside, np.zeros((SIZE, SIZE))
    for frames in grey:
        values = differences(movie.replace(frames=frames, variance=None)).values
        for corner in CORNERS:
            whole = _blocks(np.asarray(inside, float), corner).mean((-2, -1)) == 1
            each = _waves(_blocks(values, corner))[:, whole]
            power += np.apply_along_axis(robust_variance, 0, each.reshape(-1, SIZE * SIZE)).reshape(SIZE, SIZE)
    return power / power.mean() if power.mean() > 0 else np.ones((SIZE, SIZE))

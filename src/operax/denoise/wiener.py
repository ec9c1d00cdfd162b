"""Put the noisy values back: what blocks of the blind residual hold beyond noise is signal that was missed."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..movie import Movie
from ..noise import Correlation
from ..noise.differences import differences, robust_variance

# Pixels of a block along an axis, and how far blocks are apart: every pixel lies in four of them. The distance is
# that of the networks' grid, so that tiles of a picture have the blocks of the picture.
SIZE, STEP = 8, 4
OFFSETS = tuple((i, j) for i in range(0, SIZE, STEP) for j in range(0, SIZE, STEP))
# Rows are the cosines of the orthonormal transform of a block.
_K = np.arange(SIZE)
COSINES = np.where(_K == 0, 1, np.sqrt(2))[:, None] * np.cos(np.pi * _K[:, None] * (2 * _K + 1) / (2 * SIZE))
COSINES = COSINES / np.sqrt(SIZE)
# Blocks are sorted into classes of alike predicted spread: at most this many, of at least so many blocks apart.
CLASSES, MEMBERS = 12, 100
# Relative difference from which ratios make classes of their own.
ALIKE = 0.01
# A block counts in the measurement if at least this share of it is inside.
INSIDE = 0.5


class Gain(eqx.Module):
    """Share of the blind residual that is put back, for each cosine of a block and each class of predicted spread.

    Parameters
    ----------
    ratios
        Predicted over noise variance, averaged over a block, in the middle of each class.
    share
        Share of the residual that is signal, zero to one.
    doubt
        Power of the error that is left, over the mean noise variance.
    """

    ratios: Float[Array, " class"]
    share: Float[Array, "class row column"]
    doubt: Float[Array, "class row column"]


def nothing(dtype) -> Gain:
    """The gain that leaves the blind prediction as it is."""
    return Gain(jnp.zeros(1, dtype), *(jnp.zeros((1, SIZE, SIZE), dtype) for _ in range(2)))


def blocks(pictures: Float[Array, "*stack row column"], offset: tuple[int, int]) -> Float[Array, "*stack i j a b"]:
    """Pictures cut into blocks; the first ones begin ``offset`` before the picture, which zeros continue."""
    pads = [(o, -(n + o) % SIZE) for o, n in zip(offset, pictures.shape[-2:])]
    padded = jnp.pad(pictures, [*[(0, 0)] * (pictures.ndim - 2), *pads])
    rows, columns = (n // SIZE for n in padded.shape[-2:])
    return padded.reshape(*pictures.shape[:-2], rows, SIZE, columns, SIZE).swapaxes(-3, -2)


def _whole(cut, offset, shape):
    """Pictures put together from their blocks."""
    joined = cut.swapaxes(-3, -2)
    joined = joined.reshape(*joined.shape[:-4], joined.shape[-4] * SIZE, joined.shape[-2] * SIZE)
    return joined[..., offset[0] : offset[0] + shape[0], offset[1] : offset[1] + shape[1]]


def _transformed(cut, rows):
    """Every block multiplied by a matrix along both axes."""
    rows = jnp.asarray(rows, cut.dtype)
    return jnp.einsum("...ab,ka,lb->...kl", cut, rows, rows)


def _levels(variance, sigma2, inside, offset):
    """Mean noise variance of every block's pixels inside, the ratio of predicted to noise variance, share inside."""
    full = blocks(jnp.asarray(inside, variance.dtype), offset).mean((-2, -1))
    count = jnp.where(full > 0, full, 1)
    level, spread = (blocks(jnp.where(inside, x, 0), offset).mean((-2, -1)) / count for x in (sigma2, variance))
    return level, spread / jnp.where(level > 0, level, 1), full


@eqx.filter_jit
def restored(
    gain: Gain,
    mean: Float[Array, "*stack row column"],
    variance: Float[Array, "*stack row column"],
    observed: Float[Array, "*stack row column"],
    sigma2: Float[Array, "*stack row column"],
    inside: Bool[Array, "row column"],
) -> tuple[Array, Array]:
    """Mean and variance of the clean values given their blind prediction and their noisy values.

    x̂ = μ + Bᵀ W B (y − μ), with B the cosine transform of overlapping blocks and W the gain of a block's class.

    References
    ----------
    Shrinking of block transforms by measured spectra: Dabov et al. (2007), doi:10.1109/TIP.2007.901238. Prediction
    and noisy value joined pixel by pixel: Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277, section 3.
    """
    # Recorded values outside may be NaN: replaced before the product, or gradients become NaN inside too.
    residual = jnp.where(inside, observed, mean) - mean
    change = spread = jnp.zeros_like(mean)
    for offset in OFFSETS:
        level, ratio, _ = _levels(variance, sigma2, inside, offset)
        # Between classes shares change continuously, so that rounding moves no block from one to another.
        at = jnp.interp(ratio, gain.ratios, jnp.arange(len(gain.ratios), dtype=ratio.dtype))
        low = jnp.floor(at).astype(int)
        high, part = jnp.minimum(low + 1, len(gain.ratios) - 1), (at - low)[..., None, None]
        share, doubt = (table[low] * (1 - part) + table[high] * part for table in (gain.share, gain.doubt))
        missed = _transformed(_transformed(blocks(residual, offset), COSINES) * share, COSINES.T)
        doubt = _transformed(doubt, COSINES.T**2) * level[..., None, None]
        change += _whole(missed, offset, mean.shape[-2:]) / len(OFFSETS)
        spread += _whole(doubt, offset, mean.shape[-2:]) / len(OFFSETS)
    return mean + change, jnp.maximum(spread, 0)


@eqx.filter_jit
def _powers(mean, variance, observed, sigma2, inside):
    """Power of the residual in every cosine over the noise variance, ratio of variances, share inside, by offset."""
    residual = jnp.where(inside, observed, mean) - mean
    found = []
    for offset in OFFSETS:
        level, ratio, full = _levels(variance, sigma2, inside, offset)
        whole = jnp.where(level > 0, level * full, 1)[..., None, None]
        found.append((_transformed(blocks(residual, offset), COSINES) ** 2 / whole, ratio, full))
    return found


def measure(mean, variance, observed, sigma2, inside, spectrum) -> Gain:
    """The gain that a movie's own blind residual calls for, W = 1 − noise power / residual power.

    The residual of a blind prediction is its error plus noise that it does not know, so its power beyond that of
    the noise is the error's. Shares below their standard error are taken for none, so that chance puts no noise back.

    Parameters
    ----------
    mean, variance, observed, sigma2
        Blind prediction, its variance, noisy values and noise variance, shape ``(*stack, row, column)``.
    inside
        Pixels that count.
    spectrum
        Power of the noise in each cosine, over its mean.
    """
    squares, quotients = [], []
    for square, quotient, full in _powers(mean, variance, observed, sigma2, inside):
        used = np.asarray(full) >= INSIDE
        squares.append(np.asarray(square)[..., used, :, :].reshape(-1, SIZE, SIZE))
        quotients.append(np.asarray(quotient)[..., used].ravel())
    power, ratios = np.concatenate(squares), np.concatenate(quotients)
    if len(ratios) == 0:
        return nothing(mean.dtype)
    # Overlapping blocks are not independent: a quarter of them is counted.
    count = int(np.clip(len(ratios) / len(OFFSETS) // MEMBERS, 1, CLASSES))
    bounds = np.maximum(np.quantile(ratios, np.arange(count) / count), 1e-12)
    # Where ratios are nearly equal there is one class of them.
    bounds = bounds[np.diff(np.log(bounds), prepend=-np.inf) > ALIKE]
    kind = np.maximum(np.searchsorted(bounds, ratios, "right") - 1, 0)
    kinds = [kind == i for i in range(len(bounds))]
    middle, found = (np.stack([x[k].mean(0) for k in kinds]) for x in (ratios, power))
    error = np.sqrt(2 * len(OFFSETS) / np.array([k.sum() for k in kinds]))[:, None, None]
    if np.allclose(spectrum, spectrum.T):
        # Rows and columns are alike: twice the data.
        found, error = (found + found.swapaxes(-1, -2)) / 2, error / np.sqrt(2)
    share = 1 - spectrum / np.maximum(found, 1e-12)
    share = np.where(share > error, share, 0)
    doubt = (1 - share) ** 2 * (found - spectrum) + share**2 * spectrum
    return Gain(*(jnp.asarray(x, mean.dtype) for x in (middle, share, doubt)))


def spectrum(movie: Movie, correlation: Correlation) -> Float[np.ndarray, "row column"]:
    """Power of a movie's noise in each cosine of a block, over its mean; ones where noise is white.

    Measured on second temporal differences, without those blocks that hold something that moves.
    """
    if correlation.white:
        return np.ones((SIZE, SIZE))
    grey = [movie.frames] if not movie.channels_ndim else jnp.moveaxis(movie.frames, -1, 0)
    inside, power = movie.domain.inside, np.zeros((SIZE, SIZE))
    for frames in grey:
        values = jnp.asarray(differences(movie.replace(frames=frames, variance=None)).values)
        for offset in OFFSETS:
            whole = np.asarray(blocks(jnp.asarray(inside, float), offset).mean((-2, -1))) == 1
            each = np.asarray(_transformed(blocks(values, offset), COSINES))[:, whole]
            power += np.apply_along_axis(robust_variance, 0, each.reshape(-1, SIZE * SIZE)).reshape(SIZE, SIZE)
    return power / power.mean() if power.mean() > 0 else np.ones((SIZE, SIZE))

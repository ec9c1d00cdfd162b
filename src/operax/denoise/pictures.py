"""Pictures cleaned one by one: blocks of a picture are few cosines, its noise is all of them."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.fft import dctn, idctn

from ..movie import Movie
from ..noise import Correlation, Gaussian, PoissonGaussian, estimate
from .cosines import cosines, levelled

# Rows and columns of the blocks. Long ones hold the edges along rows and columns, which layers and cells have, in
# fewer cosines than square ones of as many pixels.
SHAPES = ((16, 16), (8, 32), (32, 8))
# Ways of cutting a picture into blocks of one shape, each beginning elsewhere.
WAYS = 8
# Cosines of less than about so many standard deviations are taken for noise at first; one block in eight of noise alone
# holds one above.
THRESHOLD = 3.5
# What a block says of its middle counts more than what it says of its rim.
BEND = 2.0
# Least power of the noise in one cosine over its mean; a correlation known at a few lags may give less than none.
FAINTEST = 0.05


def powers(shape: tuple[int, int], correlation: Correlation | None) -> Float[np.ndarray, "row column"]:
    """Variance of each cosine of a block of noise of unit variance."""
    if correlation is None:
        return np.ones(shape)
    rho = np.asarray(correlation.space, float)
    reach = len(rho) // 2

    def along(size):
        waves = cosines(size)
        shifted = np.stack(
            [np.roll(np.pad(waves, ((0, 0), (reach, reach))), lag, 1) for lag in range(-reach, reach + 1)]
        )
        return np.einsum("wp,lwp->wl", waves, shifted[:, :, reach : reach + size])

    return np.maximum(np.einsum("kd,le,de->kl", along(shape[0]), along(shape[1]), rho), FAINTEST)


def _blocks(picture, corner, shape):
    """The picture cut into blocks, the first of which begins so far before its corner."""
    fill = [(first, -(n + first) % size) for n, first, size in zip(picture.shape, corner, shape)]
    whole = np.pad(picture, fill, mode="symmetric")
    rows, columns = (n // size for n, size in zip(whole.shape, shape))
    return whole.reshape(rows, shape[0], columns, shape[1]).swapaxes(1, 2)


def _joined(blocks, corner, size):
    rows, columns, tall, wide = blocks.shape
    whole = blocks.swapaxes(1, 2).reshape(rows * tall, columns * wide)
    return whole[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]


def _cleaned(picture, pilot, sigma2, tables):
    """Mean of what all blocks say; those of few cosines hold little noise and count most."""
    total, weight = np.zeros(picture.shape), np.zeros(picture.shape)
    for shape, table in tables.items():
        window = np.outer(*(np.kaiser(n, BEND) for n in shape))
        for way in range(WAYS):
            corner = way * shape[0] // WAYS, 3 * way % WAYS * shape[1] // WAYS
            seen = dctn(_blocks(picture, corner, shape), axes=(2, 3), norm="ortho")
            noise = table * np.maximum(_blocks(sigma2, corner, shape).mean((2, 3), keepdims=True), 1e-300)
            if pilot is None:
                share = np.maximum(1 - THRESHOLD**2 * noise / np.maximum(seen**2, 1e-300), 0)
                share[..., 0, 0] = 1
            else:
                power = dctn(_blocks(pilot, corner, shape), axes=(2, 3), norm="ortho") ** 2
                share = power / (power + noise)
            trust = window / np.maximum((share**2 * noise).sum((2, 3), keepdims=True), 1e-300)
            found = idctn(seen * share, axes=(2, 3), norm="ortho")
            total += _joined(found * trust, corner, picture.shape)
            weight += _joined(trust, corner, picture.shape)
    return total / weight


class Cosines(eqx.Module):
    """Keep the cosines that stand out of the noise in blocks of each picture; `Cosines(noise)(movie)` gives a `Movie`.

    For single radiographs, open beams and movies of too few frames to train on: every frame is cleaned by itself.
    Blocks of 16 × 16, 8 × 32 and 32 × 8 pixels are cut in eight ways each. A cosine Y is first shrunk by
    1 − 3.5² N / Y², with N the variance of its noise, then by P² / (P² + N), where P is its value in the first
    result.

    Parameters
    ----------
    noise
        Noise model; measured if ``None``, which takes three frames.
    correlation
        How the noise of neighbours is correlated, from `operax.noise.autocorrelation` of pictures of the same camera;
        ``None`` takes pixels for independent.

    Notes
    -----
    Gives no variance. What moves is never blurred in time; edges along rows and columns are kept better than
    oblique ones. Pixels outside the particles take the mean of those inside while blocks are cut.

    References
    ----------
    Shrinking by 1 − c N / Y²: Gao (1998),
    doi:10.1080/10618600.1998.10474789. Shrinking twice, blocks weighted by their noise: Dabov et al. (2007),
    doi:10.1109/TIP.2007.901238.
    """

    noise: Gaussian | PoissonGaussian | None = None
    correlation: Correlation | None = None

    def __call__(self, movie: Movie) -> Movie:
        """The movie, every picture cleaned by itself.

        Raises
        ------
        ValueError
            For a colour movie, or one that has not two space axes.
        """
        if movie.channels_ndim or movie.domain.ndim != 2:
            raise ValueError(
                f"`Cosines` takes grey movies of two space axes, got axes ({', '.join(movie.axes)}). Pass channel by "
                "channel, or plane by plane."
            )
        noise = estimate(movie) if self.noise is None else self.noise
        tables = {shape: powers(shape, self.correlation) for shape in SHAPES}
        inside = movie.domain.inside
        level = levelled(jnp.where(jnp.asarray(inside), movie.frames, 0), jnp.asarray(inside))
        sigma2 = np.broadcast_to(np.asarray(noise.variance(level), float), movie.frames.shape)
        found = np.array(movie.frames)
        for frame, variance in zip(found, sigma2):
            filled = np.where(inside, frame, frame[inside].mean()).astype(float)
            pilot = _cleaned(filled, None, variance, tables)
            frame[inside] = _cleaned(filled, pilot, variance, tables)[inside]
        return movie.replace(frames=found, variance=None)

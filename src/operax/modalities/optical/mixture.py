"""Phases told apart by colour: Gaussian classes with probabilities, or thresholds of one feature."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from jax.nn import softmax
from jaxtyping import Array, Float, Key

from ...movie import Movie
from .colour import coloured

# Pixels used to learn the classes: enough for percent errors of a covariance.
MOST = 200_000


class Phases(eqx.Module):
    """Colour classes, ordered from the first phase to the last.

    Parameters
    ----------
    means
        Mean colour of each phase.
    covariances
        Scatter of the colours of its pixels, noise included.
    weights
        Share of pixels of each, positive; they add up to one.
    names
        In order of lithium, for example ``("dilute", "stage 2", "stage 1")``.

    Raises
    ------
    ValueError
        If shapes disagree, weights are not positive, or a covariance is not positive definite.
    """

    means: Float[Array, "phase channel"] = eqx.field(converter=jnp.asarray)
    covariances: Float[Array, "phase channel channel"] = eqx.field(converter=jnp.asarray)
    weights: Float[Array, " phase"] = eqx.field(converter=jnp.asarray)
    names: tuple[str, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        count = len(self.names)
        channels = self.means.shape[-1] if self.means.ndim == 2 else 0
        shapes = (self.means.shape, self.covariances.shape, self.weights.shape)
        if shapes != ((count, channels), (count, channels, channels), (count,)):
            raise ValueError(
                f"`means`, `covariances`, `weights` of {count} phases have shapes {shapes}, which do not fit."
            )
        if not (np.asarray(self.weights) > 0).all() or not np.linalg.eigvalsh(np.asarray(self.covariances)).min() > 0:
            raise ValueError("`weights` must be positive and every covariance positive definite.")


def learn(movie: Movie, seeds: Mapping[str, Sequence[float]], *, key: Key[Array, ""], spread: float = 1e-3) -> Phases:
    """Learn the colour classes of a movie as a Gaussian mixture, from a guess of each colour.

    Parameters
    ----------
    movie
        Contrast or CIELAB; pixels inside the domain take part, so mask what is no particle.
    seeds
        Name and approximate colour of each phase, in the order of lithium: read them off pixels that are
        certain.
    key
        Picks the pixels that take part, where there are very many.
    spread
        Smallest standard deviation of a class in the movie's unit, so that none collapses on one value.

    Raises
    ------
    ValueError
        If the movie has no channels, seeds do not fit, or a class lost all its pixels.
    ImportError
        If scikit-learn is not installed (``operax[optical]``).

    Notes
    -----
    Classes are found where pixels crowd: a phase that covers less than a percent, or whose colour the noise
    buries in another's, is not found from a noisy movie. Denoise first, and look at the means.
    """
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise ImportError("`learn` needs scikit-learn; install it with `pip install 'operax[optical]'`.") from error
    coloured(movie, "learn")
    channels = movie.frames.shape[-1]
    start = np.array([np.asarray(colour, float) for colour in seeds.values()])
    if len(seeds) < 2 or start.shape != (len(seeds), channels):
        raise ValueError(
            f"`seeds` must give at least two phases a colour of {channels} channels each, got {dict(seeds)}."
        )
    values = np.asarray(movie.frames, float)[:, movie.domain.inside].reshape(-1, channels)
    seed = int(np.asarray(jnp.asarray(_bits(key), jnp.uint32)).ravel()[-1])
    if len(values) > MOST:
        values = np.random.default_rng(seed).choice(values, MOST, replace=False)
    nearest = ((values[:, None] - start) ** 2).sum(2).argmin(1)
    precision = np.linalg.inv(_within(values, start, nearest) + spread**2 * np.eye(channels))
    model = GaussianMixture(
        len(seeds),
        means_init=start,
        precisions_init=np.stack([precision] * len(seeds)),
        weights_init=np.full(len(seeds), 1 / len(seeds)),
        reg_covar=spread**2,
        max_iter=300,
        random_state=seed % 2**31,
    ).fit(values)
    if model.weights_.min() < 1e-6:
        lost = [n for n, w in zip(seeds, model.weights_) if w < 1e-6]
        raise ValueError(f"no pixel was left for {', '.join(lost)}; correct its colour in `seeds`, or leave it out.")
    dtype = movie.frames.dtype
    found = (model.means_, model.covariances_, model.weights_)
    means, covariances, weights = (jnp.asarray(v, dtype) for v in found)
    return Phases(means, covariances, weights, tuple(seeds))


def _bits(key):
    import jax

    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def _within(values: np.ndarray, start: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Covariance of the values about the seed next to them."""
    off = values - start[nearest]
    return off.T @ off / max(len(off), 1)


def probabilities(phases: Phases, movie: Movie) -> Movie:
    """Probability of each phase in every pixel, as a movie whose channels are the phases.

    Parameters
    ----------
    phases
        From `learn`, or made of published means and covariances.
    movie
        In the colour space of the phases.

    Raises
    ------
    ValueError
        If the movie has other channels than the phases.

    Notes
    -----
    A pixel that is like none of the classes is still given to the nearest. What is seen is the phase at the
    surface; the bulk may be another.
    """
    coloured(movie, "probabilities", phases.means.shape[1])
    off = movie.frames[..., None, :] - phases.means
    root = jnp.linalg.cholesky(phases.covariances)
    # the roots are turned round once a phase, not once a pixel
    turned = jax.vmap(lambda one: jsp.linalg.solve_triangular(one, jnp.eye(len(one)), lower=True))(root)
    z = jnp.einsum("kij,...kj->...ki", turned, off)
    volume = jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
    frames = softmax(jnp.log(phases.weights) - volume - (z**2).sum(-1) / 2, -1)
    inside = jnp.asarray(movie.domain.inside[..., None])
    return movie.replace(
        frames=jnp.where(inside, frames, 0.0), variance=None, units=(*movie.units[:2], f"probability of {phases.names}")
    )


def by_threshold(movie: Movie, limits: Sequence[float]) -> Movie:
    """Phases by thresholds of one feature, as probabilities of 0 and 1, or in between where a variance is known.

    The simple mode: for lithiated graphite under white light the blue–yellow axis of CIELAB rises from dilute
    stages through stage 2 to stage 1.

    Parameters
    ----------
    movie
        One feature a pixel that rises with lithium.
    limits
        Between one phase and the next, increasing.

    Raises
    ------
    ValueError
        If the movie has channels or the limits do not increase.

    Notes
    -----
    There is no standard set of limits: they depend on lamp, camera and cell. State yours with the result.
    """
    if movie.channels_ndim:
        raise ValueError(f"`by_threshold` needs one feature a pixel, got shape {movie.frames.shape}; pick a channel.")
    edges = np.asarray(limits, float)
    if edges.ndim != 1 or not len(edges) or not (np.diff(edges) > 0).all():
        raise ValueError(f"`limits` must be increasing numbers, one fewer than phases, got {limits!r}.")
    value = movie.frames[..., None]
    if movie.variance is None:
        above = (value > edges).astype(movie.frames.dtype)
    else:
        std = jnp.sqrt(jnp.broadcast_to(movie.variance, movie.frames.shape))[..., None]
        above = jsp.stats.norm.cdf((value - edges) / jnp.maximum(std, 1e-30))
    ones = jnp.ones_like(value)
    steps = jnp.concatenate([ones, above, 0 * ones], -1)
    inside = jnp.asarray(movie.domain.inside[..., None])
    frames = jnp.where(inside, steps[..., :-1] - steps[..., 1:], 0.0)
    return movie.replace(frames=frames, variance=None, units=(*movie.units[:2], "probability"))

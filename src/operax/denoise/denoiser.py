"""A trained network with what is needed to denoise a movie: normalisation, noise model, clips of frames."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .networks import BlindSpot, apply


def neighbours(count: int, reach: int) -> np.ndarray:
    """Frame numbers of the clip around every frame, shape ``(count, 2 reach + 1)``.

    Beyond an end, frame t + o is replaced by its mirror t − o; the middle frame itself is never repeated,
    which would show the network the pixel it must not see.
    """
    if count < 2 * reach + 1:
        raise ValueError(
            f"a network that reads {reach} frames on either side needs a movie of at least {2 * reach + 1} "
            f"frames, got {count}. Take a `BlindSpot` of smaller `reach`."
        )
    time, offset = np.arange(count)[:, None], np.arange(-reach, reach + 1)[None]
    outside = (time + offset < 0) | (time + offset >= count)
    return np.where(outside, time - offset, time + offset)


def check(movie: Movie) -> None:
    """Refuse a movie that the networks cannot take."""
    if movie.domain.ndim != 2 or movie.channels_ndim:
        raise ValueError(
            "the networks denoise grey movies of two space axes, (time, row, column); got axes "
            f"({', '.join(movie.axes)}). Denoise one channel or one plane at a time, "
            "and profiles before they are averaged."
        )


@eqx.filter_jit
def predict(graph, weights, frames, inside) -> tuple[Float[Array, "time row column"], ...]:
    """Blind mean and variance of every normalised frame, averaged over four flips."""
    clips = jnp.asarray(neighbours(len(frames), _reach(weights)))
    shown = jnp.stack([inside, inside[::-1], inside[:, ::-1], inside[::-1, ::-1]])

    def one(index):
        clip = frames[index]
        # Two of the four also run backwards in time. A flip moves the hole with the pixel, so each is blind.
        batch = jnp.stack([clip, clip[::-1, ::-1], clip[:, :, ::-1], clip[::-1, ::-1, ::-1]])
        mean, spread = apply(graph, weights, batch, shown)
        back = [(slice(None), slice(None)), (slice(None, None, -1), slice(None))]
        back += [(slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None, None, -1))]
        means = jnp.stack([m[b] for m, b in zip(mean, back)])
        spreads = jnp.stack([s[b] for s, b in zip(spread, back)])
        return means.mean(0), (spreads**2).mean(0)

    # Frame by frame, recomputed in the backward pass: memory stays that of one frame.
    return jax.lax.map(jax.checkpoint(one), clips)


def _reach(weights) -> int:
    return weights["average"].shape[0] // 2


class Denoiser(eqx.Module):
    """A function from a raw movie to a clean one, trained on one movie; `denoiser(movie)` gives a `Movie`.

    Pure and differentiable: a gradient runs from the clean frames to the raw pixels and to ``weights``.

    Parameters
    ----------
    weights
        Nested dict of arrays.
    centre, scale
        Normalisation of the movie's values.
    noise
        Noise model, in the movie's units.
    history
        Blind risk during training, an unbiased estimate of the mean squared error, in squared units of the
        movie; averages over equal stretches of steps.
    graph, network
        Static definition of the network.
    posterior
        Whether the noisy pixel is put back with the weight that noise and spread give it. Decided by
        `train`: only for white noise and calibrated spreads.
    reasons
        Why, in words.
    """

    weights: dict
    centre: Float[Array, ""]
    scale: Float[Array, ""]
    noise: Gaussian | PoissonGaussian
    history: Float[Array, " stretch"]
    graph: object = eqx.field(static=True, repr=False)
    network: BlindSpot = eqx.field(static=True)
    posterior: bool = eqx.field(static=True)
    reasons: tuple[str, ...] = eqx.field(static=True)

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the recorded frames that go into one clean frame."""
        return self.network.reads

    def blind(self, movie: Movie) -> Movie:
        """The clean movie predicted without the pixel itself: independent of the noise of that pixel.

        This is what residuals must be judged on. ``variance`` is the predicted one of the clean value.

        Raises
        ------
        ValueError
            If the movie is not grey and two-dimensional, or too short for the network.
        """
        check(movie)
        normal = (movie.frames - self.centre) / self.scale
        inside: Bool[Array, "row column"] = jnp.asarray(movie.domain.inside)
        mean, variance = predict(self.graph, self.weights, normal, inside)
        dtype = movie.frames.dtype
        frames = (mean * self.scale + self.centre).astype(dtype)
        return Movie(
            # Outside the particles the recorded values stay.
            jnp.where(inside, frames, movie.frames),
            movie.times,
            movie.domain,
            (variance * self.scale**2).astype(dtype),
            movie.units,
            self.reads,
            movie.axis,
        )

    def __call__(self, movie: Movie) -> Movie:
        """Denoise a movie: every frame is returned, ends included, with its variance.

        Outside the particles the recorded values stay.

        Parameters
        ----------
        movie
            The movie trained on, or one like it: same kind of sample, same exposure and time step.

        Raises
        ------
        ValueError
            If the movie is not grey and two-dimensional, or too short for the network.

        Notes
        -----
        The result has read the frames it may later be judged against: see its ``reads``.
        """
        blind = self.blind(movie)
        return restore(blind, movie, self.noise) if self.posterior else blind


def variances(blind: Movie, noise: Gaussian | PoissonGaussian) -> tuple[Array, Array]:
    """Variance s² of the clean value around its prediction, and σ² of the noise on top of it."""
    if blind.variance is None:
        raise ValueError("`blind` must have a `variance`, that of the clean value around its prediction; got None.")
    inside = jnp.asarray(blind.domain.inside)
    return blind.variance, noise.variance(jnp.where(inside, blind.frames, 0))


def restore(blind: Movie, raw: Movie, noise: Gaussian | PoissonGaussian) -> Movie:
    """Put the noisy pixel back: x̂ = (s² y + σ² μ) / (s² + σ²), with variance s² σ² / (s² + σ²).

    μ and s² are mean and variance of the blind movie, y and σ² = noise.variance(μ) those of the raw one.

    References
    ----------
    Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277, section 3.
    """
    inside = jnp.asarray(blind.domain.inside)
    spread2, sigma2 = variances(blind, noise)
    trust = spread2 / (spread2 + sigma2)
    # Recorded values outside may be NaN: replaced before the product, or gradients become NaN inside too.
    innovation = jnp.where(inside, raw.frames, 0) - jnp.where(inside, blind.frames, 0)
    return blind.replace(frames=blind.frames + trust * innovation, variance=trust * sigma2)

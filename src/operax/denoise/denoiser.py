"""A trained network with what is needed to denoise a movie: normalisation, noise model, clips of frames."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .cosines import REACH, SIZE, filtered, levelled
from .networks import GRID, UDVD, BlindSpot, FrameBlind, apply
from .share import Gain, given_back, restored

Network = BlindSpot | FrameBlind | UDVD
# Copies that are averaged: the movie as it is, and with rows, columns and time reversed. Four gained 0.1 dB at σ = 0.2,
# and nothing to speak of at less noise, in twice the time.
TURNS = ((1, 1, 1), (-1, -1, -1))
# Frames and pixels to either side whose residuals are looked at once more.
BEYOND = SIZE - 1


def check(movie: Movie) -> None:
    """Refuse a movie that the networks cannot take."""
    if movie.domain.ndim != 2:
        raise ValueError(
            "the networks denoise movies of two space axes, (time, row, column) with or without channels; got axes "
            f"({', '.join(movie.axes)}). Denoise one plane at a time, and profiles before they are averaged."
        )


def channels(movie: Movie) -> Float[Array, "time row column channel"]:
    """The frames with a channel axis; one channel for a grey movie."""
    return movie.frames if movie.channels_ndim else movie.frames[..., None]


def with_channels(noise, movie: Movie):
    """The noise model for frames with a channel axis; values for each pixel get the shape of a picture."""

    def fit(leaf):
        if leaf.size == 1:
            return leaf.reshape(())
        if movie.channels_ndim:
            return leaf if leaf.ndim < 2 else jnp.broadcast_to(leaf, movie.frames.shape[1:])
        return jnp.broadcast_to(leaf, movie.domain.shape)[..., None]

    return jax.tree.map(fit, noise)


def _turned(x, turn, space):
    """A picture turned about its rows and columns, the two axes from ``space`` on."""
    index = [slice(None)] * x.ndim
    index[space], index[space + 1] = slice(None, None, turn[1]), slice(None, None, turn[2])
    return x[tuple(index)]


@eqx.filter_jit
def estimate(graph, weights, clip, seen, inside, mirror) -> tuple[Array, Array]:
    """Blind mean and variance of one clip's target frames, averaged over two turned copies.

    A turn moves the hole with the pixel, so each copy is blind.
    """
    rows, columns = inside.shape
    pad = (0, -rows % GRID), (0, -columns % GRID)
    # Before the turns, so that the networks' grid lies the same way whatever part of a picture this is.
    clip, inside = jnp.pad(clip, ((0, 0), *pad, (0, 0))), jnp.pad(inside, pad)
    slots = np.arange(len(clip))

    def copy(turn):
        reverse = turn[0] < 0 and mirror is not None
        order = np.asarray(mirror) if reverse else slots
        shown = _turned(clip[order], turn, 1), seen[order], _turned(inside, turn, 0)
        mean, factor = (x[0] for x in apply(graph, weights, *(x[None] for x in shown)))
        # Frames estimated together come out in the order of time.
        back = (_turned(x[::-1] if reverse else x, turn, 1) for x in (mean, (factor**2).sum(-1)))
        return tuple(x[:, :rows, :columns] for x in back)

    # One by one, which a compiler runs side by side: a quarter faster on two cores than both in one batch.
    mean, variance = (sum(copies) / len(TURNS) for copies in zip(*map(copy, TURNS)))
    return mean, variance


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
        Blind risk during training on pixels held out of it, an unbiased estimate of the mean squared error, in
        squared units of the movie; averages over equal stretches of steps.
    gain
        Shares of the filtered movie that go into the result.
    graph, network
        Static definition of the network.
    choice
        Why this network, in words.
    posterior
        Whether filtered values are put back. Decided by `train`: only if the network cannot predict the noise, and
        the movie is not quieter than the noise model says.
    reasons
        What speaks against the result, in words: why nothing is put back, or where its variance is off.
    """

    weights: dict
    centre: Float[Array, ""]
    scale: Float[Array, ""]
    noise: Gaussian | PoissonGaussian
    history: Float[Array, " stretch"]
    gain: Gain
    graph: object = eqx.field(static=True, repr=False)
    network: Network = eqx.field(static=True)
    choice: str = eqx.field(static=True)
    posterior: bool = eqx.field(static=True)
    reasons: tuple[str, ...] = eqx.field(static=True)

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the recorded frames that go into one clean frame."""
        return restored_reads(self.network) if self.posterior else self.network.reads

    def blind(self, movie: Movie) -> Movie:
        """The clean movie predicted without the pixel itself: independent of the noise of that pixel.

        This is what residuals must be judged on. ``variance`` is the predicted one of the clean value.

        Raises
        ------
        ValueError
            If the movie does not have two space axes, or is too short for the network.
        """
        moments = believed(self, movie, *blind_moments(self, movie))
        return finished(self, movie, *moments, self.network.reads)

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
            If the movie does not have two space axes, or is too short for the network.

        Notes
        -----
        The result has read the frames it may later be judged against: see its ``reads``. All frames are held at
        once; `operax.denoise.stream` gives the same in bounded memory.
        """
        if not self.posterior:
            return self.blind(movie)
        return finished(self, movie, *completed(self, movie, *blind_moments(self, movie)), self.reads)


def past_only(network) -> bool:
    """Whether a frame's estimate must not read the next one, so that filters may look back only."""
    return 1 not in network.reads


def restored_reads(network) -> tuple[int, ...]:
    """Offsets of the frames that go into one frame where filtered values are put back."""
    behind = REACH + BEYOND
    return tuple(sorted({*range(-behind, 1 if past_only(network) else behind + 1), *network.reads}))


def there(network, count: int) -> np.ndarray:
    """Frames that have filtered values: all, or those that have a block's frames before them."""
    return np.arange(count) >= (min(SIZE, count) - 1 if past_only(network) else 0)


def normalised(denoiser, values) -> Array:
    """Values as networks read them: of about zero mean and unit spread."""
    return (values - denoiser.centre) / denoiser.scale


def put_back(denoiser, noise, observed, inside, span=None) -> Float[Array, "time row column channel"]:
    """Filtered values, normalised; see `operax.denoise.cosines.filtered` for the ``span``."""
    dtype = jax.tree.leaves(denoiser.weights)[0].dtype
    seen = jnp.moveaxis(normalised(denoiser, observed), -1, 0)
    # The noise of a block is that of its mean level, which hardly knows the noise.
    level = jnp.moveaxis(levelled(jnp.where(inside, seen, 0), inside), 0, -1) * denoiser.scale + denoiser.centre
    sigma2 = jnp.moveaxis(noise.variance(level) / denoiser.scale**2, -1, 0)
    past = past_only(denoiser.network)
    found = filtered(seen.astype(dtype), sigma2.astype(dtype), inside, denoiser.gain.spectrum, past=past, span=span)
    return jnp.moveaxis(found, 0, -1)


def noise_level(denoiser, noise, mean) -> Array:
    """Noise variance of values of this mean, all normalised."""
    return (noise.variance(mean * denoiser.scale + denoiser.centre) / denoiser.scale**2).astype(mean.dtype)


@eqx.filter_jit
def restore(denoiser, noise, mean, variance, kept, there) -> tuple[Array, Array]:
    """Mean and variance with filtered values put back, in normalised units; the noise model is in the movie's."""
    there = jnp.reshape(there, (-1, 1, 1, 1))
    return restored(denoiser.gain, mean, variance, noise_level(denoiser, noise, mean), kept, there)


def believed(denoiser, movie, mean, variance) -> tuple[Array, Array]:
    """Blind mean and variance of some frames of a movie, the variance as residuals show it."""
    noise, none = with_channels(denoiser.noise, movie), np.zeros(len(mean), bool)
    return restore(denoiser, noise, mean, variance, mean, none)


def missed(denoiser, noise, observed, mean, inside, span=None) -> Array:
    """What blocks find in the residual, by the cosines that the mean is made of: mostly what was shrunk too much."""
    parts = (normalised(denoiser, observed) - mean, noise_level(denoiser, noise, mean), mean)
    rest, sigma2, pilot = (jnp.moveaxis(part, -1, 0).astype(mean.dtype) for part in parts)
    past = past_only(denoiser.network)
    found = filtered(rest, sigma2, inside, denoiser.gain.spectrum, pilot, past=past, span=span)
    return jnp.moveaxis(found, 0, -1)


def completed(denoiser, movie, mean, variance) -> tuple[Array, Array]:
    """Blind mean and variance of a whole movie with filtered values put back."""
    noise, observed, inside = with_channels(denoiser.noise, movie), channels(movie), jnp.asarray(movie.domain.inside)
    kept = put_back(denoiser, noise, observed, inside)
    mean, variance = restore(denoiser, noise, mean, variance, kept, there(denoiser.network, len(movie)))
    return given_back(denoiser.gain, mean, missed(denoiser, noise, observed, mean, inside)), variance


def runs(network, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips that together estimate every frame of a movie, and which frames each of them estimates."""
    table, together = network.clips(count), len(network.targets)
    first = np.minimum(np.arange(0, count, together), count - together)
    return table[first], first[:, None] + np.arange(together)


@eqx.filter_jit
def _all(network, graph, weights, normal, inside):
    clips, when = runs(network, len(normal))

    def one(index):
        return estimate(graph, weights, normal[index], index >= 0, inside, network.mirror)

    # Clip by clip, recomputed in the backward pass: memory stays that of one clip.
    mean, variance = jax.lax.map(jax.checkpoint(one), jnp.asarray(clips))
    if len(network.targets) == 1:
        return mean[:, 0], variance[:, 0]
    # Runs at the end may overlap: each frame is taken from the first run that has it.
    _, pick = np.unique(when, return_index=True)
    return tuple(x.reshape(-1, *x.shape[2:])[pick] for x in (mean, variance))


def blind_moments(denoiser: Denoiser, movie: Movie) -> tuple[Array, Array]:
    """Blind mean and variance of every pixel, in normalised units, with a channel axis."""
    check(movie)
    normal, inside = normalised(denoiser, channels(movie)), jnp.asarray(movie.domain.inside)
    # Without what `train` decides last: before and after, one compiled function serves.
    return _all(denoiser.network, denoiser.graph, denoiser.weights, normal, inside)


def finished(denoiser, movie, mean, variance, reads) -> Movie:
    """The movie that normalised means and variances describe."""
    dtype, inside = movie.frames.dtype, jnp.asarray(movie.domain.inside)[..., None]
    frames = (mean * denoiser.scale + denoiser.centre).astype(dtype)
    variance = (variance * denoiser.scale**2).astype(dtype)
    # Outside the particles the recorded values stay.
    frames = jnp.where(inside, frames, channels(movie))
    return Movie(
        frames.reshape(movie.frames.shape),
        movie.times,
        movie.domain,
        variance.reshape(movie.frames.shape),
        movie.units,
        reads,
        movie.axis,
    )

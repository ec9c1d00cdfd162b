"""Train a blind-spot network on the one movie it is to denoise."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from .. import noise as noises
from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .assess import calibrated, independent
from .denoiser import Denoiser, check, neighbours
from .networks import GRID, BlindSpot, apply

# Steps between two reports of progress, and behind one entry of the history.
STRETCH = 25
# Weights are averaged over about 1 / (1 − MEMORY) steps; worth about half a dB at these short schedules.
MEMORY = 0.98
# At most this many frames are looked at to decide whether spreads are calibrated.
CHECKED = 32
# One object for all trainings, and rates as data: a new one each time would be compiled each time.
OPTIMISER = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.99))


class _Data(eqx.Module):
    """What a training step reads: normalised frames, padded to the patch, and where their pixels count."""

    frames: Float[Array, "time row column"]
    inside: Array
    pixels: Array
    clips: Array
    noise: Gaussian | PoissonGaussian
    centre: Float[Array, ""]
    scale: Float[Array, ""]
    patch: tuple[int, int] = eqx.field(static=True)


def normalisation(movie: Movie) -> tuple[Array, Array]:
    """Centre and scale of the values inside: the middle and a quarter of the span of 98 % of them.

    Quantiles, so that a few hot pixels do not squeeze the rest.
    """
    low, high = np.quantile(np.asarray(movie.frames)[:, movie.domain.inside], [0.01, 0.99])
    if not high > low:
        raise ValueError(
            f"`movie` is constant ({low:g}) in nearly all its pixels, there is nothing to learn. "
            "Check the file, or crop to the part that changes."
        )
    dtype = movie.frames.dtype
    return jnp.asarray((low + high) / 2, dtype), jnp.asarray((high - low) / 4, dtype)


def _prepare(movie: Movie, noise, network: BlindSpot, size: int) -> _Data:
    rows, columns = (min(size, n + -n % GRID) for n in movie.domain.shape)
    patch = (rows, columns)
    fill = [(0, max(0, p - n)) for p, n in zip(patch, movie.domain.shape)]
    inside = np.pad(movie.domain.inside, fill)
    centre, scale = normalisation(movie)
    frames = jnp.where(jnp.asarray(movie.domain.inside), (movie.frames - centre) / scale, 0)

    def spread_out(leaf):
        # One number serves every patch; a value for each pixel is padded and cut like the frames.
        if leaf.size == 1:
            return leaf.reshape(())
        return jnp.pad(jnp.broadcast_to(leaf, movie.domain.shape), fill, mode="edge")

    return _Data(
        jnp.pad(frames, [(0, 0), *fill]).astype(jnp.float32),
        jnp.asarray(inside),
        jnp.asarray(np.argwhere(inside)),
        jnp.asarray(neighbours(len(movie), network.reach)),
        jax.tree.map(spread_out, noise),
        centre,
        scale,
        patch,
    )


def _patch(data: _Data, key):
    """A random clip cut out around a random pixel inside, randomly flipped, with mask and noise model."""
    when, where, how = jax.random.split(key, 3)
    clip = data.clips[jax.random.randint(when, (), 0, len(data.clips))]
    around = jax.random.randint(where, (3,), 0, jnp.asarray([len(data.pixels), *data.patch]))
    corner = data.pixels[around[0]] - around[1:]
    # dynamic_slice moves corners back into the picture.
    corner = jnp.clip(corner, 0, jnp.asarray(data.inside.shape) - jnp.asarray(data.patch))

    def cut(picture):
        return jax.lax.dynamic_slice(picture, corner, data.patch)

    def flip(x):
        x = jnp.where(turned[0], x[..., ::-1, :], x)
        return jnp.where(turned[1], x[..., ::-1], x)

    turned = jax.random.bernoulli(how, 0.5, (3,))
    clip = jnp.where(turned[2], clip[::-1], clip)
    frames = jax.vmap(lambda i: cut(data.frames[i]))(clip)
    noise = jax.tree.map(lambda leaf: flip(cut(leaf)) if leaf.ndim else leaf, data.noise)
    return flip(frames), flip(cut(data.inside)), noise


def _loss(weights, graph, data: _Data, frames, inside, noise):
    """Mean negative log likelihood of the noisy middle pixels, and the blind risk."""
    mean, spread = apply(graph, weights, frames, inside)
    observed = frames[:, frames.shape[1] // 2]
    level = jax.lax.stop_gradient(mean) * data.scale + data.centre
    sigma2 = (jax.vmap(lambda n, x: n.variance(x))(noise, level) / data.scale**2).astype(mean.dtype)
    total = spread**2 + sigma2
    error2 = (observed - mean) ** 2
    count = jnp.sum(inside)
    likelihood = jnp.sum(jnp.where(inside, error2 / total + jnp.log(total), 0)) / count
    return likelihood / 2, jnp.sum(jnp.where(inside, error2 - sigma2, 0)) / count


@eqx.filter_jit
def _step(carry, key, rate, data: _Data, graph, batch):
    """One optimiser step; also its blind risk, in squared movie units."""
    # A compiled step in a Python loop: inside `lax.scan` the weight gradients of convolutions take seven
    # times as long on a CPU (measured with jax 0.10: 56 ms a step alone, 400 ms in the loop).
    weights, average, state = carry
    frames, inside, noise = jax.vmap(lambda k: _patch(data, k))(jax.random.split(key, batch))
    gradient, risk = jax.grad(_loss, has_aux=True)(weights, graph, data, frames, inside, noise)
    update, state = OPTIMISER.update(gradient, state)
    weights = jax.tree.map(lambda w, u: (w - rate * u).astype(w.dtype), weights, update)
    average = jax.tree.map(lambda a, w: MEMORY * a + (1 - MEMORY) * w, average, weights)
    return (weights, average, state), risk * data.scale**2


def train(
    movie: Movie,
    noise: Gaussian | PoissonGaussian | None = None,
    *,
    key: Key[Array, ""],
    network: BlindSpot | None = None,
    steps: int = 600,
    learning_rate: float = 5e-3,
    batch: int = 2,
    patch: int = 64,
    progress: Callable[[int, int, float], None] | None = None,
) -> Denoiser:
    """Train a blind-spot network on one noisy movie, without any clean data.

    The noisy pixel is the target, everything around it the input: −log N(y; μ, s² + σ²(μ)) is minimised over
    random flipped patches, with Adam on a cosine schedule; the weights are averaged over the last steps.

    Parameters
    ----------
    movie
        Raw grey movie of two space axes, or an energy stack. Pixels outside the particles are ignored.
    noise
        Noise model in the movie's units; measured with `operax.noise.estimate` if ``None``.
    key
        Seed of the first weights and of the patches.
    network
        The network; by default one that reads five frames on either side, fewer in a short movie.
    steps
        Number of optimiser steps. The budget is fixed: the raw loss does not tell when to stop.
    learning_rate
        Highest step size of Adam.
    batch, patch
        Patches a step, and their size in pixels; smaller movies are taken whole.
    progress
        Called as ``progress(step, steps, risk)`` every few steps with the blind risk so far.

    Returns
    -------
    Denoiser
        Its ``posterior`` says whether the noisy pixel is put back, ``reasons`` why or why not.

    Raises
    ------
    ValueError
        If the movie is not grey and two-dimensional, has fewer than three frames, is constant, or an option
        is out of range.
    RuntimeError
        If the risk stops being finite.

    Notes
    -----
    Times enter only through their order. Noise that is correlated between pixels or frames is learnt as
    signal: see `assess`.
    """
    check(movie)
    for name, value in (("steps", steps), ("batch", batch), ("patch", patch)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    if not learning_rate > 0:
        raise ValueError(f"`learning_rate` must be positive, got {learning_rate}.")
    if len(movie) < 3:
        raise ValueError(f"`movie` must have at least 3 frames to predict one from others, got {len(movie)}.")
    noise = noises.estimate(movie) if noise is None else noise
    network = BlindSpot(reach=min(5, (len(movie) - 1) // 2)) if network is None else network
    data = _prepare(movie, noise, network, patch + -patch % GRID)
    starting, walking = jax.random.split(key)
    graph, weights = network.build(key=starting)
    carry = weights, weights, OPTIMISER.init(weights)
    warm = min(20, steps // 5)
    rates = optax.warmup_cosine_decay_schedule(0.0, learning_rate, warm, steps, 0.02 * learning_rate)
    history: list[float] = []
    risks: list[Array] = []
    for number, step_key in enumerate(jax.random.split(walking, steps), 1):
        carry, risk = _step(carry, step_key, rates(number - 1), data, graph, batch)
        risks.append(risk)
        if number % STRETCH and number < steps:
            continue
        history.append(float(np.mean(risks)))
        risks.clear()
        if not np.isfinite(history[-1]):
            raise RuntimeError(
                f"training diverged before step {number} of {steps}: the risk is not finite. "
                f"Lower `learning_rate` (now {learning_rate:g}), or check the noise model {noise}."
            )
        if progress is not None:
            progress(number, steps, history[-1])
    dtype = movie.frames.dtype
    blind = Denoiser(carry[1], data.centre, data.scale, noise, jnp.asarray(history, dtype), graph, network, False, ())
    posterior, reasons = _decide(blind, movie)
    return Denoiser(blind.weights, blind.centre, blind.scale, noise, blind.history, graph, network, posterior, reasons)


def _decide(denoiser: Denoiser, movie: Movie) -> tuple[bool, tuple[str, ...]]:
    """Whether the noisy pixel may be put back, and why."""
    least = 2 * denoiser.network.reach + 1
    shown = movie[: max(CHECKED, least)]
    reasons = independent(noises.autocorrelation(movie))
    reasons = reasons or calibrated(denoiser.blind(shown), shown, denoiser.noise)
    return not reasons, reasons

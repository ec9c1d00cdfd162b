"""Train a network on the one movie it is to denoise."""

import math
import os
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key

from .. import noise as noises
from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from . import muon
from .choose import choose, start
from .decide import decide
from .denoiser import Denoiser, Network, channels, check, with_channels
from .networks import apply
from .patches import Data, cut, prepare
from .share import nothing
from .small import solved
from .store import fingerprint, keep, resume

# Steps between two reports of progress, and behind one entry of the history.
STRETCH = 25
# Weights are averaged over about 1 / (1 − MEMORY) steps; worth about half a dB at these short schedules.
MEMORY = 0.98
# Seconds between two checkpoints.
INTERVAL = 20.0
# Highest step size. Where the standard deviation of noise is below `QUIET`, as a share of the scale that values are
# divided by, it falls with the root of that, at most by half: there it shows what large steps leave unsettled.
RATE, QUIET = 1e-2, 0.16
# Gradients longer than this are shortened to it.
LONGEST = 1.0
# Pixels whose gradient is taken at once on a CPU. The memory it needs then stays below 32 MB, which the C library
# keeps for the next step; more is fetched from the system again in every step, and costs as much as the arithmetic.
PIECE = 2 * 64**2
# Kernels shrink by this much times the step size in every step: Muon then holds their singular values below about
# one over it, and a network that cannot grow steep learns less noise by heart. Movies of more independent values
# than `FEW` need less of it, and lose fine detail by it.
DECAY, FEW = 2.0, 20_000


def _likelihood(error, factor, sigma2):
    """−2 log N(error; 0, L Lᵀ + σ²), without constants, of every pixel."""
    if error.shape[-1] == 1:
        total = factor[..., 0, 0] ** 2 + sigma2[..., 0]
        return error[..., 0] ** 2 / total + jnp.log(total)
    total = factor @ factor.swapaxes(-1, -2) + sigma2[..., None] * jnp.eye(error.shape[-1], dtype=error.dtype)
    weighed, logarithm = solved(total, error[..., None])
    return jnp.sum(error * weighed[..., 0], -1) + logarithm


def blind_loss(weights, graph, data: Data, batch):
    """Mean negative log likelihood of the noisy targets; blind risk on held-out pixels, as sum and count."""
    frames, seen, inside, held, noise = batch
    mean, factor = apply(graph, weights, frames, seen, inside)
    observed = frames[:, jnp.asarray(data.targets)]
    level = jax.lax.stop_gradient(mean) * data.scale + data.centre
    sigma2 = (jax.vmap(lambda n, x: n.variance(x))(noise, level) / data.scale**2).astype(mean.dtype)
    used, judged = inside[:, None] & ~held, inside[:, None] & held
    # Outside, recorded values may be NaN.
    error = jnp.where(inside[:, None, ..., None], observed - mean, 0)
    value = jnp.sum(jnp.where(used, _likelihood(error, factor, sigma2), 0)) / jnp.maximum(jnp.sum(used), 1)
    risk = jnp.sum(jnp.where(judged[..., None], error**2 - sigma2, 0))
    return value / 2, (risk, jnp.sum(judged) * mean.shape[-1])


def shortened(gradient):
    """A gradient of no more than the greatest length."""
    length = optax.global_norm(gradient)
    return jax.tree.map(lambda g: g * jnp.minimum(1, LONGEST / (length + 1e-12)), gradient)


@eqx.filter_jit
def _slope(weights, keys, batch: int, data: Data, graph):
    """A few patches' share in the gradient, their loss, and their blind risk: a sum, in squared units, and a count."""
    # A compiled step in a Python loop: inside `lax.scan` the weight gradients of convolutions take seven
    # times as long on a CPU (measured with jax 0.10: 56 ms a step alone, 400 ms in the loop).
    cuts = jax.vmap(lambda k: cut(data, k))(keys)
    (value, (risk, count)), gradient = jax.value_and_grad(blind_loss, has_aux=True)(weights, graph, data, cuts)
    return jax.tree.map(lambda g: g * (len(keys) / batch), gradient), (value, risk * data.scale**2, count)


@eqx.filter_jit
def _step(carry, gradients, rate, decay):
    """One optimiser step against the sum of gradients."""
    weights, average, state = carry
    gradient = jax.tree.map(lambda *parts: sum(parts), *gradients)
    direction, state = muon.step(shortened(gradient), state)
    direction = jax.tree.map(lambda w, d: d + decay * w if w.ndim > 1 else d, weights, direction)
    weights = jax.tree.map(lambda w, d: (w - rate * d).astype(w.dtype), weights, direction)
    average = jax.tree.map(lambda a, w: MEMORY * a + (1 - MEMORY) * w, average, weights)
    return weights, average, state


def train(
    movie: Movie,
    noise: Gaussian | PoissonGaussian | None = None,
    *,
    key: Key[Array, ""],
    network: Network | None = None,
    steps: int = 400,
    learning_rate: float | None = None,
    batch: int = 4,
    patch: int = 64,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Denoiser:
    """Train a blind network on one noisy movie, without any clean data.

    The noisy pixel is the target, everything around it the input: −log N(y; μ, s² + σ²(μ)) is minimised over
    random flipped patches, with Muon on a cosine schedule; the weights are averaged over the last steps. One
    pixel in 23 is never a target and measures the risk.

    Parameters
    ----------
    movie
        Raw movie of two space axes, or an energy stack; grey or colour. Pixels outside the particles are ignored.
    noise
        Noise model in the movie's units; measured with `operax.noise.estimate` if ``None``.
    key
        Seed of the first weights and of the patches. The same key gives the same bits.
    network
        The network; by default the one that `choose` finds for the noise of the movie.
    steps
        Number of optimiser steps. The budget is fixed: the raw loss does not tell when to stop.
    learning_rate
        Highest step size; by default 0.01, less for a movie of little noise.
    batch, patch
        Patches a step, and their size in pixels; smaller movies are taken whole.
    progress
        Called as ``progress(step, steps, risk)`` every few steps with the blind risk so far;
        `operax.denoise.narrate` gives one that prints a line with the time left.
    checkpoint
        File in which training is kept, whole at any time. If it is there, training goes on from it and ends with
        the same bits as one that was never interrupted.

    Returns
    -------
    Denoiser
        Its ``posterior`` says whether noisy values are put back, ``reasons`` what speaks against the result.

    Raises
    ------
    ValueError
        If the movie does not have two space axes, has fewer than three frames, is constant, an option is out of
        range, or the checkpoint belongs to another training.
    RuntimeError
        If the loss stops being finite.

    Notes
    -----
    Times enter only through their order. Noise that is correlated between pixels or frames is learnt as
    signal unless the network is blind to as much: see `choose` and `assess`.
    """
    return _trained(movie, noise, None, key, network, steps, learning_rate, batch, patch, progress, checkpoint)


def tune(
    denoiser: Denoiser,
    movie: Movie,
    noise: Gaussian | PoissonGaussian | None = None,
    *,
    key: Key[Array, ""],
    steps: int = 100,
    learning_rate: float = 3e-3,
    batch: int = 2,
    patch: int = 64,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Denoiser:
    """Go on training a denoiser on a sister movie: same kind of sample, a fraction of the steps.

    Parameters
    ----------
    denoiser
        Trained on another movie. Its network and weights are taken over; normalisation and noise model are
        those of the new movie.
    movie, noise, key, steps, learning_rate, batch, patch, progress, checkpoint
        As for `train`.

    Raises
    ------
    ValueError, RuntimeError
        As `train`.
    """
    network, weights = denoiser.network, denoiser.weights
    return _trained(movie, noise, weights, key, network, steps, learning_rate, batch, patch, progress, checkpoint)


def _trained(movie, noise, weights, key, network, steps, learning_rate, batch, patch, progress, checkpoint):
    check(movie)
    for name, value in (("steps", steps), ("batch", batch), ("patch", patch)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    if learning_rate is not None and not learning_rate > 0:
        raise ValueError(f"`learning_rate` must be positive, got {learning_rate}.")
    if len(movie) < 3:
        raise ValueError(f"`movie` must have at least 3 frames to predict one from others, got {len(movie)}.")
    noise = noises.estimate(start(movie)) if noise is None else noise
    # One kind of number for all trainings, so that they share compiled code and come back from a file the same.
    noise = jax.tree.map(lambda leaf: jnp.asarray(leaf, movie.frames.dtype), noise)
    why = "given"
    if network is None:
        choice = choose(movie)
        network, why = choice.network, choice.reason
    data = prepare(movie, noise, network, patch)
    learning_rate = _rate(movie, noise, float(data.scale)) if learning_rate is None else learning_rate
    starting, walking = jax.random.split(key)
    graph, fresh = network.build(data.frames.shape[-1], key=starting)
    weights = fresh if weights is None else weights
    carry, history, mark = (weights, weights, muon.begin(weights)), [], ""
    if checkpoint is not None:
        mark = fingerprint((data, weights, key), (repr(network), steps, learning_rate, batch))
        carry, history = resume(checkpoint, mark, carry)
    rates = optax.warmup_cosine_decay_schedule(0.0, learning_rate, min(20, steps // 5), steps, 0.02 * learning_rate)
    keys, decay = jax.random.split(walking, (steps, batch)), jnp.asarray(_decay(movie), jnp.float32)
    size = batch if jax.default_backend() != "cpu" else max(1, PIECE // math.prod(data.patch))
    done, written = min(len(history) * STRETCH, steps), time.monotonic()
    while done < steps:
        stop = min(done + STRETCH, steps)
        pieces: list = []
        for number in range(done, stop):
            fresh = [_slope(carry[0], keys[number, i : i + size], batch, data, graph) for i in range(0, batch, size)]
            carry = _step(carry, [gradient for gradient, _ in fresh], rates(number), decay)
            pieces += [found for _, found in fresh]
        values, risks, counts = np.asarray(pieces, float).T
        done = stop
        if not np.isfinite(values).all():
            raise RuntimeError(
                f"training diverged before step {done} of {steps}: the loss is not finite. "
                f"Lower `learning_rate` (now {learning_rate:g}), or check the noise model {noise}."
            )
        history.append(float(risks.sum() / max(counts.sum(), 1)))
        if checkpoint is not None and (done == steps or time.monotonic() - written > INTERVAL):
            keep(checkpoint, mark, carry, history)
            written = time.monotonic()
        if progress is not None:
            progress(done, steps, history[-1])
    past = jnp.asarray(history, movie.frames.dtype)
    numbers = carry[1], data.centre, data.scale, noise, past
    # a copy of a movie that may be large
    del data
    blind = Denoiser(*numbers, nothing(jnp.float32), graph, network, why, False, ())
    gain, posterior, reasons = decide(blind, movie, key=jax.random.fold_in(key, steps))
    return Denoiser(*numbers, gain, graph, network, why, posterior, reasons)


def _rate(movie: Movie, noise, scale: float) -> float:
    """The highest step size: smaller where noise is a small part of the movie."""
    shown = start(movie)
    sigma2 = np.asarray(with_channels(noise, shown).variance(channels(shown)))[:, shown.domain.inside].mean()
    loudness = float(sigma2) ** 0.5 / (QUIET * scale)
    return RATE * min(1.0, max(0.5, loudness**0.5))


def _decay(movie: Movie) -> float:
    """How fast kernels shrink: faster the fewer independent values of noise a movie holds."""
    spread = np.asarray(noises.autocorrelation(start(movie)).space)
    values = len(movie) * movie.domain.inside.sum() / (spread**2).sum()
    return DECAY * min(1.0, (FEW / values) ** 0.5)

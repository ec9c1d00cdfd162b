"""Train the denoiser with the physics: one compiled step for the weights of a network and the laws it serves."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..denoise import muon
from ..denoise.choose import choose
from ..denoise.denoiser import (
    Denoiser,
    blind_moments,
    channels,
    estimate,
    missed,
    put_back,
    restore,
    runs,
    there,
    with_channels,
)
from ..denoise.networks import BlindSpot, FrameBlind
from ..denoise.patches import Data, cut, held_out, prepare
from ..denoise.train import STRETCH, blind_loss, shortened, train
from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from ..physics.equations import AbstractEquation
from ..physics.plan import StepPlan
from .fit import Fit, fit
from .linearise import loss, misfit, predict
from .problem import Problem
from .reverse import frozen
from .starts import Given

# Frames read to either side by the network, unless it is given.
REACH = 5
# Step size of the laws, in standard deviations of their prior.
PACE = 0.02
# Weights are averaged over about 1 / (1 − MEMORY) steps.
MEMORY = 0.95


class Joint(eqx.Module):
    """A denoiser and laws trained together.

    Attributes
    ----------
    fit
        The laws, fitted to the end with the trained denoiser's start states.
    problem
        What they were fitted to: raw frames, judged from denoised starts that have not read them.
    denoiser
        The network, trained on its own blind prediction and on how well its frames lead the equation to later ones.
    history
        By stretch: blind risk of the network on values held out of all training, in squared units of the movie; and
        reduced χ² of the equation on values trained on and on values held out. The second above the third means
        that noise was learnt by heart.
    """

    fit: Fit
    problem: Problem
    denoiser: Denoiser
    history: Float[Array, "stretch 3"]


class _Task(eqx.Module):
    """What one step reads."""

    data: Data
    denoiser: Denoiser
    problem: Problem
    trained: Array  # factors of the values the physics is trained on
    plan: StepPlan
    clips: Array
    filtered: Array | None  # first frames of all windows, filtered, if they are put back
    missing: Array | None  # what is found in their residuals before training
    known: Array
    scored: float

    def start(self, weights, window):
        """The denoised first frame of a window, as the denoiser would return it."""
        d, raw = self.denoiser, self.problem.data
        frames, inside = channels(raw), jnp.asarray(raw.domain.inside)
        index = self.clips[window]
        normal = (frames[index] - d.centre) / d.scale
        mean, variance = estimate(d.graph, weights, normal, index >= 0, inside, d.network.mirror)
        mean, variance = mean[0], variance[0]
        if self.filtered is not None and self.missing is not None:
            kept, known = self.filtered[window][None], self.known[window][None]
            mean = restore(d, with_channels(d.noise, raw), mean[None], variance[None], kept, known)[0][0]
            mean += self.missing[window]
        state = (mean * d.scale + d.centre)[..., 0].astype(raw.frames.dtype)
        return jnp.where(inside, state, self.problem.starts.base[window])

    def window(self, weights, window, factor) -> Problem:
        """The problem of one window, started by these weights."""
        schedule = jax.tree.map(
            lambda x: jax.lax.dynamic_index_in_dim(jnp.asarray(x), window, keepdims=True), self.problem.schedule
        )
        parts = (schedule, self.start(weights, window)[None], factor)
        return eqx.tree_at(lambda p: (p.schedule, p.starts.base, p.factor), self.problem, parts)


def _value(unknown, task: _Task, batch, window, coupling):
    weights, equation = unknown
    blind, (risk, count) = blind_loss(weights, task.denoiser.graph, task.data, batch)
    problem = task.window(weights, window, task.trained)
    predicted = predict(equation, problem.starts.guess[:1], problem, task.plan)
    share = loss(problem, predicted) / jnp.maximum((problem.targets()[1] > 0).sum(), 1)
    prior = 0.5 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(equation)) / task.scored
    rest = eqx.tree_at(lambda p: p.factor, problem, task.problem.factor - task.trained)
    chi2 = jnp.stack([misfit(p, predicted) for p in (problem, rest)])
    counts = jnp.stack([(p.targets()[1] > 0).sum() for p in (problem, rest)])
    return blind + coupling * (share + prior), (jnp.append(risk, chi2), jnp.append(count, counts))


@eqx.filter_jit
def _step(carry, key, rates, task: _Task, size, coupling):
    """One step of weights and laws against the blind loss and the misfit of one window."""
    unknown, average, state = carry
    patch_key, window_key = jax.random.split(key)
    batch = jax.vmap(lambda k: cut(task.data, k))(jax.random.split(patch_key, size))
    window = jax.random.randint(window_key, (), 0, len(task.clips))
    slopes, seen = jax.grad(_value, has_aux=True)(unknown, task, batch, window, coupling)
    good = jnp.all(jnp.asarray([jnp.isfinite(x).all() for x in jax.tree.leaves(slopes)]))
    slopes = jax.tree.map(lambda g: jnp.where(good, g, 0), slopes)
    directions, state = muon.step((shortened(slopes[0]), slopes[1]), state)
    unknown = tuple(
        jax.tree.map(lambda w, d, rate=rate: (w - rate * d).astype(w.dtype), w, d)
        for w, d, rate in zip(unknown, directions, rates)
    )
    average = jax.tree.map(lambda a, w: MEMORY * a + (1 - MEMORY) * w, average, unknown)
    return (unknown, average, state), (*seen, good)


def fit_joint(
    equation: AbstractEquation,
    movie: Movie,
    noise: Gaussian | PoissonGaussian,
    *,
    key: Key[Array, ""],
    window: int = 4,
    denoiser: Denoiser | None = None,
    warmup: int = 300,
    steps: int = 100,
    learning_rate: float = 5e-4,
    batch: int = 2,
    patch: int = 64,
    coupling: float = 1.0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Joint:
    """Train a denoiser together with the equation its frames are to start, then fit the laws to the end.

    The network is first trained alone and the laws fitted to its frames. Each further step lowers the blind loss on
    random patches plus the misfit of the equation over one window of raw frames, started from the network's own first
    frame; the derivative runs through solver and network to weights and laws.

    Parameters
    ----------
    equation
        Where to start from, and the prior.
    movie, noise
        The raw movie of two space axes, one channel, and its noise.
    key
        Random key.
    window
        Frames of a window, its first one included.
    denoiser
        Trained before, with a network that skips the following ``window - 1`` frames; ``None`` trains one.
    warmup
        Steps of the network alone, where none is given.
    steps, learning_rate, batch, patch
        Steps together, step size of the weights, patches a step and their size.
    coupling
        Weight of the physics; 1 counts a value that the equation predicts as much as one that the network does.
    progress
        Called as ``progress(step, steps, risk)``, with the network alone first.

    Returns
    -------
    Joint

    Raises
    ------
    ValueError
        If ``window`` or a number of steps is too small, the movie too short, or the denoiser reads what it starts.
    RuntimeError
        If training diverges, or the equation cannot be solved.

    Notes
    -----
    A window's start has not read the frames it is judged against. The weights have: they are shared by all windows,
    and values held out of all training tell whether noise was learnt by heart (`Joint.history`). Start states are
    the network's and taken as exact in the fit that ends it, so that their error is in no band of `laplace`;
    `propagate` carries it. `PreRoll` starts need no network and are the way to laws without bias.
    """
    for name, value, least in (("window", window, 2), ("steps", steps, 1), ("batch", batch, 1)):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}, got {value}.")
    train_key, walk_key = jax.random.split(key)
    if denoiser is None:
        network = _excluding(movie, window)
        denoiser = train(movie, noise, key=train_key, network=network, steps=warmup, progress=progress)
    windows = _windows(len(movie), window, denoiser)
    states = denoiser(movie)
    problem = Problem(movie, states, noise, window=windows, start=Given())
    data = prepare(movie, denoiser.noise, denoiser.network, patch)
    rows = np.indices(movie.frames.shape)
    trained = problem.factor * ~held_out(*(jnp.asarray(x) for x in rows))
    # laws far from the truth would teach the network wrong frames
    before = fit(equation, problem)
    equation, plan = before.equation, frozen(before.plans)[0]
    firsts = np.asarray([w[0] for w in windows])
    table, _ = runs(denoiser.network, len(movie))
    clips = jnp.asarray(table[firsts])
    filtered, missing, known = None, None, jnp.asarray(there(denoiser.network, len(movie)))
    if denoiser.posterior:
        raw, model, inside = (
            channels(problem.data),
            with_channels(denoiser.noise, movie),
            jnp.asarray(movie.domain.inside),
        )
        filtered = put_back(denoiser, model, raw, inside)
        mean = restore(denoiser, model, *blind_moments(denoiser, movie), filtered, known)[0]
        missing = denoiser.gain.again * missed(denoiser, model, raw, mean, inside)[firsts]
        filtered = filtered[firsts]
    still = clips, filtered, missing, known[firsts]
    task = _Task(data, denoiser, problem, trained, plan, *still, float(problem.scored))
    unknown = (denoiser.weights, equation)
    carry = unknown, unknown, muon.begin(unknown)
    fade = 0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))
    history = []
    seen: list[tuple[Array, Array, Array]] = []
    for number, step_key in enumerate(jax.random.split(walk_key, steps)):
        rates = jnp.asarray([learning_rate, PACE]) * fade[number]
        carry, found = _step(carry, step_key, rates, task, batch, coupling)
        seen.append(found)
        if len(seen) == STRETCH or number + 1 == steps:
            sums, counts, good = (np.asarray(jnp.stack(x), float).sum(0) for x in zip(*seen))
            # a step without a finite derivative is left out; a stretch of nothing else has taught nothing
            if not np.isfinite(sums).all() or good == 0:
                raise RuntimeError(
                    f"training diverged before step {number + 1} of {steps}. Lower `learning_rate` (now "
                    f"{learning_rate:g}), or start from laws that the movie's windows can be solved with."
                )
            history.append(sums / np.maximum(counts, 1) * np.array([float(data.scale) ** 2, 1.0, 1.0]))
            seen = []
            if progress is not None:
                progress(number + 1, steps, float(history[-1][0]))
    weights, equation = carry[1]
    denoiser = eqx.tree_at(lambda d: d.weights, denoiser, weights)
    problem = Problem(movie, denoiser(movie), noise, window=windows, start=Given())
    dtype = movie.frames.dtype
    return Joint(fit(equation, problem), problem, denoiser, jnp.asarray(np.stack(history), dtype))


def _excluding(movie: Movie, window: int) -> BlindSpot | FrameBlind:
    """The network the noise asks for, made not to read the frames a window is judged on."""
    chosen = choose(movie).network
    reach = min(REACH, (len(movie) - 1) // 2)
    if isinstance(chosen, FrameBlind):
        return FrameBlind(reach, chosen.width, window - 1)
    return BlindSpot(reach, chosen.width, chosen.footprint, window - 1)


def _windows(count: int, window: int, denoiser: Denoiser) -> list[range]:
    """Windows whose starts have all the past they can read."""
    first = -min(denoiser.network.reads)
    if first + window > count:
        raise ValueError(
            f"a movie of {count} frames is too short for windows of {window} whose start reads {first} frames before "
            "it; take a shorter `window` or a network of less reach."
        )
    leaked = [o for o in denoiser.reads if 0 < o < window]
    if leaked:
        raise ValueError(
            f"the denoiser reads frames {leaked} after the one it cleans, which a window of {window} is judged on; "
            f"train its network with `skip={window - 1}`."
        )
    starts = range(first, count - 1, window - 1)
    return [range(f, min(f + window, count)) for f in starts]

"""Problem: what a fit is judged by - raw frames, their noise, windows, start states."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .starts import Given, PreRoll, Starts, given, unknown


def _as_seen(c):
    return c


class Problem(eqx.Module):
    """A movie to be explained: the raw frames judge, the denoised ones only start.

    Parameters
    ----------
    data
        The raw movie, one channel.
    states
        A movie of the same frames to start from, usually the denoised one; default ``data`` itself.
    noise
        Noise model of ``data``; default its ``variance``.
    window
        Number of frames predicted from one start state. ``None`` takes the whole movie as one window; short
        windows are easier to fit from a poor first guess and know less.
    weights
        Factor on the inverse variance of every value, broadcastable to the frames: 0 leaves a value out.
    observe
        Function from a state to what the instrument would see of it (blur, binning to the same shape); default
        nothing.
    start
        `PreRoll` (default): start states are unknowns, inferred with the laws. `Given`: frames of ``states``
        are taken as exact, and a target that its start has read is never scored.

    Raises
    ------
    ValueError
        If movies do not match, a colour movie is given, no noise is known, or nothing is left to score.
    """

    data: Movie
    weights: Float[Array, "time *space"]
    starts: Starts
    windows: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    observe: Callable = eqx.field(static=True)

    def __init__(
        self,
        data: Movie,
        states: Movie | None = None,
        noise: Gaussian | PoissonGaussian | None = None,
        *,
        window: int | None = None,
        weights: Float[Array, "..."] | None = None,
        observe: Callable | None = None,
        start: PreRoll | Given | None = None,
    ):
        states = data if states is None else states
        # solved in JAX's default precision, whatever precision the file had
        data, states = (m.replace(frames=m.frames.astype(float)) for m in (data, states))
        start = PreRoll() if start is None else start
        _check_movies(data, states)
        self.data, self.observe = data, observe or _as_seen
        variance = _variance(data, states, noise)
        self.windows = _windows(len(data), window, isinstance(start, Given))
        scored = jnp.ones(data.frames.shape, data.frames.dtype) if weights is None else _weights(weights, data)
        if isinstance(start, Given):
            scored = scored * _unread(states, self.windows)
        scored = jnp.where(jnp.asarray(data.domain.inside), scored / variance, 0)
        if not isinstance(scored, jax.core.Tracer) and not bool((scored > 0).any()):
            raise ValueError(
                "no frame is left to score: every target lies inside what its start state has read "
                f"(offsets {states.reads}). Take longer windows, start from the raw movie, or use `start=PreRoll()`."
            )
        self.weights = scored
        firsts = tuple(w[0] for w in self.windows)
        if isinstance(start, Given):
            self.starts = given(states, firsts)
        else:
            # a denoised frame errs by less than the raw noise; judged as raw it is trusted less, never more
            self.starts = unknown(start, states, variance, firsts)

    @property
    def scored(self) -> int:
        """Number of values that enter the likelihood."""
        return int((np.asarray(self.weights) > 0).sum())

    def legs(self) -> tuple[Array, Array, Array]:
        """Frames to be reached from each start: times (with the start's own first), frames, weights.

        Shapes (window, 1 + leg), (window, leg, \\*space), (window, leg, \\*space). Windows shorter than the longest
        are filled up with frames of weight zero.
        """
        most = max(len(w) for w in self.windows)
        index = np.array([[*w, *[w[-1]] * (most - len(w))] for w in self.windows])
        real = np.array([[True] * len(w) + [False] * (most - len(w)) for w in self.windows])
        spare = np.cumsum(~real, 1)
        typical = (self.data.times[-1] - self.data.times[0]) / max(len(self.data) - 1, 1)
        times = self.data.times[index] + spare * typical
        frames = self.data.frames[index]
        weights = self.weights[index] * real.reshape(*real.shape, *(1,) * self.data.domain.ndim)
        if self.starts.lead == 0:
            return times, frames[:, 1:], weights[:, 1:]
        return jnp.concatenate([times[:, :1] - self.starts.lead, times], 1), frames, weights


def _check_movies(data, states):
    if data.channels_ndim:
        raise ValueError(
            f"a fit needs one value a pixel, got a colour movie of shape {data.frames.shape}; convert it to a "
            "composition (or pick one channel) first."
        )
    if len(data) < 2:
        raise ValueError("a fit needs at least two frames; this movie has one.")
    if states.frames.shape != data.frames.shape or states.domain != data.domain:
        raise ValueError(
            "`states` must show the same frames on the same domain (size, spacing, boundary, mask) as `data`: "
            f"got shape {states.frames.shape} and spacing {states.domain.spacing}, expected {data.frames.shape} and "
            f"{data.domain.spacing}."
        )


def _variance(data, states, noise):
    if noise is not None:
        variance = noise.variance(states.frames)
    elif data.variance is not None:
        variance = jnp.broadcast_to(data.variance, data.frames.shape)
    else:
        raise ValueError(
            "the noise of `data` is not known: give `noise`, e.g. `operax.noise.estimate(data)`, or a movie with "
            "`variance`."
        )
    variance = jnp.broadcast_to(variance, data.frames.shape)
    if not isinstance(variance, jax.core.Tracer) and not bool((variance[:, data.domain.inside] > 0).all()):
        raise ValueError("the noise variance must be positive at every pixel inside the particles.")
    return jnp.where(jnp.asarray(data.domain.inside), variance, 1.0).astype(data.frames.dtype)


def _windows(frames, window, given_starts):
    if window is None:
        return (tuple(range(frames)),)
    if not (isinstance(window, int) and 2 <= window <= frames):
        raise ValueError(f"`window` must be a number of frames from 2 to {frames}, or None for all, got {window!r}.")
    # a given start only serves the frames after it, so windows share their end frames; unknown starts need not
    stride = window - 1 if given_starts else window
    cuts = [tuple(range(i, min(i + window, frames))) for i in range(0, frames, stride)]
    return tuple(w for w in cuts if len(w) > 1 or not given_starts)


def _weights(weights, data):
    try:
        weights = jnp.broadcast_to(jnp.asarray(weights, data.frames.dtype), data.frames.shape)
    except ValueError:
        raise ValueError(
            f"`weights` must be broadcastable to the frames' {data.frames.shape}, got {jnp.shape(weights)}."
        ) from None
    if not isinstance(weights, jax.core.Tracer) and not bool((weights >= 0).all() & jnp.isfinite(weights).all()):
        raise ValueError("`weights` must be finite, zero or positive.")
    return weights


def _unread(states, windows):
    """1 where a frame may be scored against its window's given start, 0 where the start has read it."""
    mask = np.zeros((len(states), *(1,) * states.domain.ndim))
    for w in windows:
        read = {w[0] + offset for offset in states.reads} | {w[0]}
        for frame in w[1:]:
            mask[frame] = frame not in read
    return jnp.asarray(mask, states.frames.dtype)

"""Problem: what a fit is judged by - raw frames, their noise, windows, start states."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie
from ..physics.transforms import AbstractTransform, transform
from .likelihood import Likelihood, Noise, likelihood, spread
from .observe import AsItIs, Function
from .schedule import Schedule, schedule
from .starts import Given, PreRoll, Starts, given, unknown


class Problem(eqx.Module):
    """A movie to be explained: the raw frames judge, the denoised ones only start.

    Parameters
    ----------
    data
        The raw movie, one channel.
    states
        A movie of the same frames to start from, usually the denoised one; default ``data`` itself.
    noise
        Noise model of ``data``; default its ``variance``. Noise whose variance depends on the value is judged
        with the variance at the predicted value.
    window
        Number of frames predicted from one start state, or a list of frame numbers for each window. ``None``
        takes the whole movie as one window; short windows are easier to fit from a poor first guess and know
        less.
    weights
        Factor on the inverse variance of every value, broadcastable to the frames: 0 leaves a value out.
    observe
        Function from a state to what the instrument would see of it, such as `Blur`; default nothing.
    exposure
        Time over which a frame is the mean, centred on its time.
    start
        `PreRoll` (default): start states are unknowns, inferred with the laws. `Given`: frames of ``states``
        are taken as exact, and a target that its start has read is never scored.

    Raises
    ------
    ValueError
        If movies do not match, a colour movie is given, no noise is known, or nothing is left to score.
    """

    data: Movie
    factor: Float[Array, "time *space"]  # zero where a value does not count
    variance: Float[Array, "time *space"]  # at the states
    starts: Starts
    schedule: Schedule
    likelihood: Likelihood
    geometry: AbstractTransform
    observe: Callable
    windows: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    exposure: float = eqx.field(static=True)

    def __init__(
        self,
        data: Movie,
        states: Movie | None = None,
        noise: Noise | None = None,
        *,
        window: int | Sequence[Sequence[int]] | None = None,
        weights: Float[Array, "..."] | None = None,
        observe: Callable | None = None,
        exposure: float = 0.0,
        start: PreRoll | Given | None = None,
    ):
        states = data if states is None else states
        # solved in JAX's default precision, whatever precision the file had
        data, states = (m.replace(frames=m.frames.astype(float)) for m in (data, states))
        start = PreRoll() if start is None else start
        _check_movies(data, states)
        self.data, self.geometry = data, transform(data.domain)
        seen = AsItIs() if observe is None else observe
        self.observe = seen if isinstance(seen, eqx.Module) else Function(seen)
        self.variance = _variance(data, states, noise)
        self.windows = _windows(len(data), window, isinstance(start, Given))
        scored = jnp.ones(data.frames.shape, data.frames.dtype) if weights is None else _weights(weights, data)
        scored = scored * _reached(states, self.windows, isinstance(start, Given))
        scored = jnp.where(jnp.asarray(data.domain.inside), scored, 0)
        if not isinstance(scored, jax.core.Tracer) and not bool((scored > 0).any()):
            raise ValueError(
                "no frame is left to score: every target has weight zero or lies inside what its start state has read "
                f"(offsets {states.reads}). Take longer windows, start from the raw movie, or use `start=PreRoll()`."
            )
        self.factor = scored
        self.likelihood = likelihood(noise, data.domain, float(jnp.min(self.variance[:, data.domain.inside])))
        firsts = tuple(w[0] for w in self.windows)
        if isinstance(start, Given):
            self.starts = given(states, firsts)
        else:
            # a denoised frame errs by less than the raw noise; judged as raw it is trusted less, never more
            self.starts = unknown(start, states, self.variance, firsts)
        self.exposure = float(exposure)
        self.schedule = schedule(data.times, self.windows, self.starts.lead, self.exposure)

    @property
    def weights(self) -> Float[Array, "time *space"]:
        """Inverse variance every value is judged with, at the states; zero where it does not count."""
        return self.factor / self.variance

    @property
    def scored(self) -> int:
        """Number of values that enter the likelihood."""
        return int((np.asarray(self.factor) > 0).sum())

    def targets(self) -> tuple[Array, Array, Array]:
        """Frames to be reached by each window, their factors and variances, each (window, slot, \\*space)."""
        at = self.schedule.frames
        real = jnp.asarray(self.schedule.real).reshape(*at.shape, *(1,) * self.data.domain.ndim)
        return self.data.frames[at], self.factor[at] * real, self.variance[at]


def together(problem: Problem | Sequence[Problem]) -> tuple[Problem, ...]:
    """One problem, or several that share their laws, as a tuple.

    Raises
    ------
    TypeError
        If something else is among them, or there is none.
    """
    problems = (problem,) if isinstance(problem, Problem) else tuple(problem)
    if not problems or not all(isinstance(p, Problem) for p in problems):
        raise TypeError(f"`problem` must be a `Problem` or a list of them, got {[type(p).__name__ for p in problems]}.")
    return problems


def first_guess(problems: tuple[Problem, ...]) -> Float[Array, "window mode"]:
    """Start coordinates of all windows of all movies.

    Windows with fewer modes than others are filled up with coordinates that act on nothing, which the prior holds
    at zero.
    """
    most = max(p.starts.guess.shape[1] for p in problems)
    return jnp.concatenate([jnp.pad(p.starts.guess, ((0, 0), (0, most - p.starts.guess.shape[1]))) for p in problems])


def split(xi: Float[Array, "window mode"], problems: tuple[Problem, ...]) -> tuple[Float[Array, "window mode"], ...]:
    """The start coordinates of each problem."""
    ends = np.cumsum([len(p.windows) for p in problems])
    return tuple(xi[e - len(p.windows) : e, : p.starts.guess.shape[1]] for e, p in zip(ends, problems))


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
        variance = spread(noise).variance(states.frames)
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
    if isinstance(window, int) and 2 <= window <= frames:
        # a given start only serves the frames after it, so windows share their end frames; unknown starts need not
        stride = window - 1 if given_starts else window
        cuts = [tuple(range(i, min(i + window, frames))) for i in range(0, frames, stride)]
        return tuple(w for w in cuts if len(w) > 1 or not given_starts)
    if isinstance(window, int | str):
        raise ValueError(
            f"`window` must be a number of frames from 2 to {frames}, a list of frame numbers for each window, or "
            f"None for all, got {window!r}."
        )
    cuts = [tuple(int(i) for i in w) for w in window]
    shown = [i for w in cuts for i in (w[1:] if given_starts else w)]
    rising = all((np.diff(w) > 0).all() for w in (*cuts, shown))
    if (
        not shown
        or not rising
        or min(len(w) for w in cuts) < 1 + given_starts
        or not 0 <= cuts[0][0] <= max(shown) < frames
    ):
        raise ValueError(
            f"windows given as lists must name frames from 0 to {frames - 1} in rising order, none in two windows "
            f"(but the first of a window with a given start), got {cuts}."
        )
    return tuple(cuts)


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


def _reached(states, windows, given_starts):
    """1 where a frame may be scored, 0 where no window reaches it or a given start has read it."""
    mask = np.zeros((len(states), *(1,) * states.domain.ndim))
    for w in windows:
        read = {w[0] + offset for offset in states.reads} | {w[0]} if given_starts else set()
        for frame in w:
            mask[frame] = max(mask[frame], frame not in read)
    return jnp.asarray(mask, states.frames.dtype)

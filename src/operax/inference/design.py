"""Design of experiments: how much narrower would bands be with another recording of the same thing?"""

import math
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from .fit import Fit, as_fitted
from .linearise import linearise
from .problem import Problem
from .schedule import schedule


class Recording(eqx.Module):
    """Another way to record the same movie.

    Parameters
    ----------
    times
        Times of the frames; ``None`` keeps those of the movie.
    dose
        Exposure or counts of every frame relative to the movie: noise variance falls by this factor.
    weights
        Further factor on the inverse variance of each pixel, broadcastable to a frame: 0 leaves a pixel out.
    """

    times: tuple[float, ...] | None = eqx.field(
        default=None, static=True, converter=lambda t: None if t is None else tuple(float(x) for x in t)
    )
    dose: float = eqx.field(default=1.0, static=True, converter=float)
    weights: Float[np.ndarray, "..."] | None = eqx.field(
        default=None, converter=lambda w: None if w is None else np.asarray(w, float)
    )

    def __check_init__(self):
        if not (np.isfinite(self.dose) and self.dose > 0):
            raise ValueError(f"`dose` must be positive and finite, got {self.dose}.")
        if self.times is not None and (len(self.times) < 2 or (np.diff(self.times) <= 0).any()):
            raise ValueError(f"`times` must be at least two, strictly increasing, got {self.times}.")


class Design(eqx.Module):
    """Standard deviations to expect. Printing it gives a table.

    Attributes
    ----------
    names
        The recordings, the one at hand first.
    widths
        Posterior standard deviation of each quantity under each recording.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    widths: Float[np.ndarray, "recording quantity"]

    @property
    def gain(self) -> Float[np.ndarray, "recording quantity"]:
        """How many times narrower than with the recording at hand."""
        return self.widths[0] / self.widths

    def __str__(self) -> str:
        width = max(map(len, (*self.names, "recording")))
        lines = [f"{'recording':<{width}}  narrower (median, least, most)  widths"]
        for name, row, gain in zip(self.names, self.widths, self.gain):
            few = " ".join(f"{x:.3g}" for x in row[:6]) + (" …" if row.size > 6 else "")
            lines.append(f"{name:<{width}}  {np.median(gain):10.2f} {gain.min():8.2f} {gain.max():8.2f}    {few}")
        return "\n".join(lines)


def design(
    fit: Fit,
    problem: Problem,
    quantity: Callable[[AbstractEquation], Array],
    recordings: Mapping[str, Recording],
) -> Design:
    """Widths of the bands on a quantity that other recordings would give, from the Fisher information.

    Parameters
    ----------
    fit, problem
        A fit and the one problem it was fitted to; laws and start state are taken to be as fitted.
    quantity
        Function of the equation, e.g. ``lambda e: e.diffusivity(c)``.
    recordings
        Recordings to weigh, by name.

    Raises
    ------
    ValueError
        If other times are asked for a movie that was cut into windows, or begin before the start state, or
        weights do not fit a frame.

    Notes
    -----
    Linear: right as far as `laplace` is, and no fit is made. Counting noise is that of the fitted values; where the
    variance is a known array, that of an average frame.

    References
    ----------
    K. Chaloner and I. Verdinelli, Statist. Sci. 10, 273 (1995), doi:10.1214/ss/1177009939.
    """
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)
    slope = np.asarray(jax.jacfwd(lambda t: jnp.ravel(quantity(unravel(t))))(theta), float)
    (own,) = as_fitted(fit, problem)
    rows = []
    for recording in (Recording(), *recordings.values()):
        other = _recorded(own, recording)
        # longer legs take more steps of the same length
        longer = float(jnp.max(other.schedule.durations) / jnp.max(own.schedule.durations))
        plan = eqx.tree_at(
            lambda p: p.steps, fit.plans[0], jnp.asarray(math.ceil(int(fit.plans[0].steps) * longer - 1e-6))
        )
        normal = linearise(fit.equation, fit.starts, (other,), (plan,))
        covariance = np.linalg.inv(np.asarray(normal.schur(), float))
        rows.append(np.sqrt(np.einsum("qi,ij,qj->q", slope, covariance, slope)))
    return Design(("as recorded", *recordings), np.stack(rows))


def _recorded(problem: Problem, recording: Recording) -> Problem:
    space = problem.data.domain.shape
    share = jnp.asarray(recording.dose, problem.factor.dtype)
    if recording.weights is not None:
        try:
            share = share * jnp.broadcast_to(jnp.asarray(recording.weights, problem.factor.dtype), space)
        except ValueError:
            raise ValueError(
                f"`weights` must be broadcastable to a frame of shape {space}, got {recording.weights.shape}."
            ) from None
    if recording.times is None:
        return eqx.tree_at(lambda p: p.factor, problem, problem.factor * share)
    begin = float(problem.data.times[0]) - problem.starts.lead
    if len(problem.windows) > 1 or problem.starts.lead == 0 or recording.times[0] <= begin:
        raise ValueError(
            "other `times` need a movie fitted as one window with a `PreRoll` start, and must come after its start "
            f"state at {begin:g}, got {len(problem.windows)} windows and times from {recording.times[0]:g}."
        )
    times = jnp.asarray(recording.times, problem.data.times.dtype)
    frames = jnp.zeros((len(times), *space), problem.factor.dtype)
    # what a value counts, and its variance, on the average of the frames that were recorded
    counted = jnp.max(problem.factor, 0) * share + frames
    variance = jnp.mean(problem.variance, 0) + frames
    movie = problem.data.replace(frames=frames, times=times, variance=None)
    # the start state stays where it was
    lead = problem.starts.lead + recording.times[0] - float(problem.data.times[0])
    legs = schedule(times, (tuple(range(len(times))),), lead, problem.exposure)
    return eqx.tree_at(lambda p: (p.data, p.factor, p.variance, p.schedule), problem, (movie, counted, variance, legs))

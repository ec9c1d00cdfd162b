"""Where the front of a movie along a line is, and how fast it goes with the root of time."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie

# Quantiles of all values taken for the low and the high side of the front; the extremes are noise.
SIDES = (0.02, 0.98)
# Part of the way from the low to the high side that marks the front.
FOOT = 0.2


class Front(eqx.Module):
    """Positions of a front, and the line through them against the root of time.

    Parameters
    ----------
    times
        Frame times, in the movie's unit.
    distance
        Distance of the front from the end of the line behind it, in units of length; NaN in frames without a
        front. Behind a front values are above the threshold, ahead of it below.
    threshold
        The value that marks the front.
    start
        Time from which the root is taken.
    offset, slope
        Of the least-squares line distance = offset + slope √(t − start).
    explained
        Share of the variance of the distances that the line explains (R²).
    """

    times: Float[Array, " time"]
    distance: Float[Array, " time"]
    threshold: Float[Array, ""]
    start: Float[Array, ""]
    offset: Float[Array, ""]
    slope: Float[Array, ""]
    explained: Float[Array, ""]


def follow(movie: Movie, *, threshold: float | None = None, start: float | None = None) -> Front:
    """Find a front in every frame of a movie along a line, and lay a line through distance against √t.

    Parameters
    ----------
    movie
        A movie of one space axis.
    threshold
        Value that marks the front; ``None`` takes a fifth of the way from the low to the high side, which are
        the 2 % and 98 % quantiles of all values: the foot of a front moves, its middle may only turn.
    start
        Time from which the root is taken, not later than the first frame; ``None`` takes time zero,
        or the first frame if that is earlier.

    Raises
    ------
    ValueError
        If the movie is not along one space axis and time, or fewer than three frames show a front.

    Notes
    -----
    Between pixels the position is interpolated linearly. Where noise makes several crossings, the one with the
    most high pixels behind it and the fewest low ones is taken; of the two edges of a band, the one that moves
    faster. Not meant for profiles with several fronts.
    """
    if movie.domain.ndim != 1 or movie.channels_ndim or movie.axis != "time":
        raise ValueError(
            f"a front is followed in a movie with axes (time, row), got {movie.axes}; average the movie "
            "first, e.g. "
            '`movie.mean("column")`.'
        )
    y, t = np.asarray(movie.frames, float), np.asarray(movie.times, float)
    inside = movie.domain.inside
    level = float(np.quantile(y[:, inside], SIDES) @ (1 - FOOT, FOOT)) if threshold is None else float(threshold)
    origin = min(0.0, float(t[0])) if start is None else float(start)
    if origin > t[0]:
        raise ValueError(f"`start` must not be later than the first frame at {t[0]:g}, got {origin:g}.")
    root = np.sqrt(t - origin)
    # a wet band has two edges, and each edge is seen as a fall from one end: the front is the one that moves
    tracks = [_track(np.where(inside, y, level)[:, ::way], level) * movie.domain.spacing[0] for way in (1, -1)]
    most = max(np.isfinite(track).sum() for track in tracks)
    if most < 3:
        raise ValueError(
            f"only {int(most)} of {len(y)} frames cross the threshold {level:g}; a front needs at least three. "
            "Give another `threshold`."
        )
    seen = [track for track in tracks if np.isfinite(track).sum() >= max(3, most / 2)]
    distance = max(seen, key=lambda track: abs(_line(root, track)[0]))
    slope, offset = _line(root, distance)
    found = np.isfinite(distance)
    scatter = np.var(distance[found] - offset - slope * root[found])
    total = np.var(distance[found])
    explained = 1 - scatter / total if total > 0 else np.nan
    dtype = movie.frames.dtype
    return Front(*(jnp.asarray(v, dtype) for v in (t, distance, level, origin, offset, slope, explained)))


def _line(root: np.ndarray, distance: np.ndarray) -> np.ndarray:
    found = np.isfinite(distance)
    return np.polyfit(root[found], distance[found], 1)


def _track(profiles: np.ndarray, level: float) -> np.ndarray:
    """Where each profile falls through ``level``, in pixels from its start; NaN where it does not."""
    above = profiles - level
    found = np.full(len(above), np.nan)
    for i, values in enumerate(above):
        falls = np.flatnonzero((values[:-1] > 0) & (values[1:] <= 0))
        if falls.size:
            # the fall with the most high pixels behind it and the fewest low ones; spikes of noise have few
            fall = falls[np.argmax(np.cumsum(np.sign(values))[falls])]
            found[i] = fall + 0.5 + values[fall] / (values[fall] - values[fall + 1])
    return found

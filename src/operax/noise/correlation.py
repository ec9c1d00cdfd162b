"""How a movie's noise is correlated between pixels and frames."""

from itertools import product

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import maximum_filter

from ..movie import Movie
from .differences import CLIP, differences, robust_variance, still

# Correlations below this are not worth a warning, however significant: our choice, not a theorem.
TOLERATED = 0.05
# Lags up to this many pixels are looked at.
REACH = 3


class Correlation(eqx.Module):
    """How the noise of one value is correlated with that of its neighbours in space and time.

    Parameters
    ----------
    space
        Correlation at lags −3…3 along every space axis, shape ``(7,) * ndim``; one at the centre.
    time
        Correlation of successive second differences in excess of what independent frames give; zero for noise
        that is fresh in every frame.
    count
        Number of pairs of pixels behind the least populated lag.
    """

    space: Float[Array, "..."]
    time: Float[Array, ""]
    count: int = eqx.field(static=True)

    @property
    def threshold(self) -> float:
        """Size from which a correlation counts: five standard errors of white noise, at least 0.05."""
        return max(TOLERATED, 5 * float(np.sqrt(1.94 / max(self.count, 1))))

    @property
    def lag(self) -> tuple[int, ...]:
        """The lag of the largest correlation in space, in pixels along each axis."""
        rho = np.abs(np.asarray(self.space))
        rho[tuple(n // 2 for n in rho.shape)] = 0
        found = np.unravel_index(int(np.argmax(rho)), rho.shape)
        # Lags come in pairs of opposite sign; name the one that points forward.
        return max(tuple(int(i) - REACH for i in found), tuple(REACH - int(i) for i in found))

    @property
    def white(self) -> bool:
        """Whether noise is independent from pixel to pixel, as a blind-spot network assumes."""
        return abs(self.at(self.lag)) <= self.threshold

    @property
    def fresh(self) -> bool:
        """Whether noise is independent from frame to frame."""
        return abs(float(self.time)) <= self.threshold

    def at(self, lag: tuple[int, ...]) -> float:
        """The correlation at a lag of at most three pixels along each axis."""
        return float(np.asarray(self.space)[tuple(i + REACH for i in lag)])

    def beyond(self, footprint: tuple[int | None, ...]) -> tuple[int, ...] | None:
        """The lag of the largest correlation that counts outside a centred box; ``None`` if there is none.

        Sizes are odd numbers of pixels, ``None`` for all of an axis.
        """
        lags = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * self.space.ndim, indexing="ij"), -1)
        halves = np.asarray([REACH if size is None else size // 2 for size in footprint])
        rho = np.where((np.abs(lags) <= halves).all(-1), 0, np.abs(np.asarray(self.space)))
        if rho.max() <= self.threshold:
            return None
        found = lags[np.unravel_index(int(np.argmax(rho)), rho.shape)]
        return max(tuple(int(i) for i in found), tuple(-int(i) for i in found))

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.white and self.fresh:
            return "white"
        words = []
        if not self.white:
            words.append(f"correlated in space ({self.at(self.lag):+.2f} at lag {self.lag} px)")
        if not self.fresh:
            words.append(f"correlated from frame to frame ({float(self.time):+.2f} at lag 1)")
        return "not white: " + ", ".join(words)


def autocorrelation(movie: Movie) -> Correlation:
    """Correlation of a movie's noise between neighbouring pixels and successive frames.

    Measured on second temporal differences, each divided by the standard deviation at its level. Those beyond
    three standard deviations are left out with their neighbours, so that moving fronts do not pass for
    correlated noise. Of a colour movie the mean over its channels.

    Raises
    ------
    ValueError
        As `estimate`.

    Notes
    -----
    Flicker of the whole frame shows as equal correlation at all lags. Fronts that move by more than their own
    width between frames leave some positive correlation behind.
    """
    if movie.channels_ndim:
        every = [
            autocorrelation(movie.replace(frames=movie.frames[..., i], variance=None))
            for i in range(movie.frames.shape[-1])
        ]
        space, time = (sum(getattr(one, name) for one in every) / len(every) for name in ("space", "time"))
        return Correlation(space, time, min(one.count for one in every))
    found = differences(movie)
    inside = found.inside
    full, used = _normal(found)
    rho = np.ones((2 * REACH + 1,) * inside.ndim)
    power = float((full**2).sum() / max(used.sum(), 1))
    counts = []
    for lag in product(range(-REACH, REACH + 1), repeat=inside.ndim):
        if lag <= (0,) * inside.ndim:
            continue
        here, there = _overlap(lag)
        pairs = float((used[here] * used[there]).sum())
        value = float((full[here] * full[there]).sum()) / max(pairs, 1.0) / max(power, 1e-30)
        rho[tuple(REACH + i for i in lag)] = rho[tuple(REACH - i for i in lag)] = value
        counts.append(pairs)
    dtype, count = movie.frames.dtype, int(min(counts))
    result = Correlation(jnp.asarray(rho, dtype), jnp.asarray(_successive(found), dtype), count)
    if result.white and not result.fresh:
        # A bend in time that a moving front leaves in successive differences is no correlation of the noise.
        result = Correlation(result.space, jnp.asarray(_successive(still(found)), dtype), count)
    return result


def _normal(found):
    """Differences over their standard deviation, and which of them are noise rather than something that moves."""
    inside = found.inside
    full = np.where(inside, found.values / _scale(found), 0).astype(np.float32)
    odd = maximum_filter(np.abs(full), (1, *[3] * inside.ndim), mode="nearest") > CLIP
    used = np.where(odd, 0, inside).astype(np.float32)
    return full * used, used


def _successive(found) -> float:
    """Correlation of successive differences beyond that of independent frames."""
    full, used = _normal(found)
    if len(full) < 2:
        return 0.0
    pairs = max(float((used[1:] * used[:-1]).sum()), 1.0)
    power = float((full**2).sum() / max(used.sum(), 1))
    return float((full[1:] * full[:-1]).sum()) / pairs / max(power, 1e-30) - found.overlap


def _scale(found):
    """Standard deviation of every difference, from the robust variance of those of like level."""
    level = found.level[:, found.inside]
    values = found.values[:, found.inside]
    order = np.argsort(level, axis=None, kind="stable")
    scale = np.empty(values.size)
    for group in np.array_split(order, int(np.clip(values.size // 2000, 1, 24))):
        scale[group] = np.sqrt(robust_variance(values.ravel()[group]))
    full = np.ones(found.values.shape)
    full[:, found.inside] = np.maximum(scale, 1e-6 * max(scale.max(), 1e-300)).reshape(values.shape)
    return full


def _overlap(lag) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of the pixels that have a partner ``lag`` away, and of these partners, in every frame."""
    here = tuple(slice(max(0, -i), -i if i > 0 else None) for i in lag)
    there = tuple(slice(max(0, i), i if i < 0 else None) for i in lag)
    return (slice(None), *here), (slice(None), *there)

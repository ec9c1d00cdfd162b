"""Noise models of a recorded movie, and what a movie tells about its own noise.

Everything is measured on second temporal differences: a signal that is locally straight in time drops out of
them, noise that is fresh in every frame does not.
"""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.ndimage import maximum_filter, uniform_filter

from .movie import Movie

# A line in variance against mean is believed only beyond this many standard errors...
SIGNIFICANT = 5.0
# ...and only if it changes the variance by this factor between the dark and the bright end.
NOTICEABLE = 1.3
# Correlations below this are not worth a warning, however significant: our choice, not a theorem.
TOLERATED = 0.05
# Differences beyond this many standard deviations are fronts, drift or spikes rather than noise.
CLIP = 3.0
# Variance of a standard normal cut at +-3: erf(3/√2) - 3 √(2/π) exp(-9/2), over the kept 0.9973.
CLIPPED_VARIANCE = 0.97333


def _positive(name: str, value, *, strictly: bool = False) -> Array:
    array = jnp.asarray(value)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)
    if not isinstance(array, jax.core.Tracer):
        v = np.asarray(array)
        if not np.isfinite(v).all() or (v < 0).any() or (strictly and (v == 0).any()):
            kind = "positive" if strictly else "zero or positive"
            worst = v[~np.isfinite(v)][0] if not np.isfinite(v).all() else v.min()
            raise ValueError(f"`{name}` must be finite and {kind}, got {worst:g}.")
    return array


class Gaussian(eqx.Module):
    """Normal noise of one standard deviation, or of one for each pixel.

    Parameters
    ----------
    std
        Standard deviation in units of the movie's values; a number, or an array broadcastable to a frame.

    Raises
    ------
    ValueError
        If a standard deviation is negative, NaN or infinite.
    """

    std: Float[Array, "..."]

    def __init__(self, std):
        self.std = _positive("std", std)

    def variance(self, mean: Float[Array, "..."]) -> Float[Array, "..."]:
        """Variance of a value whose noise-free value is ``mean``, of the shape of ``mean``."""
        return jnp.broadcast_to(self.std**2, jnp.shape(mean))

    def sample(self, clean: Float[Array, "..."], *, key: Key[Array, ""]) -> Float[Array, "..."]:
        """A noisy copy of ``clean``."""
        clean = jnp.asarray(clean)
        return clean + self.std * jax.random.normal(key, clean.shape, clean.dtype)


class PoissonGaussian(eqx.Module):
    """Counting noise on top of read noise: Var(y | x) = gain · max(x − offset, 0) + read_std².

    Parameters
    ----------
    gain
        Movie units per count.
    offset
        Value of a pixel that receives no counts. Below it only read noise is left.
    read_std
        Standard deviation of the read noise, in units of the movie's values.

    Raises
    ------
    ValueError
        If the gain is not positive, the read noise is negative, or anything is not finite.

    Notes
    -----
    A variance that is a straight line in the mean fixes the gain but only the combination
    read_std² − gain · offset; `estimate` says which split it reports.
    """

    gain: Float[Array, "..."]
    offset: Float[Array, "..."]
    read_std: Float[Array, "..."]

    def __init__(self, gain, offset=0.0, read_std=0.0):
        self.gain = _positive("gain", gain, strictly=True)
        self.read_std = _positive("read_std", read_std)
        offset = jnp.asarray(offset)
        self.offset = offset if jnp.issubdtype(offset.dtype, jnp.floating) else offset.astype(float)
        if not isinstance(self.offset, jax.core.Tracer) and not np.isfinite(np.asarray(self.offset)).all():
            raise ValueError(f"`offset` must be finite, got {self.offset}.")

    def variance(self, mean: Float[Array, "..."]) -> Float[Array, "..."]:
        """Variance of a value whose noise-free value is ``mean``, of the shape of ``mean``."""
        shot = self.gain * jnp.maximum(jnp.asarray(mean) - self.offset, 0)
        return jnp.broadcast_to(shot + self.read_std**2, jnp.shape(mean))

    def sample(self, clean: Float[Array, "..."], *, key: Key[Array, ""]) -> Float[Array, "..."]:
        """A noisy copy of ``clean``; its mean is ``clean`` everywhere, also below ``offset``."""
        clean = jnp.asarray(clean)
        counting, reading = jax.random.split(key)
        expected = jnp.maximum(clean - self.offset, 0) / self.gain
        counts = jax.random.poisson(counting, expected, clean.shape).astype(clean.dtype)
        read = self.read_std * jax.random.normal(reading, clean.shape, clean.dtype)
        return clean + self.gain * (counts - expected) + read


def _differences(movie: Movie) -> tuple[np.ndarray, np.ndarray, float]:
    """Second temporal differences at the variance of one value, the local mean, and the lag-1 correlation.

    The middle frame is compared with the straight line through its neighbours, so that irregular times are
    served: e = w₋ y₋ − y₀ + w₊ y₊ with Var e = (1 + w₋² + w₊²) σ². The third result is the correlation of
    successive differences that noise fresh in every frame would have (−2/3 for regular times).
    """
    if len(movie) < 3:
        raise ValueError(
            f"the noise is measured on second temporal differences, which need at least 3 frames; got "
            f"{len(movie)}. Give the noise yourself, e.g. `Gaussian(std)`."
        )
    if movie.channels_ndim:
        raise ValueError(
            f"the noise of a colour movie is measured channel by channel; got frames of shape "
            f"{movie.frames.shape}. Pass `movie.replace(frames=movie.frames[..., i])` for each channel i."
        )
    y, t = np.asarray(movie.frames, float), np.asarray(movie.times, float)
    after = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    weights = np.stack([1 - after, -np.ones_like(after), after])
    weights /= np.sqrt((weights**2).sum(0))
    inside = movie.domain.inside
    y = np.where(inside, y, 0.0)
    spread = weights.reshape(3, -1, *([1] * movie.domain.ndim))
    differences = spread[0] * y[:-2] + spread[1] * y[1:-1] + spread[2] * y[2:]
    # Averaging over 3 pixels an axis keeps noise in the abscissa from flattening the line; pixels
    # outside the particles take no part.
    share = uniform_filter(inside.astype(float), 3, mode="nearest")
    blurred = np.stack([uniform_filter(frame, 3, mode="nearest") for frame in y]) / np.maximum(share, 1e-9)
    level = (blurred[:-2] + blurred[1:-1] + blurred[2:]) / 3
    overlap = (weights[1, :-1] * weights[0, 1:] + weights[2, :-1] * weights[1, 1:]) if len(after) > 1 else 0.0
    return differences[:, inside], level[:, inside], float(np.mean(overlap))


def _robust_variance(values: np.ndarray) -> float:
    """Variance of the normal core of ``values``: iterated cut at three standard deviations.

    It starts from the 80 % quantile of the absolute values; the median is often zero for integers of low
    counts. Where that is zero too, counts are so rare that the plain variance is all there is.
    """
    magnitude = np.abs(values - np.median(values))
    variance = (np.quantile(magnitude, 0.8) / 1.2816) ** 2
    if variance == 0:
        return float(np.mean(magnitude**2))
    for _ in range(12):
        core = magnitude[magnitude <= CLIP * np.sqrt(variance)]
        new = float(np.mean(core**2)) / CLIPPED_VARIANCE if core.size else 0.0
        if abs(new - variance) <= 1e-4 * variance:
            return new
        variance = new
    return variance


def estimate(movie: Movie) -> Gaussian | PoissonGaussian:
    """Measure the noise of a movie from the movie alone.

    Second temporal differences are sorted by the local mean, their robust variance is taken level by level,
    and a straight line is laid through variance against mean. `PoissonGaussian` is returned only when the
    line rises by more than 30 % over the range seen and by five standard errors; otherwise `Gaussian`.

    Parameters
    ----------
    movie
        A raw movie of at least three frames, at regular or irregular times. Pixels outside the particles are
        ignored.

    Raises
    ------
    ValueError
        For fewer than three frames, a colour movie, or a movie without any noise to see.

    Notes
    -----
    Do not trust it where the signal bends strongly between three successive frames in most pixels, for frames
    that were averaged, registered by interpolation, or compressed (noise is then correlated and looks too
    small), or for noise whose variance falls with the mean. A line with positive intercept is reported
    with ``offset=0``; one with negative intercept takes the darkest level seen as ``offset`` and the variance
    there as read noise, so that the variance is never extrapolated towards zero.

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian (2008), doi:10.1109/TIP.2008.2001399 (the noise model).
    """
    differences, level, _ = _differences(movie)
    values, level = differences.ravel(), level.ravel()
    pooled = _robust_variance(values)
    if not pooled > 0:
        raise ValueError(
            "the second temporal differences of this movie are zero, so it shows no noise to measure: frames "
            "are repeated, saturated or computed. Give the noise yourself, e.g. `Gaussian(std)`."
        )
    dtype = movie.frames.dtype
    order = np.argsort(level, kind="stable")
    groups = [g for g in np.array_split(order, int(np.clip(values.size // 200, 1, 24))) if g.size]
    mean = np.array([level[g].mean() for g in groups])
    variance = np.array([_robust_variance(values[g]) for g in groups])
    line = _line(mean, variance, np.array([g.size for g in groups])) if len(groups) >= 3 else None
    if line is None:
        return Gaussian(jnp.asarray(np.sqrt(pooled), dtype))
    slope, intercept, error = line
    dark, bright = slope * mean[0] + intercept, slope * mean[-1] + intercept
    if slope < SIGNIFICANT * error or bright < NOTICEABLE * max(dark, 0.0):
        return Gaussian(jnp.asarray(np.sqrt(pooled), dtype))
    if intercept >= 0:
        offset, read = 0.0, intercept
    else:
        offset, read = mean[0], max(dark, variance[0], 1e-3 * bright)
    return PoissonGaussian(*(jnp.asarray(v, dtype) for v in (slope, offset, np.sqrt(read))))


def _line(mean, variance, count) -> tuple[float, float, float] | None:
    """Slope, intercept and the slope's standard error of variance against mean, robust and weighted."""
    if np.ptp(mean) <= 1e-9 * np.abs(mean).max():
        return None
    # Successive differences share frames: their squares correlate as ρ², ρ = −2/3, 1/6, so 1.94 count as one.
    independent = count / 1.94
    floor = 1e-3 * np.mean(variance)
    centre = mean.mean()
    design = np.stack([mean - centre, np.ones_like(mean)], 1) / np.ptp(mean)
    fitted = np.full_like(variance, np.mean(variance))
    downweight = np.ones_like(variance)
    for _ in range(10):
        error = np.maximum(fitted, floor) * np.sqrt(2 / independent)
        w = downweight / error**2
        covariance = np.linalg.pinv(design.T @ (w[:, None] * design))
        solution = covariance @ (design.T @ (w * variance))
        fitted = design @ solution
        z = (variance - fitted) / error
        scale = max(1.0, 1.4826 * float(np.median(np.abs(z))))
        # Huber: a level that fronts sweep through most of the time must not tilt the line.
        downweight = np.minimum(1.0, 1.5 * scale / np.maximum(np.abs(z), 1e-12))
    slope = float(solution[0]) / np.ptp(mean)
    intercept = float(solution[1]) / np.ptp(mean) - slope * centre
    return slope, intercept, float(np.sqrt(covariance[0, 0])) * scale / np.ptp(mean)


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
        return max(tuple(int(i) - 3 for i in found), tuple(3 - int(i) for i in found))

    @property
    def white(self) -> bool:
        """Whether noise is independent from pixel to pixel, as a blind-spot network assumes."""
        return abs(self._largest) <= self.threshold

    @property
    def fresh(self) -> bool:
        """Whether noise is independent from frame to frame."""
        return abs(float(self.time)) <= self.threshold

    @property
    def _largest(self) -> float:
        return float(np.asarray(self.space)[tuple(i + 3 for i in self.lag)])

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.white and self.fresh:
            return "white"
        words = []
        if not self.white:
            words.append(f"correlated in space ({self._largest:+.2f} at lag {self.lag} px)")
        if not self.fresh:
            words.append(f"correlated from frame to frame ({float(self.time):+.2f} at lag 1)")
        return "not white: " + ", ".join(words)


def autocorrelation(movie: Movie) -> Correlation:
    """Correlation of a movie's noise between neighbouring pixels and successive frames.

    Measured on the same differences as `estimate`, each divided by its level's standard deviation. Those
    beyond three standard deviations are left out with their neighbours, so that moving fronts do not pass for
    correlated noise.

    Raises
    ------
    ValueError
        As `estimate`.

    Notes
    -----
    Flicker of the whole frame shows as equal correlation at all lags. Fronts that move by more than their own
    width between frames leave some positive correlation behind.
    """
    differences, level, expected = _differences(movie)
    model = estimate(movie)
    std = np.sqrt(np.asarray(model.variance(jnp.asarray(level)), float))
    z = differences / np.maximum(std, 1e-12 * max(std.max(), 1e-300))
    inside = movie.domain.inside
    full = np.zeros((len(z), *inside.shape), np.float32)
    full[:, inside] = z
    odd = maximum_filter(np.abs(full), 3, mode="nearest") > CLIP
    used = np.where(odd, 0, inside).astype(np.float32)
    full *= used
    ndim = inside.ndim
    rho = np.ones((7,) * ndim)
    power = float((full**2).sum() / max(used.sum(), 1))
    counts = []
    for lag in product(range(-3, 4), repeat=ndim):
        if lag <= (0,) * ndim:
            continue
        here, there = _overlap(lag)
        pairs = float((used[here] * used[there]).sum())
        value = float((full[here] * full[there]).sum()) / max(pairs, 1.0) / power
        rho[tuple(3 + i for i in lag)] = rho[tuple(3 - i for i in lag)] = value
        counts.append(pairs)
    successive = 0.0
    if len(full) > 1:
        pairs = max(float((used[1:] * used[:-1]).sum()), 1.0)
        successive = float((full[1:] * full[:-1]).sum()) / pairs / power - expected
    dtype = movie.frames.dtype
    return Correlation(jnp.asarray(rho, dtype), jnp.asarray(successive, dtype), int(min(counts)))


def _overlap(lag) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of the pixels that have a partner ``lag`` away, and of these partners, in every frame."""
    here = tuple(slice(max(0, -i), -i if i > 0 else None) for i in lag)
    there = tuple(slice(max(0, i), i if i < 0 else None) for i in lag)
    return (slice(None), *here), (slice(None), *there)

"""Numbers that judge an estimate: image errors, law errors, whiteness of residuals, calibration of spreads.

`psnr`, `rmse`, `law_error` and `coverage` are plain array functions and go through `jax.jit` and `jax.grad`;
`whiteness` and `calibration` look at values and run outside of it.
"""

from itertools import product

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float
from scipy.special import log_ndtr, ndtri

# Residual correlations below this are harmless, whatever their significance.
HARMLESS = 0.02


def _mean_square(difference, inside):
    if inside is None:
        return jnp.mean(difference**2)
    shape, space = jnp.shape(difference), np.shape(inside)
    if len(space) > len(shape) or shape[len(shape) - len(space) :] != space:
        raise ValueError(f"`inside` must match the trailing axes of the values {shape}, got shape {space}.")
    weight = jnp.broadcast_to(jnp.asarray(inside), shape)
    # `where`, and before the square, so that NaN outside the particles stays outside, in gradients too.
    return jnp.sum(jnp.where(weight, difference, 0) ** 2) / jnp.sum(weight)


def rmse(
    estimate: Float[Array, "..."], clean: Float[Array, "..."], inside: Bool[ArrayLike, "..."] | None = None
) -> Float[Array, ""]:
    """Root of the mean squared error, over the pixels inside.

    Parameters
    ----------
    estimate, clean
        Arrays of one shape; space axes last.
    inside
        Mask over the trailing (space) axes; ``None`` takes every pixel.

    Raises
    ------
    ValueError
        If the shapes disagree.
    """
    if jnp.shape(estimate) != jnp.shape(clean):
        raise ValueError(
            f"`estimate` and `clean` must have one shape, got {jnp.shape(estimate)} and {jnp.shape(clean)}."
        )
    return jnp.sqrt(_mean_square(jnp.asarray(estimate) - jnp.asarray(clean), inside))


def psnr(
    estimate: Float[Array, "..."],
    clean: Float[Array, "..."],
    *,
    data_range: float,
    inside: Bool[ArrayLike, "..."] | None = None,
) -> Float[Array, ""]:
    """Peak signal-to-noise ratio in dB: 20 log10(data_range / rmse).

    Parameters
    ----------
    estimate, clean, inside
        As for `rmse`.
    data_range
        Span of the clean values, in their unit; stated, because tools guess it differently.

    Raises
    ------
    ValueError
        If the shapes disagree or the range is not positive.
    """
    if not data_range > 0:
        raise ValueError(f"`data_range` must be positive, got {data_range}.")
    return 20 * jnp.log10(data_range / rmse(estimate, clean, inside))


def law_error(
    estimate: Float[Array, "..."], truth: Float[Array, "..."], weights: Float[Array, "..."] | None = None
) -> Float[Array, ""]:
    """Relative error of a law on a grid: √(Σ w (estimate − truth)² / Σ w truth²).

    Parameters
    ----------
    estimate, truth
        Values of the law on one grid of its argument.
    weights
        How much each grid point counts, e.g. the histogram of visited values; ``None`` counts all alike.

    Raises
    ------
    ValueError
        If the shapes disagree.

    Notes
    -----
    A chemical potential has a free constant: subtract each law's weighted mean first.
    """
    estimate, truth = jnp.asarray(estimate), jnp.asarray(truth)
    w = jnp.ones_like(truth) if weights is None else jnp.asarray(weights)
    if not estimate.shape == truth.shape == w.shape:
        raise ValueError(
            f"`estimate`, `truth`, `weights` must share one grid, got {estimate.shape}, {truth.shape}, {w.shape}."
        )
    return jnp.sqrt(jnp.sum(w * (estimate - truth) ** 2) / jnp.sum(w * truth**2))


def coverage(draws: Float[Array, "draw *shape"], truth: Float[Array, "*shape"], level: float) -> Float[Array, ""]:
    """Fraction of the truth that lies inside the central band of the draws.

    Parameters
    ----------
    draws
        Posterior draws of a quantity.
    truth
        The quantity itself.
    level
        Probability of the band, e.g. 0.95; good error bars give about this fraction over repeated noise.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1 or the shapes disagree.
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1, got {level}.")
    draws, truth = jnp.asarray(draws), jnp.asarray(truth)
    if draws.shape[1:] != truth.shape:
        raise ValueError(f"`draws` must have shape (draw, *{truth.shape}) to fit `truth`, got {draws.shape}.")
    low, high = jnp.quantile(draws, jnp.asarray([(1 - level) / 2, (1 + level) / 2]), axis=0)
    return jnp.mean(((low <= truth) & (truth <= high)).astype(draws.dtype))


class Whiteness(eqx.Module):
    """The largest correlation of a residual between neighbouring pixels and frames.

    Parameters
    ----------
    rho
        The correlation of largest size, with its sign.
    threshold
        Size below which it is not worth a warning: the 0.1 % level for the largest of all lags tried, 0.02 at
        least.
    lag
        Where it was found: frames, then pixels along each axis.
    pvalue
        Probability that white noise shows a correlation this large at one of the lags tried.
    """

    rho: Float[Array, ""]
    threshold: Float[Array, ""]
    lag: tuple[int, ...] = eqx.field(static=True)
    pvalue: float = eqx.field(static=True)

    @property
    def white(self) -> bool:
        """Whether the residual looks like independent noise."""
        return abs(float(self.rho)) <= float(self.threshold)

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.white:
            return "white"
        frames, *pixels = self.lag
        far = [f"{frames} frame{'s' * (frames > 1)}"] if frames else []
        if any(pixels):
            far.append(f"{pixels[0] if len(pixels) == 1 else tuple(pixels)} px")
        where = f"{' and '.join(far)} apart"
        limit = f"white noise stays below {float(self.threshold):.3f}"
        return f"not white: correlation {float(self.rho):+.3f} at {where} ({limit})"


def whiteness(
    residual: Float[ArrayLike, "time *space"],
    inside: Bool[ArrayLike, "..."] | None = None,
    *,
    reach: int = 3,
    tolerance: float = HARMLESS,
) -> Whiteness:
    """Look for correlations that a residual of independent noise would not have.

    Parameters
    ----------
    residual
        Data minus estimate, best divided by the standard deviation of the noise, so that bright pixels do not
        outvote dark ones.
    inside
        Particle mask over the space axes; pixels outside are ignored.
    reach
        Lags up to this many pixels along every axis, and up to one frame, are tried.
    tolerance
        Correlations up to this size pass however significant they are.

    Raises
    ------
    ValueError
        If the residual has no space axis, is not finite inside, or the mask does not fit.

    Notes
    -----
    The p-value takes pixels for independent (ρ ~ N(0, 1/N)). For a posterior-mean estimate, which has used
    the pixel it is judged against, a white residual says nothing; hand in the blind residual.
    """
    r = np.asarray(residual, np.float32)
    if r.ndim < 2:
        raise ValueError(f"`residual` must have a time axis and at least one space axis, got shape {r.shape}.")
    mask = np.ones(r.shape[1:], bool) if inside is None else np.asarray(inside, bool)
    if mask.shape != r.shape[1:]:
        raise ValueError(f"`inside` must have the residual's space shape {r.shape[1:]}, got {mask.shape}.")
    if not np.isfinite(r[:, mask]).all():
        raise ValueError("`residual` must be finite inside; it holds NaN or infinite values.")
    r = np.where(mask, r - r[:, mask].mean(), 0)
    largest = np.abs(r).max()
    if largest == 0:
        raise ValueError("`residual` is constant, so it has no correlation to judge.")
    r = (r / largest).astype(np.float32)  # its square may be larger than any number
    power = float((r[:, mask] ** 2).mean())
    frames = 1 if len(r) > 1 else 0
    spans = [min(reach, n - 1) for n in mask.shape]
    lags = [
        lag for lag in product(range(-frames, frames + 1), *(range(-n, n + 1) for n in spans)) if lag > (0,) * r.ndim
    ]
    best, rho, significance = None, 0.0, -1.0
    for lag in lags:
        here = tuple(slice(max(0, -i), -i if i > 0 else None) for i in lag)
        there = tuple(slice(max(0, i), i if i < 0 else None) for i in lag)
        count = int((mask[here[1:]] & mask[there[1:]]).sum()) * (len(r) - abs(lag[0]))
        if count < 20:
            continue
        value = float((r[here] * r[there]).sum(dtype=np.float64)) / count / power
        if abs(value) * np.sqrt(count) > significance:
            best, rho, significance = lag, value, abs(value) * np.sqrt(count)
            pairs = count
    if best is None:
        raise ValueError(f"a residual of shape {r.shape} is too small to judge its whiteness.")
    # Two sides, and as many trials as lags (Bonferroni): 0.1 % overall.
    limit = -ndtri(0.0005 / len(lags))
    pvalue = min(1.0, 2 * len(lags) * float(np.exp(log_ndtr(-significance))))
    return Whiteness(
        jnp.asarray(rho, jnp.float32),
        jnp.asarray(max(tolerance, limit / np.sqrt(pairs)), jnp.float32),
        best,
        pvalue,
    )


class Calibration(eqx.Module):
    """How standardised residuals z = (observed − mean) / √variance compare with a standard normal.

    Parameters
    ----------
    mean, variance
        Of z over all pixels; 0 and 1 for honest predictions.
    levels
        Mean predicted value of each bin.
    binned_mean, binned_variance
        Of z in bins of the predicted value.
    covered
        Fraction of |z| below 1 and below 1.96; 0.683 and 0.950 for honest predictions.
    """

    mean: Float[Array, ""]
    variance: Float[Array, ""]
    levels: Float[Array, " bin"]
    binned_mean: Float[Array, " bin"]
    binned_variance: Float[Array, " bin"]
    covered: Float[Array, " 2"]

    @property
    def binned_square(self) -> Float[Array, " bin"]:
        """Mean of z² in every bin: a predicted variance is that around the prediction, its bias in the bin included."""
        return self.binned_variance + self.binned_mean**2

    @property
    def verdict(self) -> str:
        """The finding in words."""
        low, high = float(self.binned_square.min()), float(self.binned_square.max())
        return f"mean z² {float(self.variance + self.mean**2):.2f}, by level {low:.2f} to {high:.2f} (1 is honest)"


def calibration(
    observed: Float[ArrayLike, "time *space"],
    mean: Float[ArrayLike, "time *space"],
    variance: Float[ArrayLike, "time *space"],
    inside: Bool[ArrayLike, "..."] | None = None,
    *,
    bins: int = 8,
) -> Calibration:
    """Compare predictions and their predicted variances with values they have not seen.

    Parameters
    ----------
    observed
        Values that had no part in the prediction.
    mean, variance
        Predicted value and the predicted variance of ``observed`` around it.
    inside
        Particle mask over the trailing axes.
    bins
        Number of equally filled bins of the predicted value.

    Raises
    ------
    ValueError
        If the shapes disagree, a variance is not positive, or ``bins`` is below one.
    """
    y, mu, v = (np.asarray(a, float) for a in (observed, mean, variance))
    if not y.shape == mu.shape == v.shape:
        raise ValueError(f"`observed`, `mean`, `variance` must have one shape, got {y.shape}, {mu.shape}, {v.shape}.")
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1, got {bins}.")
    mask = np.ones(y.shape, bool) if inside is None else np.broadcast_to(np.asarray(inside, bool), y.shape)
    y, mu, v = y[mask], mu[mask], v[mask]
    if not (v > 0).all():
        raise ValueError(f"`variance` must be positive inside, its smallest value is {v.min():g}.")
    z = (y - mu) / np.sqrt(v)
    groups = [g for g in np.array_split(np.argsort(mu, kind="stable"), min(bins, z.size)) if g.size]
    size = np.abs(z)
    return Calibration(
        mean=jnp.float32(z.mean()),
        variance=jnp.float32(z.var()),
        levels=jnp.asarray([mu[g].mean() for g in groups], jnp.float32),
        binned_mean=jnp.asarray([z[g].mean() for g in groups], jnp.float32),
        binned_variance=jnp.asarray([z[g].var() for g in groups], jnp.float32),
        covered=jnp.asarray([(size < 1).mean(), (size < 1.96).mean()], jnp.float32),
    )

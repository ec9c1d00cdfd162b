"""Profiles across a front or an edge: where it lies, how wide it is; and the blur of an instrument."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import curve_fit
from scipy.special import erf

# Blur is cut off at so many standard deviations.
TAIL = 4.0


class Edge(eqx.Module):
    """A blurred step, low + (high − low) (1 + erf((x − position) / (√2 width))) / 2.

    Parameters
    ----------
    position, width
        Middle, and standard deviation of the blur, in the unit of the places given.
    low, high
        Levels on either side.
    position_std, width_std
        Standard errors of the fit.
    """

    position: float
    width: float
    low: float
    high: float
    position_std: float
    width_std: float


def edge(
    values: Float[np.ndarray, " place"],
    places: Float[np.ndarray, " place"],
    variance: Float[np.ndarray, " place"] | None = None,
) -> Edge:
    """Fit a blurred step to a profile.

    Parameters
    ----------
    values, places
        Profile across one edge, and where its pixels lie.
    variance
        Of the values; ``None`` takes them as equal and measures it.

    Raises
    ------
    ValueError
        If shapes disagree or there are fewer than six values.
    RuntimeError
        If no step can be fitted.
    """
    y, x = np.asarray(values, float), np.asarray(places, float)
    if y.ndim != 1 or y.shape != x.shape or len(y) < 6:
        raise ValueError(f"`values` and `places` must be one profile of at least six values, got {y.shape}, {x.shape}.")
    ends = max(len(y) // 5, 1)
    low, high = y[:ends].mean(), y[-ends:].mean()
    span = np.ptp(x)
    crossing = np.flatnonzero(np.diff(np.sign(y - (low + high) / 2)))
    start = x[crossing[len(crossing) // 2]] if len(crossing) else x.mean()

    def step(x, position, width, low, high):
        return low + (high - low) * (1 + erf((x - position) / (np.sqrt(2) * np.abs(width)))) / 2

    sigma = None if variance is None else np.sqrt(np.asarray(variance, float))
    try:
        found, covariance = curve_fit(
            step, x, y, (start, span / 20, low, high), sigma, absolute_sigma=sigma is not None, maxfev=4000
        )
    except RuntimeError as error:
        raise RuntimeError(
            f"no step can be fitted to this profile of {len(y)} values from {y.min():.4g} to {y.max():.4g}; crop it "
            "to one edge."
        ) from error
    error = np.sqrt(np.diag(covariance))
    return Edge(*(float(v) for v in (found[0], abs(found[1]), found[2], found[3], error[0], error[1])))


class Blur(eqx.Module):
    """Gaussian blur of an instrument; `Blur(...)(frame)` is what it shows of a sharp frame.

    Hand it to `Problem(observe=...)`, so that the model is blurred before it is compared and the data are left
    alone.

    Parameters
    ----------
    width
        Standard deviation along each axis, pixels; one number serves two axes.

    Raises
    ------
    ValueError
        If a width is negative or not finite.

    Notes
    -----
    The edges of the view are mirrored: no intensity is lost there.
    """

    width: tuple[float, ...] = eqx.field(static=True, converter=lambda w: tuple(float(v) for v in np.atleast_1d(w)))

    def __check_init__(self):
        if not all(np.isfinite(w) and w >= 0 for w in self.width):
            raise ValueError(f"`width` must be zero or positive, in pixels, got {self.width}.")

    def __call__(self, frame: Float[Array, "*space"]) -> Float[Array, "*space"]:
        widths = self.width * frame.ndim if len(self.width) == 1 else self.width
        if len(widths) != frame.ndim:
            raise ValueError(f"`width` has {len(self.width)} axes, the frame has {frame.ndim}.")
        for axis, width in enumerate(widths):
            reach = min(int(np.ceil(TAIL * width)), frame.shape[axis] - 1)
            if reach == 0:
                continue
            kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
            weights = kernel / kernel.sum()
            pad = [(reach, reach) if i == axis else (0, 0) for i in range(frame.ndim)]
            wide = jnp.moveaxis(jnp.pad(frame, pad, mode="symmetric"), axis, -1)
            n = frame.shape[axis]
            blurred = sum(float(w) * wide[..., i : i + n] for i, w in enumerate(weights))
            frame = jnp.moveaxis(jnp.asarray(blurred), -1, axis)
        return frame

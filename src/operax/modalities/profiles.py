"""Profiles across a front or an edge: where it lies, and how wide it is."""

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.optimize import curve_fit
from scipy.special import erf


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

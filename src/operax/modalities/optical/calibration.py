"""Fraction from a colour feature by a monotone calibration, with a band."""

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression
from scipy.stats import t as student


class Calibration(eqx.Module):
    """A monotone curve of a colour feature against known fractions, with the scatter of repeats.

    Parameters
    ----------
    known
        Fractions, increasing.
    feature
        Mean of the feature at each, increasing.
    std
        Standard deviation of one reading at each.
    freedom
        Degrees of freedom behind them.
    """

    known: Float[np.ndarray, " level"]
    feature: Float[np.ndarray, " level"]
    std: Float[np.ndarray, " level"]
    freedom: int = eqx.field(static=True)

    def __call__(self, readings: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Fraction for each reading; readings beyond the calibrated ones give the fraction at that end."""
        inverse = PchipInterpolator(self.feature, self.known)
        return inverse(np.clip(np.asarray(readings, float), self.feature[0], self.feature[-1]))

    def band(
        self, readings: Float[np.ndarray, "*shape"], level: float = 0.95
    ) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
        """Lower and upper fraction that agree with each reading at this level.

        Raises
        ------
        ValueError
            If the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie between 0 and 1, got {level}.")
        read = np.asarray(readings, float)
        reach = student.ppf((1 + level) / 2, self.freedom) * np.interp(read, self.feature, self.std)
        return self(read - reach), self(read + reach)


def calibrate(
    known: Float[np.ndarray, " sample"], feature: Float[np.ndarray, " sample"], *, smooth: int = 1
) -> Calibration:
    """Calibrate a colour feature against known fractions.

    Means at each fraction are made monotone by isotonic regression; the scatter of one reading is pooled over
    neighbouring fractions, since a few repeats say little about it.

    Parameters
    ----------
    known, feature
        Known fraction of each sample, repeats included, and its feature, which rises or falls with the fraction.
    smooth
        Fractions on either side whose scatter is pooled.

    Raises
    ------
    ValueError
        If shapes disagree, there are fewer than three fractions, no repeats, or the feature is not monotone
        enough to be told apart at two fractions.

    Notes
    -----
    Valid for the lamp, camera and cell it was made with.
    """
    x, y = np.asarray(known, float), np.asarray(feature, float)
    if x.ndim != 1 or x.shape != y.shape or not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError(
            f"`known` and `feature` must be finite, one each for every sample, got {x.shape} and {y.shape}."
        )
    levels, place = np.unique(x, return_inverse=True)
    count = np.bincount(place)
    freedom = int((count - 1).sum())
    if len(levels) < 3 or freedom < 1:
        raise ValueError(f"a calibration needs three fractions and repeats, got {len(levels)} with {freedom} repeats.")
    mean = np.bincount(place, y) / count
    rises = np.corrcoef(levels, mean)[0, 1] > 0
    if not rises:
        raise ValueError("`feature` must rise with the fraction; hand in its negative if it falls.")
    squares = np.bincount(place, (y - mean[place]) ** 2)
    near = np.abs(np.subtract.outer(np.arange(len(levels)), np.arange(len(levels)))) <= smooth
    # the mean of a level is uncertain too
    pooled = near @ squares / np.maximum(near @ (count - 1), 1)
    std = np.sqrt(pooled * (1 + 1 / count))
    curve = isotonic_regression(mean, weights=count).x
    distinct = np.r_[True, np.diff(curve) > 1e-9 * np.ptp(curve)]
    if distinct.sum() < 3:
        raise ValueError("`feature` hardly changes with the fraction; take another combination of channels.")
    return Calibration(levels[distinct], curve[distinct], std[distinct], max(round(freedom * float(near.mean())), 2))

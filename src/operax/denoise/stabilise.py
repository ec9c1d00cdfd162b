"""Values whose noise has unit variance, for methods that know only such noise."""

import numpy as np
from jaxtyping import Float

from ..noise import Gaussian, PoissonGaussian

# The exact unbiased inverse is tabulated over this many mean values.
TABLE = 400
# Points and weights of the normal distribution of read noise.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


def stabilised(values: Float[np.ndarray, "..."], noise: Gaussian | PoissonGaussian) -> Float[np.ndarray, "..."]:
    """The values on a scale on which their noise has unit variance.

    The generalised Anscombe transform 2/a √(max(a (y − o) + 3/8 a² + r², 0)) for gain a, offset o and read noise
    r; y / σ for Gaussian noise.

    References
    ----------
    Mäkitalo, Foi (2013), doi:10.1109/TIP.2012.2202675, equation 4.
    """
    if isinstance(noise, Gaussian):
        return values / np.asarray(noise.std)
    gain, offset, read = (float(x) for x in (noise.gain, noise.offset, noise.read_std))
    return 2 / gain * np.sqrt(np.maximum(gain * (values - offset) + 0.375 * gain**2 + read**2, 0))


def unstabilised(values: Float[np.ndarray, "..."], noise: Gaussian | PoissonGaussian) -> Float[np.ndarray, "..."]:
    """The mean value whose noisy copies have this mean on the stabilised scale: the exact unbiased inverse.

    The algebraic inverse would be too small at few counts, by half a count at one count.
    """
    if isinstance(noise, Gaussian):
        return values * np.asarray(noise.std)
    gain, offset, read = (float(x) for x in (noise.gain, noise.offset, noise.read_std))
    top = max(((gain / 2 * max(values.max(), 0.0)) ** 2 - read**2) / gain**2, 1.0) * 1.5 + 10
    counts = np.concatenate([[0.0], np.geomspace(1e-3, top, TABLE)])
    means = np.array([_mean_stabilised(c, read / gain) for c in counts])
    return offset + gain * np.interp(values, means, counts)


def _mean_stabilised(counts: float, read: float) -> float:
    """Mean of 2 √(max(k + read ξ + 3/8 + read², 0)) over Poisson k and normal ξ."""
    last = int(counts + 12 * np.sqrt(counts) + 20)
    first = max(0, int(counts - 12 * np.sqrt(counts) - 20))
    k = np.arange(first, last)
    steps = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, last)))])[first:]
    chance = np.exp(k * np.log(counts) - counts - steps) if counts > 0 else (k == 0).astype(float)
    root = 2 * np.sqrt(np.maximum(k[:, None] + read * NODES + 0.375 + read**2, 0))
    return float(chance @ root @ (WEIGHTS / WEIGHTS.sum()))

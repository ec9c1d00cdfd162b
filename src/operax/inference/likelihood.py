"""How likely a frame is, given what the equation predicts: spread, correlation and tails of the noise."""

import math
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain
from ..noise import Correlation, Gaussian, PoissonGaussian

# A measured autocorrelation ends at a few lags, so its spectrum may dip to nothing. Whitening amplifies no
# wave by more than 1/√0.05, 4.5 times.
FAINTEST_POWER = 0.05


class Correlated(eqx.Module):
    """Noise that is correlated between neighbouring pixels, in the same way everywhere, and fresh in every frame.

    Parameters
    ----------
    noise
        Spread of single values.
    correlation
        Correlation at lags −n…n along every space axis, one at the centre: an array, or what
        `operax.noise.autocorrelation` measured.

    Raises
    ------
    ValueError
        If the correlation is not symmetric with one at its centre.

    Notes
    -----
    Residuals are whitened by a filter in Fourier space, which takes the frame's opposite edges for neighbours.
    Pixels outside the particles, and values that are not scored, enter the filter as zero residuals. Neither
    biases a law; the misfit is scaled so that its expectation is exact for the particles' outline, and what
    is left is that edges weigh a little more than they should.
    """

    noise: Gaussian | PoissonGaussian
    lags: Float[np.ndarray, "..."]

    def __init__(self, noise: Gaussian | PoissonGaussian, correlation: Correlation | Float[Array, "..."]):
        self.noise = noise
        lags = np.asarray(correlation.space if isinstance(correlation, Correlation) else correlation, float)
        centre = tuple(n // 2 for n in lags.shape)
        odd = all(n % 2 for n in lags.shape)
        if not odd or abs(lags[centre] - 1) > 1e-6 or not np.allclose(lags, np.flip(lags)) or np.abs(lags).max() > 1.01:
            raise ValueError(
                "`correlation` must hold lags -n…n along every axis, the same for a lag and its opposite, with one at "
                f"the centre; got shape {lags.shape} with {lags[centre]:g} at the centre."
            )
        self.lags = lags


class StudentT(eqx.Module):
    """Noise with heavy tails: values far off, such as spikes and dust, lose their pull on the fit.

    Parameters
    ----------
    noise
        Spread of the core of the noise, as `operax.noise.estimate` measures it.
    freedom
        Degrees of freedom ν > 1; 4 discounts values from about two standard deviations on, large ν is Gaussian.

    Raises
    ------
    ValueError
        If ``freedom`` is not above one.

    References
    ----------
    K. L. Lange, R. J. A. Little, J. M. G. Taylor, J. Am. Stat. Assoc. 84, 881 (1989),
    doi:10.1080/01621459.1989.10478852.
    """

    noise: Gaussian | PoissonGaussian | Correlated
    freedom: float = eqx.field(default=4.0, static=True, converter=float)

    def __check_init__(self):
        if not (math.isfinite(self.freedom) and self.freedom > 1):
            raise ValueError(f"`freedom` must be finite and above one, got {self.freedom}.")


Noise = Gaussian | PoissonGaussian | Correlated | StudentT


class Likelihood(eqx.Module):
    """The noise of a problem, resolved for its domain.

    Parameters
    ----------
    noise
        Noise whose variance depends on the noise-free value; ``None`` where the variance is a known array.
    floor
        Smallest variance such noise may have.
    filter
        What whitens a frame, in half the Fourier space; ``None`` for independent pixels.
    freedom
        Degrees of freedom of the tails; ``None`` for Gaussian ones.
    """

    noise: PoissonGaussian | None
    floor: Float[Array, ""] | None
    filter: Float[Array, "..."] | None
    freedom: float | None = eqx.field(static=True)

    def variance(self, known: Float[Array, "*space"], mean: Float[Array, "*space"]) -> Float[Array, "*space"]:
        """Variance of a frame that is predicted to be ``mean``; ``known`` is that at the problem's states."""
        if self.noise is None or self.floor is None:
            return known
        return jnp.maximum(self.noise.variance(mean), self.floor).astype(known.dtype)

    def whiten(self, z: Float[Array, "*space"]) -> Float[Array, "*space"]:
        """A frame of residuals in units of their spread, made independent."""
        if self.filter is None:
            return z
        return jnp.fft.irfftn(jnp.fft.rfftn(z) * self.filter, s=z.shape).astype(z.dtype)

    def standardised(self, frame, factor, known, mean):
        """Residuals in units of the noise; zero where ``factor`` is zero, whatever the frame holds there."""
        scored = factor > 0
        variance = self.variance(known, mean)
        # the slope of a root has no value at zero
        z = jnp.sqrt(jnp.where(scored, factor, 1) / variance) * jnp.where(scored, frame - mean, 0)
        return self.whiten(z), 0.5 * jnp.sum(jnp.where(scored, jnp.log(variance / known), 0))

    def loss(
        self,
        frame: Float[Array, "*space"],
        factor: Float[Array, "*space"],
        known: Float[Array, "*space"],
        mean: Float[Array, "*space"],
    ) -> Float[Array, ""]:
        """Minus the log likelihood of a frame, up to a constant; ``factor`` weighs every value."""
        z, normalisation = self.standardised(frame, factor, known, mean)
        if self.freedom is None:
            return 0.5 * jnp.sum(z**2) + normalisation
        return 0.5 * (self.freedom + 1) * jnp.sum(jnp.log1p(z**2 / self.freedom)) + normalisation

    def normalisation(self, factor: Float[Array, "*space"], known: Float[Array, "*space"]) -> Float[Array, ""]:
        """What `loss` leaves out: with it, minus the log density of the values of a frame that count."""
        scored = factor > 0
        spread = jnp.sum(jnp.where(scored, 0.5 * jnp.log(known / jnp.where(scored, factor, 1)), 0))
        tails = 0.5 * math.log(2 * math.pi)
        if self.freedom is not None:
            half = self.freedom / 2
            tails = math.lgamma(half) - math.lgamma(half + 0.5) + 0.5 * math.log(2 * math.pi * half)
        if self.filter is None:
            return spread + tails * jnp.sum(scored)
        # entropy per value of stationary noise, with each wave of the half spectrum counted once or twice
        n = factor.shape[-1]
        twice = np.where((np.arange(n // 2 + 1) % n == 0) | (2 * np.arange(n // 2 + 1) == n), 1, 2)
        entropy = -jnp.sum(twice * jnp.log(self.filter)) / factor.size
        return spread + (tails + entropy) * jnp.sum(scored)

    def chi2(self, frame, factor, known, mean) -> Float[Array, ""]:
        """Σ z ψ(z) with ψ the slope of minus the log density: χ² for Gaussian noise, expectation one a value always."""
        z, _ = self.standardised(frame, factor, known, mean)
        if self.freedom is None:
            return jnp.sum(z**2)
        return jnp.sum(z**2 * (self.freedom + 1) / (self.freedom + z**2))

    def information(self, factor, known, mean):
        """A linear map on changes of the predicted frame, of which the squared norm is their Fisher information."""
        variance, slope = jax.jvp(lambda m: self.variance(known, m), (mean,), (jnp.ones_like(mean),))
        # the spread tells of the mean too, where it depends on it
        root = jnp.sqrt(factor * (1 / variance + 0.5 * (slope / variance) ** 2))
        tails = 1.0 if self.freedom is None else ((self.freedom + 1) / (self.freedom + 3)) ** 0.5

        def rows(change):
            return self.whiten(tails * root * jnp.where(factor > 0, change, 0))

        return rows


def likelihood(noise: Noise | None, domain: Domain, smallest: float) -> Likelihood:
    """Resolve a noise model on a domain; ``smallest`` is the smallest variance at the problem's states."""
    freedom, filter_ = None, None
    if isinstance(noise, StudentT):
        freedom, noise = noise.freedom, noise.noise
    if isinstance(noise, Correlated):
        filter_, noise = jnp.asarray(_whitening(noise.lags, domain)), noise.noise
    if isinstance(noise, PoissonGaussian):
        return Likelihood(noise, jnp.asarray(smallest), filter_, freedom)
    return Likelihood(None, None, filter_, freedom)


def spread(noise: Noise) -> Gaussian | PoissonGaussian:
    """The model of single values inside a noise model."""
    while isinstance(noise, StudentT | Correlated):
        noise = noise.noise
    return noise


def _whitening(lags: np.ndarray, domain: Domain) -> np.ndarray:
    if lags.ndim != domain.ndim:
        raise ValueError(f"`correlation` has {lags.ndim} axes, the frames have {domain.ndim}.")
    if any(n > size for n, size in zip(lags.shape, domain.shape)):
        raise ValueError(f"`correlation` reaches over {lags.shape} pixels, more than the frames' {domain.shape}.")
    kernel = np.zeros(domain.shape)
    reach = [n // 2 for n in lags.shape]
    for lag in product(*(range(-r, r + 1) for r in reach)):
        kernel[lag] = lags[tuple(i + r for i, r in zip(lag, reach))]
    power = np.maximum(np.fft.fftn(kernel).real, FAINTEST_POWER)
    precision = np.fft.ifftn(1 / power).real
    # expectation of the whitened sum of squares over the pixels inside, of noise with just these correlations
    inside = domain.inside
    expected = 0.0
    for lag in product(*(range(-r, r + 1) for r in reach)):
        here = tuple(slice(max(0, -i), n - max(0, i)) for i, n in zip(lag, inside.shape))
        there = tuple(slice(max(0, i), n + min(0, i)) for i, n in zip(lag, inside.shape))
        pairs = np.count_nonzero(inside[here] & inside[there])
        expected += pairs * precision[lag] * lags[tuple(i + r for i, r in zip(lag, reach))]
    filter_ = np.sqrt(inside.sum() / expected / power)
    return filter_[..., : domain.shape[-1] // 2 + 1]

"""Judge a denoised movie without knowing the truth: residuals, calibration, risk, and what follows."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..metrics import Calibration, Whiteness, calibration, whiteness
from ..movie import Movie
from ..noise import Correlation, Gaussian, PoissonGaussian, autocorrelation
from .choose import unpredictable
from .denoiser import Denoiser, channels, with_channels
from .ensemble import Ensemble
from .risk import blind_risk

# Bounds on the mean of z² in every bin of the predicted value. Outside of them the noise model or the
# spread is off, and weighting the noisy pixel with them does harm.
CALIBRATED = (0.9, 1.1)
# Bins of the predicted value in which bias is told.
BINS = 8
# A residual may be correlated as the noise is, to within this.
EXPLAINED = 0.1


def standardised(blind: Movie, raw: Movie, noise: Gaussian | PoissonGaussian) -> Calibration:
    """Calibration of raw pixels against their blind predictions, z = (y − μ) / √(s² + σ²(μ))."""
    if blind.variance is None:
        raise ValueError("`blind` must have a `variance`, that of the clean value around its prediction; got None.")
    inside = np.broadcast_to(raw.domain.inside[..., None], channels(raw).shape)
    sigma2 = with_channels(noise, raw).variance(jnp.where(inside, channels(blind), 0))
    total = blind.variance.reshape(sigma2.shape) + sigma2
    return calibration(channels(raw), channels(blind), total, inside)


def calibrated(blind: Movie, raw: Movie, noise: Gaussian | PoissonGaussian) -> tuple[str, ...]:
    """Reasons not to trust the predicted spreads; none if the mean of z² is near one at every level."""
    z = standardised(blind, raw, noise)
    low, high = CALIBRATED
    worst = np.asarray(z.binned_square)
    # Three standard errors of a variance, for small movies.
    slack = 3 * np.sqrt(2 * worst.size / (len(raw) * raw.domain.inside.sum()))
    if worst.min() >= low - slack and worst.max() <= high + slack:
        return ()
    at = int(np.argmax(np.abs(np.log(np.maximum(worst, 1e-6)))))
    level, value = float(z.levels[at]), float(worst[at])
    return (
        f"spreads are not calibrated: the mean of z² is {value:.2f} around the value {level:.3g}, "
        f"it should lie between {low} and {high}; the noise model is wrong there or training was too short",
    )


def independent(correlation: Correlation) -> tuple[str, ...]:
    """Reasons not to take noise for independent between pixels and frames; none if it is."""
    if correlation.white and correlation.fresh:
        return ()
    return (
        f"the noise of the raw movie is {correlation.verdict}; a method that takes pixels for independent leaves "
        "part of it in the result",
    )


def explained(residual: Whiteness, correlation: Correlation, share: float = 0.0, slack: float = 0.0) -> bool:
    """Whether a residual is correlated only as the noise itself is, and as an error may be.

    The error of an honest prediction holds a ``share`` of the residual's power and correlates it by up to ``slack``.
    """
    frames, *pixels = residual.lag
    if residual.white:
        return True
    expected = (1 - share) * correlation.at(tuple(pixels))
    return frames == 0 and abs(float(residual.rho) - expected) <= max(EXPLAINED, slack)


class DenoiseReport(eqx.Module):
    """What can be said about a denoised movie without the truth.

    Parameters
    ----------
    noise
        Correlation of the raw movie's noise.
    residual
        Whiteness of the standardised residual; of the blind one where there is a denoiser.
    spreads
        Calibration of raw pixels against their blind predictions; ``None`` without a denoiser.
    risk
        Mean squared error of the blind prediction, estimated without the truth, in squared units of the movie: from
        mean[(y − μ)² − σ²(μ)] and, where that is the small difference of two large numbers, from the spectrum of
        y − μ and the prediction's answer to noise added. ``None`` without a denoiser.
    noise_variance
        Mean variance of the noise: the mean squared error of the raw movie.
    reasons
        In words, what speaks against trusting the result; empty if nothing does.
    levels, bias
        Mean of the blind prediction in bins of its value, and mean of raw minus predicted value there, in units of
        the movie; ``None`` without a denoiser.
    slope
        Slope of raw against predicted values; one if the prediction keeps the contrast it claims. ``None``
        without a denoiser.
    """

    noise: Correlation
    residual: Whiteness
    spreads: Calibration | None
    risk: Float[Array, ""] | None
    noise_variance: Float[Array, ""]
    reasons: tuple[str, ...] = eqx.field(static=True)
    levels: Float[Array, " bin"] | None = None
    bias: Float[Array, " bin"] | None = None
    slope: Float[Array, ""] | None = None

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the result."""
        return not self.reasons

    @property
    def verdict(self) -> str:
        """One line for a table or a log."""
        return "nothing speaks against it" if self.trusted else "; ".join(self.reasons)


def assess(
    denoiser: Denoiser | Ensemble | None, raw: Movie, denoised: Movie, noise: Gaussian | PoissonGaussian
) -> DenoiseReport:
    """Judge a denoised movie from the raw one: whiteness, calibration, risk, and warnings in words.

    Parameters
    ----------
    denoiser
        What made ``denoised``; its blind prediction is judged, because the final one has used the pixel it
        would be judged against. ``None`` for a classical method: only its plain residual can be looked at.
    raw, denoised
        The movie before and after.
    noise
        Noise model in the movie's units.

    Raises
    ------
    ValueError
        If the two movies do not have the same shape, or there are fewer than three frames.

    Notes
    -----
    A white residual does not prove that fine detail survived; a correlated one proves that something went
    wrong. The denoiser is asked once more, with noise added, to tell its risk.

    References
    ----------
    The risk of a blind prediction: Batson, Royer (2019), arXiv:1901.11365, proposition 1; by added noise: Ramani,
    Blu, Unser (2008), doi:10.1109/TIP.2008.2001404.
    """
    if raw.frames.shape != denoised.frames.shape:
        raise ValueError(
            f"`raw` and `denoised` must be one movie before and after, got shapes {raw.frames.shape} and "
            f"{denoised.frames.shape}."
        )
    judged = denoised if denoiser is None else denoiser.blind(raw)
    inside = raw.domain.inside
    y, mu = np.asarray(raw.frames, float), np.asarray(judged.frames, float)
    known = jnp.where(jnp.asarray(inside)[..., None], channels(judged), 0)
    sigma2 = np.asarray(with_channels(noise, raw).variance(known), float).reshape(y.shape)
    error2 = ((y - mu) ** 2)[:, inside].mean()
    noise_variance = sigma2[:, inside].mean()
    correlation = autocorrelation(raw)
    reasons = beyond = independent(correlation) if denoiser is None else unpredictable(correlation, denoiser.network)
    risk = error2 - noise_variance
    if denoiser is not None and not beyond:
        # Noise that the network can predict would be missing from its residual, whatever is added.
        risk = blind_risk(denoiser, raw, judged, noise, correlation)
    # The error of an honest blind prediction holds this share of the residual's power. It is smooth, so it
    # correlates by up to the share; and it is made of other frames' noise, so residuals correlate with it
    # by twice their weight: 2 √(share / frames read) if all weigh alike.
    share = 0.0 if denoiser is None else max(0.0, risk / error2)
    averaged = share if denoiser is None else share + 2 * np.sqrt(share / len(denoiser.network.reads))
    floor = 1e-6 * noise_variance
    z = ((y - mu) / np.sqrt(np.maximum(sigma2, floor))).reshape(*raw.frames.shape[: 1 + inside.ndim], -1)
    each = [whiteness(z[..., i], inside, tolerance=max(0.02, averaged)) for i in range(z.shape[-1])]
    residual = max(each, key=lambda one: abs(float(one.rho)) / float(one.threshold))
    if not explained(residual, correlation, share, averaged):
        reasons += (f"the residual is {residual.verdict}: signal was removed, or noise is correlated",)
    dtype = raw.frames.dtype
    if denoiser is None:
        if 0 in denoised.reads:
            reasons += (
                "the residual is not blind: the method has used the pixels it is judged against, so neither "
                "its risk nor its calibration can be measured",
            )
        return DenoiseReport(correlation, residual, None, None, jnp.asarray(noise_variance, dtype), reasons)
    if error2 < 0.97 * noise_variance:
        reasons += (
            f"the blind residual has {error2 / noise_variance:.2f} of the noise variance; a prediction that "
            "has not seen the noise cannot come closer, so the noise is correlated or overestimated",
        )
    reasons += calibrated(judged, raw, noise)
    return DenoiseReport(
        correlation,
        residual,
        standardised(judged, raw, noise),
        jnp.asarray(risk, dtype),
        jnp.asarray(noise_variance, dtype),
        reasons,
        *(jnp.asarray(x, dtype) for x in _bias(y[:, inside], mu[:, inside])),
    )


def _bias(observed, predicted) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean prediction and mean error in equally filled bins of the prediction, and the slope of observed on it.

    Bins of the blind prediction: it does not know the noise of ``observed``, so no bin is chosen by its noise.
    """
    y, mu = observed.ravel(), predicted.ravel()
    groups = [g for g in np.array_split(np.argsort(mu, kind="stable"), min(BINS, mu.size)) if g.size]
    centred = mu - mu.mean()
    slope = float(centred @ y / max(centred @ centred, 1e-300))
    return np.array([mu[g].mean() for g in groups]), np.array([(y[g] - mu[g]).mean() for g in groups]), slope

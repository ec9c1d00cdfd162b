"""Checks of a fit and of a denoised movie, each with its finding in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..denoise import DenoiseReport
from ..denoise.assess import CALIBRATED
from ..inference import Posterior, Problem
from ..inference import explained as smooth_left
from ..movie import Movie
from ..physics import Diffusion
from ..physics.diagnostics import keeps_content
from ..physics.equations import AbstractPhaseField
from ..physics.laws import EDGE
from .laws import Curve, visited_range
from .residual import Verdict, judged, misfit, standardised, white

# The noise itself is seldom known better than this, so the misfit cannot be judged closer.
NOISE_KNOWN = 0.2
# Share of the visited range in which the truth may leave a 95 % band: neighbouring compositions are not
# independent, so it may be far more than a twentieth in one movie and say nothing.
ASTRAY = 0.1


@dataclass(frozen=True)
class Check:
    """One line of the table of checks; ``passed`` is ``None`` where nothing could be judged."""

    name: str
    finding: str
    passed: bool | None


def explained(posterior: Posterior, problem: Problem) -> Verdict:
    """Whether the equation explains the movie down to its noise."""
    chi2 = float(posterior.fit.chi2)
    try:
        value, scatter = misfit(posterior.fit, problem)
    except ValueError as error:
        return Verdict(f"reduced χ² is {chi2:.3g} per value, but {error}", None)
    room = NOISE_KNOWN + 4 * scatter
    said = f"reduced χ² is {value:.3g}"
    if value > 1 + room:
        return Verdict(
            f"{said}: the equation does not explain the movie down to its noise, residuals are "
            f"{np.sqrt(value):.2g} times as large; the bands do not cover what the equation leaves out",
            False,
        )
    if value < 1 - room:
        return Verdict(
            f"{said}: residuals are smaller than the noise should be, so the noise is overestimated or correlated",
            False,
        )
    return Verdict(f"{said}: the equation explains the movie down to its noise", True)


def fit_checks(
    posterior: Posterior,
    problem: Problem,
    predicted: Movie,
    curves: Sequence[Curve] = (),
    visited: Float[Array, " pixel"] | None = None,
    denoising: DenoiseReport | None = None,
) -> list[Check]:
    """Everything worth checking before a fit is believed.

    Parameters
    ----------
    posterior, problem
        The fit and what judged it.
    predicted
        The movie the fit predicts.
    curves
        Laws to compare with the truth, where they hold one.
    visited
        Compositions in the movie.
    denoising
        What is known of the denoised movie the fit started from.
    """
    fit = posterior.fit
    tried = f"{len(fit.history) - 1} steps accepted, {fit.rejected} rejected"
    found = [Check("Fit converged", f"{fit.result} ({tried})", fit.result.startswith("converged"))]
    verdict = explained(posterior, problem)
    found.append(Check("Misfit as large as the noise", verdict.words, verdict.passed))
    verdict = white(standardised(predicted, judged(problem)))
    found.append(Check("Residual of the fit is white", verdict.words, verdict.passed))
    left = smooth_left(fit, problem)
    found.append(Check("Nothing smooth is left in the residual", str(left), left.passed))
    if keeps_content(posterior.best, predicted.frames, predicted.times, predicted.domain):
        found += [_drift(posterior, problem, predicted), _content(problem)]
    found += _range(posterior, predicted)
    for curve in curves:
        if curve.truth is not None and visited is not None:
            found.append(_covered(curve, visited))
    return found if denoising is None else found + denoise_checks(denoising)


def _drift(posterior: Posterior, problem: Problem, predicted: Movie) -> Check:
    """Change of the fitted trajectory's mean between the frames of one window."""
    inside = predicted.domain.inside
    mean = np.asarray(predicted.frames[:, inside], np.float64).mean(-1)
    times = np.asarray(predicted.times)
    worst, legs = 0.0, 0
    for number, window in enumerate(problem.windows):
        member = np.isin(times, np.asarray(problem.data.times)[list(window)])
        values = mean[member]
        if problem.starts.lead == 0:
            # the first frame of such a window is its start, and was not predicted from it
            start = problem.starts.state(number, posterior.fit.starts[number])
            begin = np.asarray(problem.observe(start)[inside], np.float64).mean()
            values = np.append(begin, values[times[member] > float(problem.data.times[window[0]])])
        if values.size > 1:
            worst, legs = max(worst, float(np.ptp(values))), legs + 1
    name = "Fitted trajectory keeps its content"
    if not legs:
        return Check(name, "not judged: every window holds one frame", None)
    scale = max(float(np.abs(mean).max()), float(np.std(np.asarray(predicted.frames[:, inside]))))
    # rounding of sums over a whole run
    allowed = 1e4 * float(jnp.finfo(predicted.frames.dtype).eps)
    drift = worst / scale if scale > 0 else 0.0
    return Check(
        name,
        f"largest change within a window {drift:.1e} of the mean (rounding: {allowed:.0e})",
        drift < allowed,
    )


def _content(problem: Problem) -> Check:
    """Change of the measured mean from the first tenth of the frames to the last, against its noise."""
    data = problem.data
    inside = data.domain.inside
    mean = np.asarray(data.frames[:, inside], np.float64).mean(-1)
    some = max(1, len(mean) // 10)
    change = mean[-some:].mean() - mean[:some].mean()
    weights = np.asarray(problem.weights, np.float64)
    variance = np.mean(1 / weights[weights > 0])
    noise = np.sqrt(2 * variance / (some * inside.sum()))
    size = np.abs(mean).max()
    # noise shared by neighbouring pixels averages out more slowly than this counts: a hundredth is let pass
    constant = bool(abs(change) < max(5 * noise, 0.01 * size))
    begin = mean[:some].mean()
    said = f"the measured mean changes by {change:+.3g} from {begin:.3g} (noise of that: {noise:.1g})"
    return Check(
        "Measured content is constant",
        said if constant else f"{said}; a closed box cannot do that, so the laws absorb it",
        constant,
    )


def _range(posterior: Posterior, predicted: Movie) -> list[Check]:
    values = predicted.frames[:, predicted.domain.inside]
    if isinstance(posterior.best, AbstractPhaseField):
        outside = float(jnp.mean((values < EDGE) | (values > 1 - EDGE)))
        said = f"{100 * outside:.2g} % of the fitted values lie outside of {EDGE:g} to {1 - EDGE:g}"
        return [Check("Fitted composition stays between 0 and 1", said, outside == 0)]
    if isinstance(posterior.best, Diffusion):
        at = jnp.linspace(*visited_range(values), 33)

        def diffusivity(equation):
            return equation.diffusivity(at)

        bad = float(jnp.mean(posterior(diffusivity).min(1) <= 0))
        said = f"{100 * bad:.2g} % of the draws are zero or negative somewhere in the visited range"
        return [Check("Diffusivity is positive", said, bad == 0)]
    return []


def _covered(curve: Curve, visited) -> Check:
    low, high = visited_range(visited)
    c = np.asarray(curve.c)
    seen = (c >= low) & (c <= high)
    edges = np.quantile(np.asarray(curve.draws)[:, seen], [0.025, 0.975], axis=0)
    truth = np.asarray(curve.truth)[seen]
    # a law that is pinned, such as μ at its reference, may miss by rounding
    slack = 1e-5 * max(float(np.abs(truth).max()), 1e-30)
    hit = float(np.mean((edges[0] - slack <= truth) & (truth <= edges[1] + slack)))
    said = f"over {100 * hit:.0f} % of the visited range"
    return Check(f"Truth inside the 95 % band: {curve.name}", said, hit >= 1 - ASTRAY)


def denoise_checks(denoising: DenoiseReport) -> list[Check]:
    """What is known of a denoised movie without the truth."""
    residual, noise = denoising.residual, denoising.noise
    found = [
        Check("Noise of the raw movie is independent", noise.verdict, noise.white and noise.fresh),
        Check("Residual of the denoiser is white", residual.verdict, residual.white),
    ]
    if denoising.spreads is not None:
        by_level = np.asarray(denoising.spreads.binned_square)
        low, high = CALIBRATED
        honest = bool(low <= by_level.min() and by_level.max() <= high)
        found.append(Check("Predicted spreads are calibrated", denoising.spreads.verdict, honest))
    found.append(Check("Denoised movie can be trusted", denoising.verdict, denoising.trusted))
    return found

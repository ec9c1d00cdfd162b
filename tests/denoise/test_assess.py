"""The report finds nothing wrong with a good result, and names what is wrong with others."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import io, metrics, noise
from operax.denoise import BlindSpot, FrameBlind, TemporalMean, assess, choose, train
from operax.denoise.assess import explained
from operax.denoise.choose import footprint, unpredictable

STD = 0.1
STACK = Path(__file__).parents[3] / "shared" / "data" / "real" / "stxm_fe_l23_als" / "71214078_raw.zip"


def test_nothing_speaks_against_a_good_result(denoiser, raw, clean):
    report = assess(denoiser, raw, denoiser(raw), noise.Gaussian(STD))
    assert report.trusted, report.verdict
    assert report.verdict == "nothing speaks against it"
    assert report.noise.white
    assert report.residual.white
    true = float(metrics.rmse(denoiser.blind(raw).frames, clean.frames, raw.domain.inside)) ** 2
    assert float(report.risk) == pytest.approx(true, rel=0.25)
    assert float(report.noise_variance) == pytest.approx(STD**2, rel=1e-4)
    # The bias told is the true one, to four standard errors of a mean over a bin.
    inside = raw.domain.inside
    blind = np.asarray(denoiser.blind(raw).frames)[:, inside].ravel()
    truth = np.asarray(clean.frames)[:, inside].ravel()
    bins = np.array_split(np.argsort(blind, kind="stable"), 8)
    true_bias = [(truth - blind)[one].mean() for one in bins]
    np.testing.assert_allclose(report.bias, true_bias, atol=4 * STD / np.sqrt(blind.size / 8))
    np.testing.assert_allclose(report.levels, [blind[one].mean() for one in bins], rtol=1e-4)
    true_slope = np.cov(truth, blind)[0, 1] / blind.var(ddof=1)
    assert float(report.slope) == pytest.approx(true_slope, abs=4 * STD / blind.std() / np.sqrt(blind.size))


def test_a_wrong_noise_model_is_named(denoiser, raw):
    loud = assess(denoiser, raw, denoiser(raw), noise.Gaussian(2 * STD))
    assert not loud.trusted
    assert "cannot come closer, so the noise is correlated or overestimated" in loud.verdict
    quiet = assess(denoiser, raw, denoiser(raw), noise.Gaussian(0.5 * STD))
    assert "spreads are not calibrated" in quiet.verdict


def test_noise_shared_by_a_row_is_named_and_the_pixel_not_put_back(clean):
    rows = STD * jax.random.normal(jax.random.key(2), (14, 33, 1))
    frames = noise.Gaussian(STD).sample(clean.frames + rows, key=jax.random.key(1))
    raw = clean.replace(frames=frames)
    found = noise.estimate(raw)
    denoiser = train(raw, found, key=jax.random.key(0), network=BlindSpot(2, 4), steps=20, batch=1)
    assert not denoiser.posterior
    assert "correlated in space" in denoiser.reasons[0]
    assert "beyond what the network is blind to" in denoiser.reasons[0]
    report = assess(denoiser, raw, denoiser(raw), found)
    assert not report.noise.white
    assert "correlated in space" in report.verdict


def test_a_baseline_is_judged_by_its_residual_only(raw, clean):
    report = assess(None, raw, TemporalMean(3)(raw), noise.Gaussian(STD))
    assert report.risk is None
    assert report.spreads is None
    assert "the residual is not blind" in report.verdict


def test_signal_in_the_residual_is_found(raw, clean):
    blurred = raw.replace(frames=jnp.full_like(raw.frames, 0.5))
    report = assess(None, raw, blurred, noise.Gaussian(STD))
    assert not report.residual.white
    assert "signal was removed" in report.verdict


def correlation(lags):
    """Noise that correlates 0.3 at the given lags and their opposites."""
    space = np.zeros((7, 7))
    space[3, 3] = 1
    for row, column in lags:
        space[3 + row, 3 + column] = space[3 - row, 3 - column] = 0.3
    return noise.Correlation(jnp.asarray(space), jnp.zeros(()), 100_000)


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ([], (1, 1)),
        ([(0, 1)], (1, 3)),
        ([(0, 1), (1, 0), (1, -1)], (3, 3)),
        ([(0, k) for k in (1, 2, 3)], (1, None)),
        ([(k, 0) for k in (1, 2, 3)] + [(0, 1)], (None, 3)),
        ([(3, 3)], (None, None)),
    ],
)
def test_footprint_covers_every_correlated_lag(lags, expected):
    found = correlation(lags)
    assert footprint(found) == expected
    network = FrameBlind(2) if expected == (None, None) else BlindSpot(2, footprint=expected)
    assert not unpredictable(found, network)
    assert bool(unpredictable(found, BlindSpot(2))) == bool(lags)


def test_a_residual_is_explained_by_the_noise_and_by_the_error_that_it_holds():
    noisy = correlation([(0, 1)])  # 0.3 along rows

    def residual(rho, lag=(0, 0, 1)):
        return metrics.Whiteness(jnp.asarray(rho), jnp.asarray(0.02), lag, 0.0)

    assert explained(residual(0.35), noisy)
    assert not explained(residual(0.45), noisy)
    # A quarter of it is error, which may correlate by so much: 0.75 × 0.3 + 0.25.
    assert explained(residual(0.45), noisy, 0.25, 0.25)
    assert not explained(residual(0.5), noisy, 0.25, 0.25)
    assert not explained(residual(0.45, (0, 1, 0)), noisy, 0.25, 0.25)
    assert not explained(residual(0.3, (1, 0, 1)), noisy, 0.25, 0.25)


def test_noise_that_outlasts_a_frame_is_named(clean):
    fresh = np.asarray(jax.random.normal(jax.random.key(0), (15, 33, 30)))
    found = choose(clean.replace(frames=jnp.asarray(fresh[1:] + 0.6 * fresh[:-1])))
    assert "no footprint helps" in found.reason
    assert "from frame to frame" in unpredictable(found.noise, found.network)[0]


def test_two_different_movies_are_refused(denoiser, raw):
    with pytest.raises(ValueError, match="must be one movie before and after"):
        assess(denoiser, raw, denoiser(raw)[:8], noise.Gaussian(STD))


@pytest.mark.skipif(not STACK.exists(), reason="the recorded Fe L-edge STXM stack is not here")
def test_recorded_stxm_stack_needs_more_than_a_single_blind_pixel():
    stack = io.load(STACK)[:40]
    found = choose(stack)
    assert not found.noise.white
    assert found.network.footprint != (1, 1)
    assert "noise correlates" in found.reason
    plain = replace(found.network, footprint=(1, 1)) if isinstance(found.network, BlindSpot) else BlindSpot(5)
    assert unpredictable(found.noise, plain)
    assert not unpredictable(found.noise, found.network) or not found.noise.fresh

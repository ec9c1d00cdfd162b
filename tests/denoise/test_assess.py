"""The report finds nothing wrong with a good result, and names what is wrong with others."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import io, metrics, noise
from operax.denoise import BlindSpot, TemporalMean, assess, train

STD = 0.1
STACK = Path(__file__).parents[3] / "shared" / "data" / "real" / "stxm_fe_l23_als" / "71214078_raw.zip"


def test_nothing_speaks_against_a_good_result(denoiser, raw, clean):
    report = assess(denoiser, raw, denoiser(raw), noise.Gaussian(STD))
    assert report.trusted, report.verdict
    assert report.verdict == "nothing speaks against it"
    assert report.noise.white
    assert report.residual.white
    true = float(metrics.rmse(denoiser.blind(raw).frames, clean.frames, raw.domain.inside)) ** 2
    # Known to about the sampling error of the noise's own variance.
    assert float(report.risk) == pytest.approx(true, abs=4 * STD**2 * np.sqrt(2 / raw.frames.size))
    assert float(report.noise_variance) == pytest.approx(STD**2, rel=1e-4)


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
    assert "not white: correlated in space" in denoiser.reasons[0]
    report = assess(denoiser, raw, denoiser(raw), found)
    assert not report.noise.white
    assert "not white" in report.verdict


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


def test_two_different_movies_are_refused(denoiser, raw):
    with pytest.raises(ValueError, match="must be one movie before and after"):
        assess(denoiser, raw, denoiser(raw)[:8], noise.Gaussian(STD))


@pytest.mark.skipif(not STACK.exists(), reason="the recorded Fe L-edge STXM stack is not here")
def test_recorded_stxm_stack_is_said_to_have_correlated_noise():
    stack = io.load(STACK).crop(slice(40, 73), slice(40, 70))[20:34]
    found = noise.estimate(stack)
    correlation = noise.autocorrelation(stack)
    assert not correlation.white
    assert correlation.lag == (0, 1)
    denoiser = train(stack, found, key=jax.random.key(0), network=BlindSpot(2, 4), steps=20, batch=1)
    assert not denoiser.posterior
    assert "not white" in assess(denoiser, stack, denoiser(stack), found).verdict

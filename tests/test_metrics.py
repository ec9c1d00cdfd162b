"""Metrics give the numbers that can be worked out by hand, and tell white residuals from others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import metrics


def white(shape=(12, 40, 40), seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_rmse_and_psnr_by_hand():
    clean, estimate = jnp.zeros((2, 4, 4)), jnp.full((2, 4, 4), 0.1)
    assert float(metrics.rmse(estimate, clean)) == pytest.approx(0.1)
    assert float(metrics.psnr(estimate, clean, data_range=1.0)) == pytest.approx(20.0, abs=1e-4)
    assert float(metrics.psnr(estimate, clean, data_range=2.0)) == pytest.approx(26.0206, abs=1e-3)


def test_only_pixels_inside_count():
    inside = np.eye(4, dtype=bool)
    estimate = jnp.where(inside, 0.1, jnp.nan) * jnp.ones((3, 4, 4))
    assert float(metrics.rmse(estimate, jnp.zeros((3, 4, 4)), inside)) == pytest.approx(0.1)
    slope = jax.grad(lambda e: metrics.rmse(e, jnp.zeros((3, 4, 4)), inside))(estimate)
    assert jnp.isfinite(slope).all()


def test_metrics_refuse_shapes_that_disagree():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(2, 4\)"):
        metrics.rmse(jnp.zeros((2, 3)), jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match="`inside` must match the trailing axes"):
        metrics.rmse(jnp.zeros((2, 3)), jnp.zeros((2, 3)), np.ones(4, bool))
    with pytest.raises(ValueError, match="share one grid"):
        metrics.law_error(jnp.zeros(3), jnp.zeros(4))
    with pytest.raises(ValueError, match="`data_range` must be positive"):
        metrics.psnr(jnp.zeros(3), jnp.zeros(3), data_range=0.0)


def test_law_error_is_relative_and_weighted():
    truth = jnp.asarray([1.0, 2.0, 3.0])
    assert float(metrics.law_error(1.1 * truth, truth)) == pytest.approx(0.1, abs=1e-6)
    wrong_where_nobody_looks = truth.at[2].set(100.0)
    assert float(metrics.law_error(wrong_where_nobody_looks, truth, jnp.asarray([1.0, 1.0, 0.0]))) == 0


def test_coverage_of_honest_and_of_narrow_draws():
    generator = np.random.default_rng(0)
    truth, draws = generator.standard_normal(4000), generator.standard_normal((400, 4000))
    assert float(metrics.coverage(draws, truth, 0.9)) == pytest.approx(0.9, abs=0.02)
    assert float(metrics.coverage(0.3 * draws, truth, 0.9)) < 0.5


def test_coverage_refuses_bad_input():
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1, got 95"):
        metrics.coverage(jnp.zeros((5, 3)), jnp.zeros(3), 95)
    with pytest.raises(ValueError, match="`draws` must have shape"):
        metrics.coverage(jnp.zeros((5, 3)), jnp.zeros(4), 0.9)


@pytest.mark.parametrize("shape", [(30, 300), (12, 40, 40), (5, 12, 12, 12)])
def test_white_residual_is_white(shape):
    found = metrics.whiteness(white(shape))
    assert found.white
    assert found.verdict == "white"
    assert found.pvalue > 0.001


def test_correlation_in_space_is_found_with_its_lag():
    r = white()
    found = metrics.whiteness(r + np.roll(r, 2, axis=2))
    assert found.lag == (0, 0, 2)
    assert float(found.rho) == pytest.approx(0.5, abs=0.05)
    assert found.verdict.startswith("not white: correlation +0.5")
    assert found.pvalue < 1e-6


def test_correlation_in_time_is_found():
    r = white((30, 20, 20))
    found = metrics.whiteness(r[1:] - r[:-1])
    assert found.lag == (1, 0, 0)
    assert float(found.rho) == pytest.approx(-0.5, abs=0.05)


def test_whiteness_ignores_pixels_outside():
    inside = np.zeros((40, 40), bool)
    inside[5:35, 5:35] = True
    assert metrics.whiteness(np.where(inside, white(), np.nan), inside).white


def test_whiteness_refuses_bad_input():
    with pytest.raises(ValueError, match="at least one space axis"):
        metrics.whiteness(np.zeros(10))
    with pytest.raises(ValueError, match="must be finite inside"):
        metrics.whiteness(np.full((3, 4, 4), np.nan))
    with pytest.raises(ValueError, match="is constant"):
        metrics.whiteness(np.ones((3, 8, 8)))
    with pytest.raises(ValueError, match="residual's space shape"):
        metrics.whiteness(white((3, 8, 8)), np.ones((4, 4), bool))
    with pytest.raises(ValueError, match="too small to judge"):
        metrics.whiteness(white((1, 3, 3)))


def test_calibration_of_honest_and_of_overconfident_predictions():
    mean = white(seed=1)
    observed = mean + 0.5 * white(seed=2)
    honest = metrics.calibration(observed, mean, np.full_like(mean, 0.25))
    assert float(honest.variance) == pytest.approx(1.0, abs=0.03)
    assert float(honest.mean) == pytest.approx(0.0, abs=0.03)
    assert float(honest.covered[1]) == pytest.approx(0.95, abs=0.01)
    overconfident = metrics.calibration(observed, mean, np.full_like(mean, 0.125))
    assert float(overconfident.variance) == pytest.approx(2.0, abs=0.06)
    assert overconfident.verdict.startswith("mean z² 1.99, by level 1.9")


def test_calibration_sees_a_level_whose_variance_is_wrong():
    mean = np.abs(white(seed=1))
    observed = mean + np.sqrt(mean) * white(seed=2)
    found = metrics.calibration(observed, mean, np.full_like(mean, mean.mean()))
    assert float(found.variance) == pytest.approx(1.0, abs=0.1)
    assert float(found.binned_variance[0]) < 0.3
    assert float(found.binned_variance[-1]) > 2


def test_a_bias_at_one_level_is_part_of_its_error():
    mean = np.abs(white(seed=1))
    bias = np.where(mean > np.median(mean), 0.5, 0.0)
    found = metrics.calibration(mean + bias + white(seed=2), mean, 1 + bias**2)
    np.testing.assert_allclose(found.binned_square, 1, atol=0.05)
    assert float(found.binned_variance[-1]) == pytest.approx(0.8, abs=0.05)


def test_calibration_refuses_bad_input():
    with pytest.raises(ValueError, match="`variance` must be positive inside"):
        metrics.calibration(np.zeros(4), np.zeros(4), np.zeros(4))
    with pytest.raises(ValueError, match="must have one shape"):
        metrics.calibration(np.zeros(4), np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="`bins` must be at least 1"):
        metrics.calibration(np.zeros(4), np.zeros(4), np.ones(4), bins=0)


@pytest.mark.parametrize(
    ("lag", "where"),
    [
        ((0, 1), "at 1 px apart"),
        ((0, 1, 0), "at (1, 0) px apart"),
        ((1, 0, 0), "at 1 frame apart"),
        ((2, 0, 1), "at 2 frames and (0, 1) px apart"),
    ],
)
def test_where_a_residual_is_not_white_is_said_in_words(lag, where):
    assert where in metrics.Whiteness(jnp.asarray(0.5), jnp.asarray(0.1), lag, 1e-9).verdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.inference import Problem
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report.residual import judged, matching, misfit, standardised, white


def movie(frames, times=None, inside=None, **more):
    frames = jnp.asarray(frames)
    times = jnp.arange(float(len(frames))) if times is None else times
    return Movie(frames, times, Domain(frames.shape[1:], inside=inside), **more)


def test_residual_is_in_standard_deviations_and_nan_where_nothing_counts():
    mask = np.array([True, True, False])
    measured = movie([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]], inside=mask, variance=jnp.array([[4.0, jnp.inf, 1.0]]))
    predicted = movie(jnp.zeros((2, 3)), inside=mask)
    z = standardised(predicted, measured)
    np.testing.assert_allclose(z[:, 0], [0.5, 1.5])
    assert np.isnan(z[:, 1:]).all()
    np.testing.assert_allclose(standardised(predicted, measured, Gaussian(0.5))[:, 1], [4.0, 8.0])


def test_frames_are_matched_by_time():
    measured, predicted = movie(np.eye(4)), movie(np.eye(4)[1:3], times=jnp.array([1.0, 2.0]))
    assert matching(predicted, measured).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"none was measured at 0\.5"):
        matching(movie(np.eye(4)[:1], times=jnp.array([0.5])), measured)
    with pytest.raises(ValueError, match="must be grey movies on one domain"):
        matching(movie(np.zeros((2, 3))), measured)


def test_noise_must_be_known_and_positive():
    still = movie(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="the noise of `measured` is not known: give `noise`"):
        standardised(still, still)
    with pytest.raises(ValueError, match="must be positive at every pixel inside"):
        standardised(still, still, Gaussian(0.0))


def test_white_and_correlated_residuals_are_told_apart():
    z = np.asarray(jax.random.normal(jax.random.key(0), (20, 16, 16)))
    assert white(z).passed is True
    smooth = z + np.roll(z, 1, 1)
    assert white(smooth).passed is False
    assert "not white: correlation" in white(smooth).words
    masked = z.copy()
    masked[:, :4] = np.nan
    masked[0] = np.nan
    assert white(masked).passed is True
    assert white(z[:1, :2, :2]).passed is None
    assert white(np.full((3, 4, 4), np.nan)).passed is None


def test_data_of_a_problem_carries_the_variance_it_was_judged_by(raw, noise):
    problem = Problem(raw, noise=noise, weights=jnp.array([0.0, 1, 1, 1, 1, 4])[:, None])
    variance = np.asarray(judged(problem).variance)
    assert np.isinf(variance[0]).all()
    np.testing.assert_allclose(variance[1], 4e-4, rtol=1e-5)
    np.testing.assert_allclose(variance[5], 1e-4, rtol=1e-5)


def test_misfit_of_a_true_equation_is_one(posterior, problem):
    value, scatter = misfit(posterior.fit, problem)
    assert abs(value - 1) < 4 * scatter
    laws_and_modes = posterior.fit.normal.laws.shape[0] + posterior.fit.starts.size
    assert 1 < posterior.fit.normal.informed() < laws_and_modes

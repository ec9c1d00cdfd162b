import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import denoise
from operax.domain import Domain
from operax.inference import Problem
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report.checks import denoise_checks, explained, fit_checks
from operax.report.laws import Curve


def by_name(checks):
    return {check.name: check for check in checks}


def test_a_true_fit_passes_everything(posterior, problem, predicted, truth):
    values = predicted.frames.ravel()
    c = jnp.linspace(float(values.min()), float(values.max()), 33)
    curve = Curve("D(c)", c, posterior(lambda e: e.diffusivity(c)), truth.diffusivity(c))
    checks = fit_checks(posterior, problem, predicted, [curve], values)
    assert [check.name for check in checks if not check.passed] == []
    assert "steps accepted" in by_name(checks)["Fit converged"].finding
    assert by_name(checks)["Truth inside the 95 % band: D(c)"].finding.startswith("over ")


def test_a_truth_outside_the_band_fails(posterior, problem, predicted):
    values = predicted.frames.ravel()
    c = jnp.linspace(0.1, 0.8, 33)
    curve = Curve("D(c)", c, posterior(lambda e: e.diffusivity(c)), jnp.full(33, 1e3))
    checks = by_name(fit_checks(posterior, problem, predicted, [curve], values))
    assert checks["Truth inside the 95 % band: D(c)"].passed is False


@pytest.mark.parametrize(("std", "words"), [(0.005, "does not explain the movie"), (0.2, "overestimated")])
def test_misfit_is_put_into_words(posterior, raw, problem, std, words):
    # the same fit judged by a wrong noise level
    factor = (0.02 / std) ** 2
    judged = eqx.tree_at(lambda p: p.fit.chi2, posterior, posterior.fit.chi2 * factor)
    verdict = explained(judged, problem)
    assert verdict.passed is False
    assert words in verdict.words


def test_a_leak_in_the_measured_movie_is_found(posterior, raw, noise, predicted):
    draining = raw.replace(frames=raw.frames - 0.05 * raw.times[:, None])
    check = by_name(fit_checks(posterior, Problem(draining, noise=noise), predicted))["Measured content is constant"]
    assert check.passed is False
    assert "a closed box cannot do that" in check.finding


def test_a_trajectory_that_loses_content_is_found(posterior, problem, predicted):
    losing = predicted.replace(frames=predicted.frames * (1 - 0.01 * predicted.times[:, None]))
    check = by_name(fit_checks(posterior, problem, losing))["Fitted trajectory keeps its content"]
    assert check.passed is False
    assert by_name(fit_checks(posterior, problem, predicted))["Fitted trajectory keeps its content"].passed


def test_what_the_equation_misses_is_put_into_words(posterior, problem, predicted):
    """A wave that stays through all frames: no noise looks like that."""
    name = "Nothing smooth is left in the residual"
    assert by_name(fit_checks(posterior, problem, predicted))[name].passed
    wave = 0.03 * jnp.cos(2 * jnp.pi * jnp.arange(problem.data.frames.shape[-1]) / problem.data.frames.shape[-1])
    missed = eqx.tree_at(lambda p: p.data.frames, problem, problem.data.frames + wave)
    check = by_name(fit_checks(posterior, missed, predicted))[name]
    assert check.passed is False
    assert "the equation misses something" in check.finding


def striped(correlated):
    """A still movie with noise that is, or is not, shared by neighbours along rows."""
    noise = 0.1 * jax.random.normal(jax.random.key(0), (10, 24, 24))
    if correlated:
        noise = (noise + jnp.roll(noise, 1, 2)) / np.sqrt(2)
    scene = jnp.linspace(0, 1, 24)[None, :, None]
    return Movie(scene + noise, jnp.arange(10.0), Domain((24, 24)))


def test_correlated_noise_of_a_denoised_movie_fails_in_words():
    raw = striped(correlated=True)
    denoised = denoise.TemporalMean(3)(raw)
    checks = by_name(denoise_checks(denoise.assess(None, raw, denoised, Gaussian(0.1))))
    assert checks["Noise of the raw movie is independent"].passed is False
    assert "correlated in space" in checks["Noise of the raw movie is independent"].finding
    assert checks["Residual of the denoiser is white"].passed is False
    assert checks["Residual of the denoiser is white"].finding.startswith("not white")


def test_independent_noise_passes():
    raw = striped(correlated=False)
    checks = by_name(denoise_checks(denoise.assess(None, raw, denoise.TemporalMean(3)(raw), Gaussian(0.1))))
    assert checks["Noise of the raw movie is independent"].passed is True

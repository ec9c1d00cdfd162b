"""Propagated noise agrees with repeated noise draws, and its derivative with finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws

KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def given():
    """Diffusion with D = 2 of a cosine and a step; starts given by a mean of three frames: equation, movie, noise."""
    domain = ox.Domain((16,), 1.0)
    x = domain.centres()[0]
    c0 = 0.5 + 0.3 * jnp.cos(jnp.pi * x / 16) + 0.2 * jnp.cos(3 * jnp.pi * x / 16)
    clean = ox.simulate(ox.Diffusion(2.0), c0, 0.5 * jnp.arange(8.0), domain)
    return ox.Diffusion(laws.positive(2.0, factor=2)), clean, ox.noise.Gaussian(0.02)


def noisy(clean, noise, key):
    return clean.replace(frames=noise.sample(clean.frames, key=key))


def problem_of(raw, noise, denoiser):
    return ox.Problem(raw, denoiser(raw), noise, start=ox.Given())


@pytest.fixture(scope="module")
def propagated(given):
    equation, clean, noise = given
    denoiser = ox.denoise.TemporalMean(3, noise)
    raw = noisy(clean, noise, jax.random.key(1))
    problem = problem_of(raw, noise, denoiser)
    best = ox.fit(equation, problem, method=ox.LevenbergMarquardt(tolerance=1e-8))
    return raw, problem, denoiser, best, ox.propagate(best, problem, denoiser, raw, key=KEY, pairs=16)


def test_the_influence_is_the_derivative_of_the_fit(given, propagated):
    """A raw value of a start frame, moved by hand: start states and targets move with it."""
    _, _, noise = given
    raw, _, denoiser, best, posterior = propagated
    influence = posterior.found["influence"]
    assert influence.shape == (1, *raw.frames.shape)
    step, direction = 1e-3, np.zeros(raw.frames.shape)
    direction[1, 3], direction[6, 10] = 1.0, -0.5

    def law(sign):
        moved = raw.replace(frames=raw.frames + sign * step * direction)
        again = ox.refit(best, problem_of(moved, noise, denoiser), method=ox.LevenbergMarquardt(tolerance=1e-12))
        return float(jax.tree.leaves(again.equation)[0])

    slope = (law(1) - law(-1)) / (2 * step)
    assert float(jnp.sum(influence[0] * direction)) == pytest.approx(slope, rel=0.02)


@pytest.mark.slow
def test_the_spread_is_that_of_repeated_noise(given, propagated):
    """Two hundred fits to fresh noise; the plain Gaussian band, blind to noise in the starts, is too narrow."""
    _, clean, noise = given
    _, problem, denoiser, best, posterior = propagated
    found = []
    for key in jax.random.split(jax.random.key(9), 200):
        fresh = problem_of(noisy(clean, noise, key), noise, denoiser)
        found.append(float(jax.tree.leaves(ox.refit(best, fresh).equation)[0]))
    spread = np.std(found)
    # the standard deviation of 200 is known within 5 %
    assert float(jnp.sqrt(posterior.found["covariance"][0, 0])) == pytest.approx(spread, rel=0.1)
    # what the denoiser's blur in time does without any noise is not the noise's bias
    truth = float(jax.tree.leaves(ox.refit(best, problem_of(clean, noise, denoiser)).equation)[0])
    expected, error = float(posterior.found["bias"][0]), float(posterior.found["bias_error"][0])
    assert abs(np.mean(found) - truth - expected) < 4 * np.hypot(error, spread / 200**0.5)
    plain = np.std(np.asarray(jax.tree.leaves(ox.laplace(best, problem, key=KEY).draws)[0]))
    assert plain < 0.8 * spread


def test_draws_spread_by_noise_and_prior_around_the_fit_less_its_bias(propagated):
    _, _, _, best, posterior = propagated
    draws = np.asarray(jax.tree.leaves(posterior.draws)[0]).ravel()
    both = posterior.found["covariance"] + posterior.found["prior"]
    assert draws.var() == pytest.approx(float(both[0, 0]), rel=0.2)
    centre = float(jax.tree.leaves(best.equation)[0] - posterior.found["bias"][0])
    assert abs(draws.mean() - centre) < 4 * draws.std() / len(draws) ** 0.5
    assert "standard deviations taken off" in posterior.notes[0]


@pytest.mark.slow
def test_where_starts_are_inferred_noise_and_prior_together_make_the_laplace_band(given):
    """They are the two parts of one posterior; the noise's part alone is narrower."""
    equation, clean, noise = given
    raw = noisy(clean, noise, jax.random.key(1))
    problem = ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=1.0))
    best = ox.fit(equation, problem)
    posterior = ox.propagate(best, problem, None, raw, key=KEY, pairs=2)
    laplace = ox.laplace(best, problem, key=KEY, draws=4000)
    sd = float(np.std(np.asarray(jax.tree.leaves(laplace.draws)[0])))
    noise_part, rest = (float(posterior.found[name][0, 0]) for name in ("covariance", "prior"))
    assert (noise_part + rest) ** 0.5 == pytest.approx(sd, rel=0.1)
    assert 0.3 * rest < noise_part
    assert float(jax.tree.leaves(best.equation)[0]) == pytest.approx(
        float(jax.tree.leaves(posterior.draws)[0].mean()), abs=0.15 * sd
    )
    assert "no bias is taken off" in posterior.notes[0]


def test_what_cannot_be_propagated_is_refused(given, propagated):
    _, clean, noise = given
    raw, problem, _, best, _ = propagated
    with pytest.raises(ValueError, match="`raw` must be the movie that the problem judges by"):
        ox.propagate(best, problem, ox.denoise.TemporalMean(3, noise), clean, key=KEY)
    with pytest.raises(ValueError, match="are not what `denoiser` makes of `raw`"):
        ox.propagate(best, problem, ox.denoise.TemporalMean(5, noise), raw, key=KEY)
    with pytest.raises(ValueError, match="`pairs` at least 2"):
        ox.propagate(best, problem, None, raw, key=KEY, pairs=1)
    heavy = ox.Problem(raw, None, ox.StudentT(noise), start=ox.Given())
    with pytest.raises(ValueError, match="take `ensemble`"):
        ox.propagate(best, heavy, None, raw, key=KEY)

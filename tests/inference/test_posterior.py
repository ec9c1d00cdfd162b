"""Bands: exact where the problem is linear, confirmed by sampling, and honest about misfit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox


def test_laplace_draws_have_the_schur_covariance(solved):
    problem, best = solved
    posterior = ox.laplace(best, problem, key=jax.random.key(0), draws=20_000)
    draws = np.stack([np.asarray(x).reshape(20_000) for x in jax.tree.leaves(posterior.draws)], 1)
    assert np.cov(draws.T) == pytest.approx(np.linalg.inv(np.asarray(best.normal.schur())), rel=0.1, abs=1e-4)


def test_sampling_agrees_with_laplace(solved, points):
    problem, best = solved
    laplace = ox.laplace(best, problem, key=jax.random.key(0), draws=4000)
    sampled = ox.sample(best, problem, key=jax.random.key(1), draws=150, warmup=50)

    def quantity(e):
        return e.diffusivity(points)

    wide, narrow = laplace(quantity).std(0), sampled(quantity).std(0)
    assert np.asarray(narrow) == pytest.approx(np.asarray(wide), rel=0.3)
    assert sampled(quantity).mean(0) == pytest.approx(
        np.asarray(laplace(quantity).mean(0)), abs=float(0.5 * wide.max())
    )
    assert any("r-hat" in note for note in sampled.notes)
    assert "0 divergences" in sampled.notes


def test_bands_are_ordered_and_nested(solved, points):
    problem, best = solved
    posterior = ox.laplace(best, problem, key=jax.random.key(0))
    inner, outer = (posterior.band(lambda e: e.diffusivity(points), level) for level in (0.5, 0.95))
    assert bool((outer[0] < inner[0]).all() & (inner[0] < inner[1]).all() & (inner[2] < outer[2]).all())
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        posterior.band(lambda e: e.diffusivity(points), 95)


def test_misfit_widens_the_bands_only_when_asked(line, unknown, points):
    _, _, noisy, _ = line
    problem = ox.Problem(noisy, None, ox.noise.Gaussian(0.005))
    best = ox.fit(unknown, problem)
    assert float(best.chi2) > 4
    plain, scaled = (
        ox.laplace(best, problem, key=jax.random.key(0), residual_scale=scale)(lambda e: e.diffusivity(points)).std(0)
        for scale in (False, True)
    )
    assert np.asarray(scaled) == pytest.approx(np.asarray(plain) * float(best.chi2) ** 0.5, rel=0.2)
    assert "bands widened" in ox.laplace(best, problem, key=jax.random.key(0), residual_scale=True).notes[0]


def test_a_posterior_is_saved_and_read_back(solved, tmp_path):
    problem, best = solved
    posterior = ox.laplace(best, problem, key=jax.random.key(0), draws=50)
    ox.save(tmp_path / "fit.h5", posterior)
    arrays, attributes = ox.io.read_arrays(tmp_path / "fit.h5")
    kept = [arrays[name] for name in sorted(arrays) if name.startswith("draws")]
    assert len(kept) == len(jax.tree.leaves(posterior.draws))
    assert attributes["method"] == "laplace"
    assert jnp.asarray(arrays["history"]).shape == best.history.shape

"""Filters for noise of unit variance, calibrated on the movie itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import metrics, noise
from operax.denoise import NonLocalMeans, TotalVariation
from operax.denoise.stabilise import stabilised, unstabilised
from operax.domain import Domain
from operax.movie import Movie


@pytest.mark.parametrize("model", [noise.PoissonGaussian(0.05, 0.1, 0.04), noise.Gaussian(0.3)])
def test_stabilised_noise_has_unit_variance_and_its_mean_comes_back(model):
    for clean in (0.6, 1.5, 4.0):
        sample = np.asarray(model.sample(jnp.full(200_000, clean), key=jax.random.key(0)), float)
        there = stabilised(sample, model)
        assert there.var() == pytest.approx(1, abs=0.05)
        # The mean of the stabilised values stands for the mean of the values, without bias.
        assert float(unstabilised(np.asarray([there.mean()]), model)[0]) == pytest.approx(sample.mean(), rel=3e-3)


def test_few_counts_come_back_without_bias():
    model = noise.PoissonGaussian(1.0)
    sample = np.asarray(model.sample(jnp.full(400_000, 1.0), key=jax.random.key(0)))
    mean = stabilised(sample, model).mean()
    assert float(unstabilised(np.asarray([mean]), model)[0]) == pytest.approx(1, abs=0.01)
    # The algebraic inverse is far off here.
    assert abs((mean / 2) ** 2 - 0.375 - 1) > 0.05


@pytest.mark.parametrize("method", [TotalVariation(), NonLocalMeans()], ids=["tv", "nlm"])
@pytest.mark.parametrize("model", [noise.Gaussian(0.1), noise.PoissonGaussian(0.02)], ids=["gauss", "poisson"])
def test_filters_bring_a_movie_closer_to_the_truth(clean, method, model):
    inside = clean.domain.inside
    noisy = model.sample(clean.frames, key=jax.random.key(1))
    raw = clean.replace(frames=jnp.where(inside, noisy, jnp.nan))
    result = type(method)(model)(raw)
    before, after = (float(metrics.rmse(m.frames, clean.frames, inside)) for m in (raw, result))
    assert after < 0.6 * before
    assert abs(float((result.frames - clean.frames)[:, inside].mean())) < 0.01
    assert jnp.isnan(result.frames[:, ~inside]).all()
    assert result.reads == tuple(range(-13, 14))


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="`distance` must be a whole number"):
        NonLocalMeans(distance=0)
    colour = Movie(np.zeros((3, 4, 4, 3)), np.arange(3.0), Domain((4, 4)))
    with pytest.raises(ValueError, match="Pass channel by channel"):
        TotalVariation(noise.Gaussian(1.0))(colour)

"""The error of a blind prediction is told without the truth, where it is a few per cent of the noise."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import convolve

from operax import Domain, Movie, noise
from operax.denoise.risk import blind_risk, spectral

SHAPE = (32, 48, 48)
# The mean of the pixel's neighbours in five frames, its own value left out.
MEAN = np.ones((5, 5, 5)) / 124
MEAN[2, 2, 2] = 0


class Neighbours:
    """A blind prediction whose error is known: it smooths the signal, and averages noise."""

    class network:
        reads = tuple(range(-2, 3))

    def blind(self, movie):
        return movie.replace(frames=jnp.asarray(convolve(np.asarray(movie.frames, float), MEAN), movie.frames.dtype))


@pytest.fixture(scope="module")
def clean():
    row, column = np.mgrid[:48, :48]
    time = np.arange(32)[:, None, None]
    return np.tanh((np.hypot(row - 20, column - 25) - 6 - 0.4 * time) / 2)


def noisy(clean, seed):
    made = np.random.default_rng(seed).standard_normal(SHAPE)
    return Movie(jnp.asarray(clean + 0.5 * made / made.std()), np.arange(32.0), Domain(SHAPE[1:]))


@pytest.mark.parametrize("level", [0.5, 0.55, 0.4])
def test_risk_needs_no_noise_level(clean, level):
    """Whatever level is given; mean[(y − μ)² − σ²] is more than its own size off where that is wrong."""
    ratios = []
    for seed in range(5):
        raw = noisy(clean, seed)
        blind = Neighbours().blind(raw)
        found = blind_risk(Neighbours(), raw, blind, noise.Gaussian(level), noise.autocorrelation(raw))
        ratios.append(found / float(((np.asarray(blind.frames) - clean) ** 2).mean()))
    plain = (np.asarray(raw.frames - blind.frames) ** 2).mean() - level**2
    assert np.mean(ratios) == pytest.approx(1, abs=0.12)
    assert np.max(np.abs(np.array(ratios) - 1)) < 0.25
    if level != 0.5:
        assert abs(plain / float(((np.asarray(blind.frames) - clean) ** 2).mean()) - 1) > 1


def test_without_noise_it_is_the_error(clean):
    raw = Movie(jnp.asarray(clean), np.arange(32.0), Domain(SHAPE[1:]))
    blind = Neighbours().blind(raw)
    found = blind_risk(Neighbours(), raw, blind, noise.Gaussian(0.0), noise.autocorrelation(noisy(clean, 0)))
    assert found == pytest.approx(float(((np.asarray(blind.frames) - clean) ** 2).mean()), rel=1e-4)


def test_error_made_of_noise_alone_is_its_variance():
    """A mean of 124 neighbours of white noise: a risk of one part in 124."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(8):
        noisy, other = rng.standard_normal((2, *SHAPE))
        residual = noisy - convolve(noisy, MEAN, mode="wrap")
        found.append(spectral(residual, other, convolve(other, MEAN, mode="wrap")) / noisy.size * 124)
    assert np.mean(found) == pytest.approx(1, abs=0.1)

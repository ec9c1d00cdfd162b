"""Classical denoisers do their sums exactly, and say what they read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise
from operax.denoise import LowRank, TemporalMean
from operax.denoise.baselines import threshold
from operax.domain import Domain
from operax.movie import Movie


def movie_of(frames, **more):
    return Movie(frames, np.arange(float(len(frames))), Domain(frames.shape[1:]), **more)


def test_temporal_mean_by_hand():
    frames = np.arange(5.0)[:, None] ** 2 * np.ones((5, 3))
    result = TemporalMean(3, noise.Gaussian(0.3))(movie_of(frames))
    np.testing.assert_allclose(result.frames[:, 0], [0.5, 5 / 3, 14 / 3, 29 / 3, 12.5], rtol=1e-6)
    np.testing.assert_allclose(result.variance[:, 0], 0.09 / np.array([2, 3, 3, 3, 2]), rtol=1e-5)
    assert result.reads == (-1, 0, 1)


def test_temporal_mean_leaves_a_short_movie_its_reads():
    assert TemporalMean(9)(movie_of(np.ones((2, 4)))).reads == (-1, 0, 1)
    assert TemporalMean(1, noise.Gaussian(1.0))(movie_of(np.eye(4))).reads == (0,)


def test_temporal_mean_uses_the_variance_of_the_movie_or_measures_it():
    frames = noise.Gaussian(0.5).sample(jnp.zeros((9, 60, 60)), key=jax.random.key(0))
    stated = TemporalMean(3)(movie_of(frames, variance=np.asarray(3.0)))
    np.testing.assert_allclose(stated.variance[4], 1.0, rtol=1e-5)
    measured = TemporalMean(5)(movie_of(frames))
    np.testing.assert_allclose(measured.variance[4], 0.05, rtol=0.05)
    assert TemporalMean(3)(movie_of(frames[:2])).variance is None


def separable(rank, frames=20, size=12):
    generator = np.random.default_rng(0)
    return np.einsum(
        "kt,kij->tij",
        generator.standard_normal((rank, frames)),
        generator.standard_normal((rank, size, size)),
    )


def test_low_rank_finds_the_rank_and_takes_the_noise_off():
    clean = separable(3)
    raw = movie_of(noise.Gaussian(0.3).sample(jnp.asarray(clean), key=jax.random.key(1)))
    result = LowRank(noise=noise.Gaussian(0.3))(raw)
    kept = np.linalg.matrix_rank((result.frames - result.frames.mean(0)).reshape(20, -1), tol=1e-3)
    assert kept == 3
    error2 = float(((result.frames - clean) ** 2).mean())
    assert error2 < 0.3 * 0.09
    assert float(result.variance.mean()) == pytest.approx(error2, rel=0.25)
    assert result.reads == tuple(range(-19, 20))


def test_low_rank_of_pure_noise_is_the_mean_picture():
    raw = movie_of(noise.Gaussian(1.0).sample(jnp.zeros((20, 12, 12)), key=jax.random.key(0)))
    result = LowRank(noise=noise.Gaussian(1.0))(raw)
    np.testing.assert_allclose(result.frames, jnp.broadcast_to(raw.frames.mean(0), (20, 12, 12)), atol=1e-5)


def test_low_rank_with_all_components_changes_nothing():
    raw = movie_of(separable(4))
    np.testing.assert_allclose(LowRank(20)(raw).frames, raw.frames, atol=1e-4)


def test_threshold_of_a_square_matrix_is_the_published_one():
    assert threshold(100, 100) == pytest.approx(4 / np.sqrt(3) * 10)
    assert threshold(5, 50) == threshold(50, 5)


def test_baselines_leave_what_is_outside_the_particles_alone():
    inside = np.zeros((12, 12), bool)
    inside[3:9, 3:9] = True
    frames = np.where(inside, separable(2) + 0.1 * np.random.default_rng(3).standard_normal((20, 12, 12)), np.nan)
    raw = Movie(frames, np.arange(20.0), Domain((12, 12), inside=inside))
    for method in (TemporalMean(3), LowRank()):
        result = method(raw)
        assert jnp.isfinite(result.frames[:, inside]).all()
        assert jnp.isnan(result.frames[:, ~inside]).all()


@pytest.mark.parametrize("width", [0, 4, -3, 2.5])
def test_bad_width_is_refused(width):
    with pytest.raises(ValueError, match="`width` must be an odd number of frames"):
        TemporalMean(width)


def test_bad_rank_is_refused():
    with pytest.raises(ValueError, match="`rank` must be a whole number of zero or more"):
        LowRank(-1)
    with pytest.raises(ValueError, match="`rank` must be at most 20 for this movie, got 21"):
        LowRank(21)(movie_of(separable(2)))
    with pytest.raises(ValueError, match="needs a noise level to choose its rank"):
        LowRank()(movie_of(np.ones((2, 5))))

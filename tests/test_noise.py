"""Noise models have the moments they state, and a movie gives back the noise that was put in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise
from operax.domain import Domain
from operax.movie import Movie


def front(frames=24, size=48, speed=1.0, width=3.0):
    """A bright region that grows: most pixels dark or bright, some crossed by a front."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(size), np.arange(size), indexing="ij")
    return jnp.asarray(0.05 + 0.9 / (1 + np.exp((x + 3 * np.sin(y / 8) - 8 - speed * t) / width * 2)))


def movie_of(frames, inside=None, times=None):
    times = np.arange(float(len(frames))) if times is None else times
    return Movie(frames, times, Domain(frames.shape[1:], inside=inside))


def noisy(model, seed=0, **shape):
    return movie_of(model.sample(front(**shape), key=jax.random.key(seed)))


@pytest.mark.parametrize(
    "model",
    [
        noise.Gaussian(0.2),
        noise.PoissonGaussian(0.5, 1.0, 0.3),
        noise.PoissonGaussian(0.5, 5.0, 0.3),  # below its offset: read noise only
    ],
)
def test_samples_have_the_stated_mean_and_variance(model):
    clean = jnp.full(200_000, 4.0)
    sample = model.sample(clean, key=jax.random.key(0))
    assert float(sample.mean()) == pytest.approx(4.0, abs=0.02)
    assert float(sample.var()) == pytest.approx(float(model.variance(clean)[0]), rel=0.02)


def test_gaussian_std_may_differ_from_pixel_to_pixel():
    model = noise.Gaussian(jnp.asarray([[0.1, 0.2], [0.3, 0.4]]))
    assert model.variance(jnp.zeros((5, 2, 2))).shape == (5, 2, 2)
    np.testing.assert_allclose(model.variance(jnp.zeros((5, 2, 2)))[3], model.std**2)


@pytest.mark.parametrize("std", [0.02, 0.07, 0.3])
def test_estimate_finds_gaussian_noise(std):
    found = noise.estimate(noisy(noise.Gaussian(std)))
    assert isinstance(found, noise.Gaussian)
    assert float(found.std) == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize(
    "model",
    [
        noise.PoissonGaussian(0.01, 0.0, 0.02),
        noise.PoissonGaussian(0.05),
        noise.PoissonGaussian(0.01, 0.04, 0.003),
    ],
)
def test_estimate_finds_counting_noise(model):
    found = noise.estimate(noisy(model))
    assert isinstance(found, noise.PoissonGaussian)
    level = jnp.asarray([0.05, 0.3, 0.6, 0.95])
    np.testing.assert_allclose(found.variance(level), model.variance(level), rtol=0.1)


def test_estimate_survives_fast_sharp_fronts():
    """A sharp front that crosses three pixels a frame puts jumps of the whole range into the differences."""
    found = noise.estimate(noisy(noise.Gaussian(0.07), speed=3.0, width=0.7))
    assert isinstance(found, noise.Gaussian)
    assert float(found.std) == pytest.approx(0.07, rel=0.15)


def test_estimate_serves_irregular_times():
    """Linear drift over irregular times leaves no trace in the differences."""
    times = np.cumsum(np.random.default_rng(0).uniform(0.2, 3.0, 20))
    clean = jnp.asarray(times[:, None, None] * np.ones((20, 40, 40)))
    found = noise.estimate(movie_of(noise.Gaussian(0.1).sample(clean, key=jax.random.key(1)), times=times))
    assert float(found.std) == pytest.approx(0.1, rel=0.03)


def test_estimate_ignores_what_lies_outside_the_particles():
    inside = np.zeros((48, 48), bool)
    inside[8:40, 8:40] = True
    frames = noisy(noise.Gaussian(0.07)).frames
    wild = jnp.where(inside, frames, jnp.nan)
    assert float(noise.estimate(movie_of(wild, inside)).std) == pytest.approx(0.07, rel=0.03)
    assert noise.autocorrelation(movie_of(wild, inside)).white


def test_estimate_serves_profiles_and_volumes():
    for shape in ((30, 400), (8, 12, 16, 16)):
        clean = jnp.zeros(shape)
        found = noise.estimate(movie_of(noise.Gaussian(0.5).sample(clean, key=jax.random.key(0))))
        assert float(found.std) == pytest.approx(0.5, rel=0.05)


def test_white_noise_is_called_white():
    found = noise.autocorrelation(noisy(noise.Gaussian(0.07)))
    assert found.space.shape == (7, 7)
    assert float(found.space[3, 3]) == 1.0
    assert found.white
    assert found.fresh
    assert found.verdict == "white"


def test_noise_shared_by_a_row_is_found():
    movie = noisy(noise.Gaussian(0.05))
    rows = 0.05 * jax.random.normal(jax.random.key(7), (24, 48, 1))
    found = noise.autocorrelation(movie_of(movie.frames + rows))
    assert not found.white
    assert found.lag[0] == 0
    assert float(found.space[3, 4]) == pytest.approx(0.5, abs=0.06)
    assert float(found.space[4, 3]) == pytest.approx(0.0, abs=0.06)
    assert "correlated in space" in found.verdict


def test_noise_that_lasts_longer_than_a_frame_is_found():
    fresh = np.asarray(jax.random.normal(jax.random.key(0), (25, 32, 32)))
    found = noise.autocorrelation(movie_of(jnp.asarray(fresh[1:] + 0.6 * fresh[:-1])))
    assert not found.fresh
    assert "from frame to frame" in found.verdict


def test_movie_of_two_frames_is_refused():
    with pytest.raises(ValueError, match=r"at least 3 frames; got 2.*`Gaussian\(std\)`"):
        noise.estimate(movie_of(jnp.zeros((2, 8, 8))))


def test_movie_without_noise_is_refused():
    with pytest.raises(ValueError, match="shows no noise to measure"):
        noise.estimate(movie_of(jnp.ones((5, 8, 8))))


def test_colour_is_measured_channel_by_channel():
    frames = jnp.stack(
        [noise.Gaussian(s).sample(jnp.zeros((9, 40, 40)), key=jax.random.key(0)) for s in (0.1, 0.3)], -1
    )
    found = noise.estimate(Movie(frames, np.arange(9.0), Domain((40, 40))))
    np.testing.assert_allclose(found.std, [0.1, 0.3], rtol=0.03)
    mixed = frames.at[..., 1].set(noise.PoissonGaussian(0.05).sample(front(9, 40), key=jax.random.key(1)))
    found = noise.estimate(Movie(mixed, np.arange(9.0), Domain((40, 40))))
    level = jnp.full((1, 1, 1, 2), 0.5)
    np.testing.assert_allclose(found.variance(level).ravel(), [0.01, 0.025], rtol=0.1)


@pytest.mark.parametrize("std", [0.02, 0.2])
def test_estimate_is_right_to_half_a_percent_where_little_moves(std):
    found = noise.estimate(noisy(noise.Gaussian(std), speed=0.2, size=96))
    assert float(found.std) == pytest.approx(std, rel=5e-3)


def test_flats_give_the_noise_of_a_still_scene_under_a_drifting_lamp():
    model = noise.PoissonGaussian(0.01, 0.0, 0.02)
    scene = jnp.linspace(0.05, 0.95, 48 * 48).reshape(48, 48) * jnp.linspace(0.9, 1.1, 16)[:, None, None]
    found = noise.flats(movie_of(model.sample(scene, key=jax.random.key(0))))
    level = jnp.asarray([0.1, 0.5, 0.9])
    np.testing.assert_allclose(found.variance(level), model.variance(level), rtol=0.05)


def test_flats_that_show_no_noise_are_refused():
    with pytest.raises(ValueError, match="`flats` needs at least 8 grey frames"):
        noise.flats(movie_of(jnp.zeros((5, 8, 8))))
    with pytest.raises(ValueError, match="all the same, so they show no noise"):
        noise.flats(movie_of(jnp.ones((9, 8, 8))))


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_bad_std_is_refused(bad):
    with pytest.raises(ValueError, match="`std` must be finite and zero or positive"):
        noise.Gaussian(bad)
    with pytest.raises(ValueError, match="`read_std` must be finite"):
        noise.PoissonGaussian(1.0, 0.0, bad)


def test_bad_gain_and_offset_are_refused():
    with pytest.raises(ValueError, match="`gain` must be finite and positive, got 0"):
        noise.PoissonGaussian(0.0)
    with pytest.raises(ValueError, match="`offset` must be finite"):
        noise.PoissonGaussian(1.0, float("nan"))


def test_models_pass_through_jit_and_grad():
    slope = jax.grad(lambda m: m.variance(jnp.asarray(3.0)))(noise.PoissonGaussian(0.5, 1.0, 0.1))
    assert float(slope.gain) == pytest.approx(2.0)
    assert float(slope.offset) == pytest.approx(-0.5)
    assert jax.jit(lambda m: m.variance(jnp.ones(3)))(noise.Gaussian(2.0)).tolist() == [4.0] * 3

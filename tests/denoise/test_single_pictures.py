"""Pictures cleaned one by one in blocks of cosines: noise goes, edges stay where and as sharp as they are."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dctn

from operax import Domain, Movie, noise
from operax.denoise import Cosines
from operax.denoise.pictures import powers

SHAPE = (70, 90)
METHOD = Cosines(noise.PoissonGaussian(1.0))
STEP = np.where(np.arange(SHAPE[0]) < 33, 400.0, 100.0)[:, None] * np.ones(SHAPE)


def picture(frames, inside=None):
    frames = np.asarray(frames, float)
    return Movie(frames, np.arange(float(len(frames))), Domain(SHAPE, inside=inside))


@pytest.fixture(scope="module")
def counted():
    return picture(np.random.default_rng(0).poisson(STEP, (2, *SHAPE)))


def test_counting_noise_goes_and_an_edge_stays(counted):
    clean = METHOD(counted)
    error, before = (np.asarray(m.frames) - STEP for m in (clean, counted))
    for flat in (slice(0, 28), slice(38, 70)):
        assert error[:, flat].std() < 0.2 * before[:, flat].std()
        assert abs(error[:, flat].mean()) < 4 * before[:, flat].std() / before[:, flat].size ** 0.5
    # beside an edge of fifteen standard deviations no more than the noise is left
    assert np.abs(error[:, 32:34].mean(-1)).max() < 3
    assert clean.reads == (0,)
    assert clean.variance is None


def test_every_picture_is_cleaned_by_itself(counted):
    np.testing.assert_allclose(METHOD(counted).frames[1], METHOD(counted[1:]).frames[0], rtol=1e-12)


def test_without_noise_nothing_changes(counted):
    clean = Cosines(noise.Gaussian(1e-6))(counted)
    np.testing.assert_allclose(clean.frames, counted.frames, atol=1e-6)


def test_pixels_outside_keep_their_values_and_do_no_harm():
    inside = np.hypot(*(np.mgrid[: SHAPE[0], : SHAPE[1]] - 40)) < 28
    noisy = 5 + np.random.default_rng(1).standard_normal((1, *SHAPE))
    noisy[0, ~inside] = np.nan
    clean = np.asarray(Cosines(noise.Gaussian(1.0))(picture(noisy, inside)).frames)[0]
    assert np.isnan(clean[~inside]).all()
    assert (clean[inside] - 5).std() < 0.2


def test_powers_are_those_of_correlated_noise():
    rng, kernel = np.random.default_rng(2), np.array([0.25, 0.5, 0.25])
    white = rng.standard_normal((4000, 8, 34))
    seen = sum(k * white[:, :, i : i + 32] for i, k in enumerate(kernel)) / np.sqrt((kernel**2).sum())
    rho = np.zeros((7, 7))
    rho[3, 1:6] = np.convolve(kernel, kernel) / (kernel**2).sum()
    found = powers((8, 32), noise.Correlation(jnp.asarray(rho), jnp.zeros(()), 10**6))
    expected = (dctn(seen, axes=(1, 2), norm="ortho") ** 2).mean(0)
    strong = expected > 0.3
    np.testing.assert_allclose(found[strong], expected[strong], rtol=0.15)
    assert (powers((16, 16), None) == 1).all()


def test_noise_that_is_correlated_needs_its_correlation():
    rng = np.random.default_rng(3)
    white = rng.standard_normal((3, SHAPE[0], SHAPE[1] + 2))
    movie = picture(10 + (white[..., 2:] + white[..., 1:-1] + white[..., :-2]) / np.sqrt(3))
    told, plain = (Cosines(noise.Gaussian(1.0), c)(movie).frames for c in (noise.autocorrelation(movie), None))
    assert np.std(told) < 0.8 * np.std(plain)


def test_a_colour_movie_and_a_profile_are_refused_by_name(counted):
    method = Cosines(noise.Gaussian(1.0))
    with pytest.raises(ValueError, match=r"`Cosines` takes grey movies .* column, channel\)"):
        method(Movie(np.ones((1, *SHAPE, 3)), [0.0], Domain(SHAPE)))
    with pytest.raises(ValueError, match="plane by plane"):
        method(Movie(np.ones((1, 9)), [0.0], Domain(9)))
    with pytest.raises(ValueError, match="at least 3 frames"):
        Cosines()(counted)

"""Noisy values put back block by block, against cases whose best answer is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operax.denoise import wiener
from operax.domain import Domain
from operax.movie import Movie
from operax.noise import autocorrelation

SHAPE = (10, 61, 50)
WHITE = np.ones((wiener.SIZE, wiener.SIZE))
NOISE = 0.7  # standard deviation


@pytest.fixture(scope="module")
def inside():
    return np.hypot(*(np.mgrid[: SHAPE[1], : SHAPE[2]] - 25)) < 27


def movie(error, seed=0, sigma=NOISE):
    """A clean movie, its prediction with the error given, the noisy values and the noise variance."""
    generator = np.random.default_rng(seed)
    clean = generator.uniform(2, 3, SHAPE)
    noisy = clean + sigma * generator.standard_normal(SHAPE)
    return clean, jnp.asarray(clean - error), jnp.asarray(noisy), jnp.broadcast_to(jnp.asarray(sigma**2), SHAPE)


def mse(estimate, clean, inside):
    return float(((np.asarray(estimate) - clean) ** 2)[:, inside].mean())


def test_cosines_are_orthonormal():
    np.testing.assert_allclose(wiener.COSINES @ wiener.COSINES.T, np.eye(wiener.SIZE), atol=1e-14)


def test_all_or_nothing_of_the_residual(inside):
    _, mean, noisy, sigma2 = movie(1.0)
    noisy = jnp.where(inside, noisy, jnp.nan)
    blind, spread = wiener.restored(wiener.nothing(mean.dtype), mean, sigma2, noisy, sigma2, inside)
    np.testing.assert_array_equal(blind, mean)
    assert not spread.any()
    table = jnp.ones((1, wiener.SIZE, wiener.SIZE))
    whole, spread = wiener.restored(wiener.Gain(jnp.ones(1), table, table), mean, sigma2, noisy, sigma2, inside)
    np.testing.assert_allclose(whole[:, inside], noisy[:, inside], rtol=1e-12)
    np.testing.assert_allclose(whole[:, ~inside], mean[:, ~inside], rtol=1e-12)
    np.testing.assert_allclose(spread[:, 20:30, 20:30], NOISE**2, rtol=1e-12)


def test_white_errors_are_shared_by_their_variances(inside):
    """Then no transform helps, and the answer is that of two normal densities multiplied."""
    error = 0.5 * np.random.default_rng(1).standard_normal(SHAPE)
    clean, mean, noisy, sigma2 = movie(error)
    gain = wiener.measure(mean, jnp.full(SHAPE, 0.25), noisy, sigma2, inside, WHITE)
    best = 0.25 * NOISE**2 / (0.25 + NOISE**2)
    assert float(gain.share.mean()) == pytest.approx(0.25 / (0.25 + NOISE**2), rel=0.05)
    found, spread = wiener.restored(gain, mean, jnp.full(SHAPE, 0.25), noisy, sigma2, inside)
    assert mse(found, clean, inside) == pytest.approx(best, rel=0.05)
    assert float(spread[:, inside].mean()) == pytest.approx(best, rel=0.1)


def test_smooth_errors_are_found_and_sharp_noise_stays_out(inside):
    """A tenth of the noise's power, all of it in long waves: joined pixel by pixel a tenth would be gained."""
    error = gaussian_filter(np.random.default_rng(1).standard_normal(SHAPE), (0, 2.5, 2.5), mode="wrap")
    error *= np.sqrt(0.1) * NOISE / error.std()
    clean, mean, noisy, sigma2 = movie(error)
    before = mse(mean, clean, inside)
    variance = jnp.full(SHAPE, before)
    gain = wiener.measure(mean, variance, noisy, sigma2, inside, WHITE)
    found, spread = wiener.restored(gain, mean, variance, noisy, sigma2, inside)
    assert mse(found, clean, inside) < 0.55 * before
    assert float(spread[:, inside].mean()) == pytest.approx(mse(found, clean, inside), rel=0.25)


def test_where_errors_differ_shares_follow_the_predicted_spread(inside):
    size = np.where(np.arange(SHAPE[2]) < 25, 0.1, 1.0)
    clean, mean, noisy, sigma2 = movie(size * np.random.default_rng(1).standard_normal(SHAPE))
    variance = jnp.broadcast_to(jnp.asarray(size**2), SHAPE)
    gain = wiener.measure(mean, variance, noisy, sigma2, inside, WHITE)
    assert len(gain.ratios) > 1
    best = np.broadcast_to(size**2 * NOISE**2 / (size**2 + NOISE**2), SHAPE)[:, inside].mean()

    def excess(spread):
        gain = wiener.measure(mean, spread, noisy, sigma2, inside, WHITE)
        return mse(wiener.restored(gain, mean, spread, noisy, sigma2, inside)[0], clean, inside) - best

    # Blocks across the boundary are of neither kind.
    assert excess(variance) < 0.4 * excess(jnp.full(SHAPE, 0.5))


def test_a_perfect_prediction_is_left_alone(inside):
    clean, mean, noisy, sigma2 = movie(0.0)
    gain = wiener.measure(mean, jnp.full(SHAPE, 0.01), noisy, sigma2, inside, WHITE)
    found, _ = wiener.restored(gain, mean, jnp.full(SHAPE, 0.01), noisy, sigma2, inside)
    assert mse(found, clean, inside) < 0.01 * NOISE**2


def test_counting_noise_is_weighed_by_its_level(inside):
    """The same error everywhere in noise that is four times as strong at one end: each end gets its own share."""
    sigma = np.where(np.arange(SHAPE[2]) < 25, 0.5, 2.0)
    clean, mean, noisy, _ = movie(0.5 * np.random.default_rng(1).standard_normal(SHAPE), sigma=sigma)
    sigma2 = jnp.broadcast_to(jnp.asarray(sigma**2), SHAPE)
    gain = wiener.measure(mean, jnp.full(SHAPE, 0.25), noisy, sigma2, inside, WHITE)
    found, _ = wiener.restored(gain, mean, jnp.full(SHAPE, 0.25), noisy, sigma2, inside)
    best = np.broadcast_to(0.25 * sigma**2 / (0.25 + sigma**2), SHAPE)[:, inside].mean()
    assert mse(found, clean, inside) == pytest.approx(best, rel=0.1)


def test_spectrum_of_row_noise_lies_in_cosines_that_are_constant_along_rows():
    generator = np.random.default_rng(0)
    rows = 0.5 * generator.standard_normal((40, 64, 1))
    noisy = Movie(rows + generator.standard_normal((40, 64, 64)), np.arange(40.0), Domain((64, 64)))
    found = wiener.spectrum(noisy, autocorrelation(noisy))
    # Offsets of variance 1/4 add that times the length of a block to each cosine without a wave along the row.
    assert found[:, 0].mean() / found[:, 1:].mean() == pytest.approx(1 + 0.25 * wiener.SIZE, rel=0.1)
    np.testing.assert_allclose(found[:, 1:], found[:, 1:].mean(), rtol=0.1)
    white = noisy.replace(frames=noisy.frames - rows)
    np.testing.assert_array_equal(wiener.spectrum(white, autocorrelation(white)), WHITE)

"""How much of a filtered value is believed, against cases whose best answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.denoise import share
from operax.denoise.cosines import SIZE
from operax.domain import Domain
from operax.movie import Movie
from operax.noise import autocorrelation

SHAPE = (1, 10, 100, 60)
WHITE = np.ones((SIZE, SIZE))
NOISE = 0.7  # standard deviation
EVERY = np.ones(SHAPE, bool)


def case(size, passed, by_heart=0.0, off=0.0, seed=0):
    """Arguments of `measure` for independent errors of a prediction and of values that let part of the noise pass."""
    draw = np.random.default_rng(seed).standard_normal
    clean, noise = draw(SHAPE), NOISE * draw(SHAPE)
    held = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 23 == 0
    predicted = clean + size * draw(SHAPE) + by_heart * noise * ~held
    kept = clean + passed * noise + off * draw(SHAPE)
    other = NOISE * draw(SHAPE)
    variance = np.broadcast_to(np.square(size), SHAPE)
    sigma2 = np.full(SHAPE, NOISE**2)
    arrays = predicted, variance, clean + noise, sigma2, EVERY, held, kept, other, passed * other, WHITE
    return clean, [jnp.asarray(a) for a in arrays]


def test_two_honest_estimates_are_weighed_by_their_variances():
    clean, found = case(0.3, 0.5)
    gain = share.measure(*found)
    first, second = 0.3**2, (0.5 * NOISE) ** 2
    assert np.asarray(gain.share) == pytest.approx(first / (first + second), rel=0.1)
    best = first * second / (first + second)
    assert np.asarray(gain.doubt) == pytest.approx(best / first, rel=0.15)
    mean, variance = share.restored(gain, *found[:2], found[3], found[6], True)
    assert float(((mean - clean) ** 2).mean()) == pytest.approx(best, rel=0.02)
    assert float(variance.mean()) == pytest.approx(best, rel=0.15)


def test_noise_learnt_by_heart_does_not_make_a_prediction_better():
    for by_heart in (0.0, 0.15):
        _, found = case(0.2, 0.05, by_heart, off=0.3)
        first, second = 0.2**2 + (by_heart * NOISE) ** 2, (0.05 * NOISE) ** 2 + 0.3**2
        both = 0.05 * by_heart * NOISE**2
        best = (first - both) / (first + second - 2 * both)
        assert float(share.measure(*found).share.mean()) == pytest.approx(best, abs=0.1)


def test_where_errors_differ_shares_follow_the_predicted_spread():
    size = np.where(np.arange(SHAPE[-1]) < 30, 0.1, 0.5)
    clean, found = case(size, 0.5)
    gain = share.measure(*found)
    assert len(gain.ratios) == 2
    mean, _ = share.restored(gain, *found[:2], found[3], found[6], True)
    best = size**2 * (0.5 * NOISE) ** 2 / (size**2 + (0.5 * NOISE) ** 2)
    assert float(((mean - clean) ** 2).mean()) == pytest.approx(best.mean(), rel=0.03)


def test_an_error_known_from_elsewhere_scales_what_is_predicted():
    # The noise model is off by less than a residual of this size can tell, and the spread by a third of its variance.
    clean, found = case(0.1, 0.5)
    found[1] = jnp.full(SHAPE, 0.1**2 * 1.3)
    found[3] = found[3] * 0.99
    alone, helped = (share.measure(*found, *more) for more in ((), (0.1**2,)))
    for gain, within in ((alone, (1.5, 3.0)), (helped, (0.95, 1.15))):
        mean, variance = share.restored(gain, *found[:2], found[3], found[6], True)
        assert within[0] < float(variance.mean() / ((mean - clean) ** 2).mean()) < within[1]


def test_too_large_a_noise_level_leaves_variances_positive_and_finite():
    _, found = case(0.1, 0.5)
    for level in (1.05, 1.2, 1.5):
        found[3] = jnp.full(SHAPE, level * NOISE**2)
        for more in ((), (0.1**2,)):
            _, variance = share.restored(share.measure(*found, *more), *found[:2], found[3], found[6], True)
            assert 0 < float(variance.min()) <= float(variance.max()) < 0.2**2


def test_values_that_are_all_noise_are_left_out_and_perfect_ones_taken():
    assert float(share.measure(*case(0.05, 1.0)[1]).share.max()) < 0.05
    assert float(share.measure(*case(0.5, 0.0)[1]).share.min()) > 0.95


def test_what_is_found_in_a_residual_is_put_back_for_a_price():
    draw = np.random.default_rng(0).standard_normal
    lost, noise, other = 0.3 * draw(SHAPE), NOISE * draw(SHAPE), NOISE * draw(SHAPE)
    # Restored values lack something; blocks find it in their residual, with a part of the noise.
    found, variance = lost + 0.3 * noise, np.full(SHAPE, 0.3**2)
    gain, power = share.nothing(jnp.float64), 0.3**2 + (0.3 * NOISE) ** 2
    free, dear = (share.bolder(gain, lost + noise, variance, found, other, 0.3 * other, price=p) for p in (0.0, 0.02))
    best = 0.3**2 / power
    assert float(free.again) == pytest.approx(best, rel=0.02)
    assert float(free.doubt[0]) == pytest.approx(1 - best, rel=0.05)
    risks = [((lost - float(one.again) * found) ** 2).mean() for one in (free, dear)]
    assert risks[1] == pytest.approx(1.02 * risks[0], rel=3e-3)
    assert float(dear.again) > float(free.again)
    np.testing.assert_allclose(dear.doubt[0] * variance.mean(), risks[1], rtol=0.05)
    # Where the error is far larger than predicted, what is found would leave less than none of it.
    assert float(share.bolder(gain, lost + noise, 0.01 * variance, found, other, 0.3 * other, price=0.0).doubt[0]) > 0


def test_nothing_changes_nothing():
    _, found = case(0.3, 0.5)
    mean, variance = share.restored(share.nothing(jnp.float64), *found[:2], found[3], found[6], True)
    np.testing.assert_array_equal(mean, found[0])
    np.testing.assert_array_equal(variance, found[1])
    np.testing.assert_array_equal(
        share.restored(share.measure(*found), *found[:2], found[3], found[6], False)[0], found[0]
    )


def test_a_spread_that_is_wrong_at_one_level_is_set_right_there():
    bright = np.broadcast_to(np.arange(SHAPE[-1]) < 30, SHAPE)
    _, found = case(np.where(bright, 0.5, 0.2), 0.5)
    # Predicted alike at both levels; the brighter half is off by more.
    found[0], found[2], found[6] = (found[i] + 50.0 * bright for i in (0, 2, 6))
    found[1] = jnp.full(SHAPE, 0.2**2)
    _, variance = share.restored(share.measure(*found), *found[:2], found[3], found[6], False)
    assert float(variance[bright].mean()) == pytest.approx(0.5**2, rel=0.1)
    # What is told, the mean of both, still counts a little.
    assert float(variance[~bright].mean()) == pytest.approx(0.2**2, rel=0.35)


def test_spectrum_of_row_noise_lies_in_cosines_that_are_constant_along_rows():
    generator = np.random.default_rng(0)
    rows = 0.5 * generator.standard_normal((40, 64, 1))
    noisy = Movie(rows + generator.standard_normal((40, 64, 64)), np.arange(40.0), Domain((64, 64)))
    found = share.spectrum(noisy, autocorrelation(noisy))
    # Offsets of variance 1/4 add that times the length of a block to each cosine without a wave along the row.
    assert found[:, 0].mean() / found[:, 1:].mean() == pytest.approx(1 + 0.25 * SIZE, rel=0.1)
    np.testing.assert_allclose(found[:, 1:], found[:, 1:].mean(), rtol=0.1)
    white = noisy.replace(frames=noisy.frames - rows)
    np.testing.assert_array_equal(share.spectrum(white, autocorrelation(white)), WHITE)
    made = share.alike(found, np.ones((40, 64, 64, 1)), key=jax.random.key(0))[..., 0]
    again = share.spectrum(noisy.replace(frames=jnp.asarray(made)), autocorrelation(noisy))
    np.testing.assert_allclose(again, found, atol=0.2)
    assert made.std() == pytest.approx(1)

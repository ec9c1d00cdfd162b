"""Frames filtered in blocks of cosines: what is smooth stays, noise goes, and no frame reads one it may not."""

import jax.numpy as jnp
import numpy as np
import pytest

from operax.denoise.cosines import REACH, SIZE, cosines, filtered, levelled

SHAPE = (1, 20, 30, 37)
WHITE = jnp.ones((SIZE, SIZE))
STD = 0.1


@pytest.fixture(scope="module")
def inside():
    return np.hypot(*(np.mgrid[: SHAPE[2], : SHAPE[3]] - 20)) < 19


@pytest.fixture(scope="module")
def clean():
    t, y, x = np.meshgrid(*map(np.arange, SHAPE[1:]), indexing="ij")
    return np.tanh(np.sin((x - 0.4 * t) / 4) * np.cos((y + 0.3 * t) / 5) * 2)[None]


def noise_variance():
    return jnp.full(SHAPE, STD**2)


def test_cosines_are_orthonormal():
    for size in (1, 5, SIZE):
        np.testing.assert_allclose(cosines(size) @ cosines(size).T, np.eye(size), atol=1e-14)


@pytest.mark.parametrize(("past", "most"), [(False, 0.13), (True, 0.3)])
def test_most_of_the_noise_goes(clean, inside, past, most):
    noisy = clean + STD * np.random.default_rng(0).standard_normal(SHAPE)
    found = filtered(jnp.asarray(np.where(inside, noisy, np.nan)), noise_variance(), inside, WHITE, past=past)
    error = (np.asarray(found) - clean)[:, SIZE - 1 :, inside]
    assert (error**2).mean() < most * STD**2


@pytest.mark.parametrize("past", [False, True])
def test_what_is_missing_is_found_in_a_residual_by_the_cosines_of_a_pilot(clean, inside, past):
    noise = STD * np.random.default_rng(0).standard_normal(SHAPE)

    def found(frames):
        return np.asarray(filtered(frames, noise_variance(), inside, WHITE, jnp.asarray(clean), past=past))

    lost, passed = (found(jnp.asarray(x))[:, SIZE - 1 :, inside] for x in (0.1 * clean, noise))
    wanted = 0.1 * clean[:, SIZE - 1 :, inside]
    assert ((lost - wanted) ** 2).mean() < 0.01 * (wanted**2).mean()
    assert (passed**2).mean() < (0.3 if past else 0.12) * STD**2
    both = found(jnp.asarray(0.1 * clean + noise))[:, SIZE - 1 :, inside]
    np.testing.assert_allclose(both, lost + passed, atol=1e-12)


def test_without_noise_nothing_changes(clean, inside):
    found = filtered(jnp.asarray(clean), 1e-8 * noise_variance(), inside, WHITE)
    np.testing.assert_allclose(found[:, :, inside], clean[:, :, inside], atol=1e-4)


@pytest.mark.parametrize("past", [False, True])
def test_a_frame_depends_on_frames_in_reach_and_if_asked_on_past_ones_only(clean, inside, past):
    noisy = clean + STD * np.random.default_rng(0).standard_normal(SHAPE)
    before = np.asarray(filtered(jnp.asarray(noisy), noise_variance(), inside, WHITE, past=past))
    for frame in (2, 10, 18):
        changed = noisy.copy()
        changed[:, frame] += np.random.default_rng(1).standard_normal(SHAPE[2:])
        after = np.asarray(filtered(jnp.asarray(changed), noise_variance(), inside, WHITE, past=past))
        moved = np.abs(after - before).max((0, 2, 3))
        assert not moved[: max(0, frame - REACH)].any()
        assert not moved[frame + REACH + 1 :].any()
        if past:
            assert not moved[SIZE - 1 : frame].any()
        assert moved[frame] > 0 or (past and frame < SIZE - 1)


def test_noise_along_rows_goes_where_its_spectrum_is_known(clean, inside):
    rows = 3 * STD * np.random.default_rng(0).standard_normal((*SHAPE[:3], 1))
    power = np.ones((SIZE, SIZE))
    power[:, 0] += 9 * SIZE
    known = filtered(jnp.asarray(clean + rows), noise_variance() * power.mean(), inside, power / power.mean())
    unknown = filtered(jnp.asarray(clean + rows), noise_variance() * power.mean(), inside, WHITE)
    errors = [((np.asarray(x) - clean)[:, :, inside] ** 2).mean() for x in (known, unknown)]
    assert errors[0] < 0.5 * errors[1]


def test_level_is_the_mean_of_the_pixels_inside():
    inside = np.ones((12, 9), bool)
    inside[:4] = False
    frames = np.where(inside, np.arange(12.0)[:, None], np.nan) * np.ones((2, 12, 9))
    found = np.asarray(levelled(jnp.asarray(frames), inside))
    assert (found[:, 4:8] == np.mean([4, 5, 6, 7])).all()
    assert (found[:, 8:] == np.mean([8, 9, 10, 11])).all()


def test_a_movie_shorter_than_a_block_is_one_block():
    still = np.random.default_rng(0).standard_normal((1, 1, 16, 16)).repeat(3, 1)
    noisy = still + STD * np.random.default_rng(1).standard_normal(still.shape)
    found = filtered(jnp.asarray(noisy), jnp.full(still.shape, STD**2), np.ones((16, 16), bool), WHITE)
    assert ((np.asarray(found) - still) ** 2).mean() < 0.5 * STD**2

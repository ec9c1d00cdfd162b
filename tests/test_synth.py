"""Reference movies are made by the law they state, with the noise they state, the same for the same key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import label

from operax import synth
from operax.physics import simulate


@pytest.fixture(scope="module")
def truth():
    return synth.lfp_stxm(key=jax.random.key(0), size=24, frames=6)


def test_particles_are_three_and_apart():
    for size in (32, 48, 96):
        mask = synth.particles(size)
        assert mask.shape == (size, size)
        assert label(mask)[1] == 3
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()
        assert 0.2 < mask.mean() < 0.6


def test_movie_is_lithium_fraction_in_the_particles(truth):
    assert truth.clean.frames.shape == (6, 24, 24)
    assert truth.clean.domain.masked
    assert (truth.clean.frames[:, ~truth.clean.domain.inside] == 0).all()
    inside = truth.clean.frames[:, truth.clean.domain.inside]
    assert inside.min() > 0
    assert inside.max() < 1
    assert inside[-1].std() > inside[0].std()
    assert truth.clean.units[2] == "Li fraction"


def test_every_particle_keeps_its_mass(truth):
    mass = truth.clean.frames.sum((1, 2))
    assert abs(mass / mass[0] - 1).max() <= 1e-12


def test_law_is_the_one_that_made_the_movie(truth):
    assert jax.tree.leaves(truth.equation) == []
    again = simulate(truth.equation, truth.clean.frames[0], truth.clean.times, truth.clean.domain, dt=2.5e-4)
    np.testing.assert_allclose(again.frames, truth.clean.frames, atol=1e-3)
    np.testing.assert_allclose(truth.equation.potential(jnp.asarray(0.3)), np.log(3 / 7) + 3 * 0.4, rtol=1e-12)
    np.testing.assert_allclose(truth.equation.mobility(jnp.asarray(0.3)), 0.21, rtol=1e-12)


def test_noise_is_the_one_it_states(truth):
    noise = (truth.noisy.frames - truth.clean.frames)[:, truth.clean.domain.inside]
    assert truth.noise.std == synth.STXM_NOISE == 0.07
    np.testing.assert_allclose(noise.std(), 0.07, rtol=4 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 4 * 0.07 / np.sqrt(noise.size)


def test_same_key_gives_the_same_movie_and_another_key_another(truth):
    again = synth.lfp_stxm(key=jax.random.key(0), size=24, frames=6)
    np.testing.assert_array_equal(again.noisy.frames, truth.noisy.frames)
    other = synth.lfp_stxm(key=jax.random.key(1), size=24, frames=6)
    assert abs(other.clean.frames - truth.clean.frames).max() > 0.01

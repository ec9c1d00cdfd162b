"""The simulated graphite movie is what it states: charge, colours, stages and noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import synth
from operax.modalities import f_score, optical, particle_mask, segment


@pytest.fixture(scope="module")
def seen():
    return synth.graphite_optical(key=jax.random.key(3), size=40, particles=4, frames=5, sigma=0.1)


def test_charge_enters_at_a_constant_current(seen):
    filled = np.asarray(seen.lithium.frames)[:, seen.labels > 0].mean(1)
    assert filled == pytest.approx(filled[0] + (0.95 - 0.03) * np.asarray(seen.lithium.times), abs=1e-6)


def test_particles_are_found_from_the_mean_of_the_frames(seen):
    picture = np.asarray(seen.noisy.frames).mean((0, 3))
    assert seen.labels.max() == 4
    assert f_score(segment(particle_mask(picture)), seen.labels) == 1.0


def test_white_corrected_light_has_the_colour_of_the_local_lithium(seen):
    light = np.asarray(optical.contrast(seen.clean, seen.white).frames)[0] + 1
    colour = np.asarray(synth.graphite_colour(seen.lithium.frames))[0]
    # away from edges, which optics blur
    inner = np.array([np.roll(seen.labels > 0, s, a) for s in (-2, 0, 2) for a in (0, 1)]).all(0)
    assert inner.sum() > 100
    # the lamp has not drifted yet in the first frame
    assert light[inner] == pytest.approx(colour[inner], abs=0.01)


def test_stages_part_half_way_between_their_colours(seen):
    share, there = np.asarray(seen.lithium.frames), seen.stage >= 0
    assert (seen.stage[there] == np.digitize(share, synth.GRAPHITE_LIMITS)[there]).all()
    assert (there == (seen.labels > 0)).all()


def test_noise_is_the_one_it_states(seen):
    noise = np.asarray(seen.noisy.frames - seen.clean.frames)
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert abs(noise.mean()) < 4 * 0.1 / noise.size**0.5
    assert jnp.isfinite(seen.noisy.frames).all()


def test_faster_particles_are_ahead_by_the_stated_rates(seen):
    half = np.asarray(seen.lithium.frames)[2]
    mean = [half[seen.labels == i].mean() for i in (1, 2, 3, 4)]
    assert np.argmax(mean) == np.argmax(seen.rates)
    assert np.corrcoef(np.log(seen.rates), mean)[0, 1] > 0.8
    field = np.asarray(seen.equation.rate_field())
    assert all(field[seen.labels == i] == pytest.approx(rate) for i, rate in enumerate(seen.rates, 1))


def test_the_voltage_is_that_of_the_current(seen):
    assert seen.voltage.shape == seen.lithium.times.shape
    assert ((np.asarray(seen.voltage) < -1) & (np.asarray(seen.voltage) > -10)).all()
    # filling both layers of full graphite takes more than of graphite half full
    assert seen.voltage[-1] < seen.voltage[2]


def test_without_spread_particles_are_alike():
    even = synth.graphite_optical(key=jax.random.key(3), size=16, particles=4, frames=2, spread=0.0)
    assert even.rates.tolist() == [1.0] * 4

"""The simulated radiographs hold the law and the counts that they state."""

import jax
import numpy as np
import pytest

from operax import synth
from operax.modalities import neutron


@pytest.fixture(scope="module")
def cell():
    return synth.neutron_cell(key=jax.random.key(0), size=24, width=40, frames=12)


def test_lithium_enters_at_the_first_row_at_a_constant_rate(cell):
    c = np.asarray(cell.profile.frames)
    filled = c.mean(1)
    np.testing.assert_allclose(np.diff(filled), (0.55 - 0.05) / 11, rtol=1e-6)
    assert (np.diff(c[1:], axis=1) < 0).all()
    assert jax.tree.leaves(cell.equation) == []


def test_frames_before_the_charge_come_first_and_change_nothing_after(cell):
    rested = synth.neutron_cell(key=jax.random.key(0), size=24, width=40, frames=12, rest=3)
    assert len(rested.sample) == len(rested.fraction) == 15
    np.testing.assert_allclose(rested.sample.times, 60 * np.arange(-3.0, 12.0))
    np.testing.assert_array_equal(rested.sample.times, rested.fraction.times)
    assert (np.asarray(rested.fraction.frames[:4]) == rested.fraction.frames[0, 0, 0]).all()
    np.testing.assert_array_equal(rested.fraction.frames[3:], cell.fraction.frames)
    np.testing.assert_array_equal(rested.profile.frames, cell.profile.frames)


def test_counts_have_the_noise_they_state(cell):
    quiet = ~cell.spots
    dark = np.asarray(cell.dark.frames)
    np.testing.assert_allclose(dark.mean(), 300, atol=0.2)
    np.testing.assert_allclose(dark.std(), 6, rtol=0.02)
    expected = np.asarray(cell.noise.variance(cell.open_beam.frames.mean(0)))
    np.testing.assert_allclose((np.asarray(cell.open_beam.frames).var(0, ddof=1) / expected).mean(), 1, atol=0.03)
    assert 0 < cell.spots.mean() < 0.01
    assert np.asarray(cell.sample.frames)[~quiet].mean() > 3 * np.asarray(cell.sample.frames)[quiet].mean()


def test_the_instrument_chain_gives_the_fraction_back(cell):
    clean = neutron.remove_spots(cell.sample, cell.noise)
    depth = neutron.optical_depth(neutron.transmission(clean, cell.open_beam, cell.dark, noise=cell.noise))
    found = neutron.change(depth)
    z = (np.asarray(found.frames) - np.asarray(cell.fraction.frames) + 0.05)[1:] / np.sqrt(found.variance[1:])
    inner = z[:, 3:-3]
    # the logarithm of some forty neutrons is biased by about one percent
    assert abs(inner.mean()) < 0.1
    assert 0.9 < inner.std() < 1.15

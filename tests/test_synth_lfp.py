"""The simulated two-energy experiment holds the current, the noise and the composition that it states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise, synth
from operax.modalities import stxm


@pytest.fixture(scope="module")
def scans():
    return synth.lfp_insertion(key=jax.random.key(0), size=24, frames=6)


def test_lithium_enters_at_the_stated_current_and_at_the_stated_places(scans):
    inside = scans.fraction.domain.inside
    c = np.asarray(scans.fraction.frames)
    np.testing.assert_allclose(np.diff(c[:, inside].mean(1)), 0.7 / 5, rtol=1e-3)
    assert (c[:, ~inside] == 0).all()
    assert c[:, inside].min() > 0
    assert c[:, inside].max() < 1
    assert float(scans.rate.max() / scans.rate.min()) > 1.3
    assert jax.tree.leaves(scans.equation) == []


def test_noise_is_correlated_along_rows_only():
    z = np.asarray(synth.row_noise((40, 50, 60), 0.65, key=jax.random.key(1)))
    np.testing.assert_allclose(z.var(), 1, atol=0.02)
    np.testing.assert_allclose((z[..., 1:] * z[..., :-1]).mean(), 0.65, atol=0.02)
    np.testing.assert_allclose((z[..., 2:] * z[..., :-2]).mean(), 0.65**2, atol=0.02)
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < 0.01
    assert abs((z[1:] * z[:-1]).mean()) < 0.01


def test_two_energies_give_the_fraction_back_with_the_published_scatter(scans):
    inside, count = scans.fraction.domain.inside, len(scans.fraction)
    flux = stxm.Incident(np.full(count, scans.flux), np.zeros(count))
    density = [stxm.optical_density(m, flux, noise.PoissonGaussian(1.0)) for m in scans.counts]
    density = [d.replace(frames=d.frames - scans.before * jnp.asarray(inside)) for d in density]
    pair = np.array(scans.energies)
    spectra = stxm.Spectra(pair, synth.iron_edge(pair), synth.IRON_PHASES)
    found = stxm.lithium_fraction(stxm.two_energies(*density, spectra, scans.energies), inside=inside)
    error = np.asarray(found.frames - scans.fraction.frames)[:, inside]
    assert abs(error.mean()) < 0.01
    np.testing.assert_allclose(error.std(), synth.STXM_NOISE, rtol=0.1)
    z = error / np.sqrt(np.asarray(found.variance)[:, inside])
    np.testing.assert_allclose(z.std(), 1, atol=0.12)


@pytest.mark.slow
def test_double_precision_after_single_in_one_process():
    """Constants that one precision has left behind are of no width that the other cannot take."""
    for double in (False, True):
        with jax.enable_x64(double):
            scans = synth.lfp_insertion(key=jax.random.key(0), frames=3)
        assert scans.fraction.frames.dtype == (jnp.float64 if double else jnp.float32)

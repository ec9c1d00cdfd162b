"""The example scripts run as they stand and find what is there."""

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox

ROOT = Path(__file__).parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_neutron_cell_finds_the_diffusivity(tmp_path):
    c, truth, draws = script("neutron_cell").main(path=tmp_path / "a.png")
    mean, std = draws.mean(0), draws.std(0)
    visited = (np.asarray(c) > 0.1) & (np.asarray(c) < 0.6)
    assert np.abs((mean - truth) / std)[visited].max() < 3.5
    assert (std / mean)[visited].max() < 0.5
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.slow
def test_stxm_maps(tmp_path, real):
    found = script("stxm_maps").main(real("stxm_fe_l23_als"), tmp_path / "a.png")
    assert found.names == ("reduced", "oxidized")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_optical_flakes(tmp_path, real):
    chances = script("optical_flakes").main(real("optical_graphene_flakes"), tmp_path / "a.png")
    layers = np.asarray(chances.frames[0]).argmax(-1)
    assert (layers == 0).mean() > 0.7
    # the picture's largest flake is two layers thick
    assert (layers == 2).sum() > 3000


@pytest.mark.slow
def test_graphite_kinetics_ranks_the_particles(tmp_path):
    # few particles, and low rank in place of training
    put, (low, found, high), best = script("graphite_kinetics").main(48, 9, 0, tmp_path / "a.png")
    assert best.result.startswith("converged")
    assert len(put) == 9, "every particle is found"
    log_put, log_found = np.log(put), np.log(found)
    assert np.corrcoef(log_put, log_found)[0, 1] > 0.95
    assert (log_found - log_put).std() < 0.2 * log_put.std()
    assert (high / low < 1.5).all(), "the movie informs every rate"
    assert ((low < put) & (put < high)).mean() > 0.4
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.slow
def test_own_physics(tmp_path):
    """A law, an equation and a reader that the package does not know, from a text file to laws that hold the truth."""
    own = script("own_physics")
    assert len((ROOT / "examples" / "own_physics.py").read_text("utf-8").splitlines()) <= 60
    truth = own.Spread(ox.laws.Constant(0.3), own.Hill(ox.laws.Constant(1.5), ox.laws.Constant(0.3)))
    domain, times = ox.Domain(48, 0.25), np.linspace(0, 6, 16)
    c0 = jnp.asarray(0.8 * np.exp(-((domain.centres()[0] / 1.5) ** 2)) + 0.02)
    clean = ox.simulate(truth, c0, jnp.asarray(times), domain).frames
    seen = np.asarray(clean) + 0.02 * np.random.default_rng(0).normal(size=clean.shape)
    np.savetxt(tmp_path / "cover.csv", np.column_stack([times, seen]), delimiter=",")
    posterior = own.main(tmp_path / "cover.csv", tmp_path / "spread.html")
    assert posterior.fit.result.startswith("converged")
    c = jnp.array([0.2, 0.5, 0.9])
    for law in (lambda e: e.diffusivity(c), lambda e: e.growth(c)):
        low, _, high = posterior.band(law, 0.99)
        assert ((low < law(truth)) & (law(truth) < high)).all()
        assert ((high - low) < 0.5 * law(truth)).all(), "the movie informs both laws"
    assert "g(c) (1/h)" in (tmp_path / "spread.html").read_text("utf-8")


@pytest.mark.slow
def test_rates_of_a_platelet(tmp_path, real):
    correlation, bands, put, best = script("lfp_rates").main(real("lfp_particle_xray_4dstem"), tmp_path / "a.png")
    assert correlation > 0.9
    assert best.result.startswith("converged")
    assert ((bands[0] < put) & (put < bands[2])).all()
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.slow
def test_neither_diffusion_nor_gravity_explains_the_capillary(tmp_path, real):
    path = real("neutron_capillary_rise_psi") / "CapillaryRise.mp4"
    found, problem = script("capillary_drift").main(path, tmp_path / "a.png")
    assert "none of them may be true" in found.verdict
    for best in found.fits:
        missed = ox.explained(best, problem)
        assert not missed.passed
        assert "in frame" in str(missed)
    assert (tmp_path / "a.png").stat().st_size > 10_000

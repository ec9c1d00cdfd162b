"""Runs on particle masks: isotropic, better than a smoothed boundary, and each particle keeps its mass to rounding."""

import importlib.util
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import CahnHilliard, laws
from operax.physics.plan import StepPlan, trajectory
from operax.physics.steppers import ETDRK4, SBDF2
from operax.physics.transforms import ConjugateGradients, Eigenbasis, transform

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
PHASES = CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(3.0), 2e-3)
DAMPING = jnp.array([0.4, 4e-4])
run = eqx.filter_jit(trajectory)


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("masks", ROOT / "benchmarks" / "masks.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))  # where it finds the module beside it
        spec.loader.exec_module(module)
    return module


def test_error_is_less_than_half_of_that_of_a_smoothed_boundary(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "WIDTHS", (benchmark.USUAL,))
    row = benchmark.outlined("ellipse", benchmark.ellipse, "diffusion", 20)
    assert row["ratio"] < 0.5
    assert row["error"] < 0.06
    assert row["mass"] < 1e-12


def test_a_radial_problem_stays_radial(benchmark):
    coarse, fine = benchmark.radial(16), benchmark.radial(32)
    assert fine["error"] < 0.5 * coarse["error"]
    assert fine["around"] < 0.4 * coarse["around"]
    assert fine["around"] < 3e-3
    assert fine["fourfold"] < 1.5e-3


def two_particles():
    """A ragged particle of 31 pixels and a bar of 12, side by side, and a start state."""
    inside = np.zeros((7, 12), bool)
    inside[:, :6] = np.hypot(*(np.mgrid[:7, :6] - np.array([3, 2.5])[:, None, None])) < 3.2
    inside[1:5, 8:11] = True
    c0 = np.where(inside, 0.5 + 0.1 * np.random.default_rng(0).normal(size=inside.shape), 0.0)
    return inside, c0


CHOICES = {
    "exponential": (Eigenbasis, ETDRK4(), jnp.float64, 1e-12),
    "exponential, single precision": (Eigenbasis, ETDRK4(), jnp.float32, 1e-6),
    "implicit": (Eigenbasis, SBDF2(), jnp.float64, 1e-12),
    "iterated": (ConjugateGradients, SBDF2(), jnp.float64, 1e-12),
    "iterated, single precision": (ConjugateGradients, SBDF2(), jnp.float32, 1e-6),
}


def test_each_particle_keeps_its_mass_to_rounding_and_all_ways_agree():
    inside, c0 = two_particles()
    domain, last = Domain(inside.shape, 0.01, inside=inside), {}
    for name, (geometry, stepper, dtype, tolerance) in CHOICES.items():
        times = jnp.array([0.0, 5e-3], dtype)
        frames = run(PHASES, geometry(domain), StepPlan((1,), 20, DAMPING, stepper), jnp.asarray(c0, dtype), times)
        assert frames.dtype == dtype
        frames = np.asarray(frames, float)
        assert np.abs(frames[-1] - frames[0]).max() > 0.1
        for particle in (np.s_[:, :, :6], np.s_[:, :, 6:]):
            mass = frames[particle].sum((1, 2))
            assert np.abs(mass / mass[0] - 1).max() <= tolerance, name
        assert not frames[:, ~inside].any()
        last[name] = frames[-1]
    np.testing.assert_allclose(last["iterated"], last["implicit"], atol=1e-8)
    np.testing.assert_allclose(last["implicit"], last["exponential"], atol=1e-2)
    for name in ("exponential", "iterated"):
        np.testing.assert_allclose(last[f"{name}, single precision"], last[name], atol=1e-4)


def test_a_particle_does_not_see_its_neighbours():
    inside, c0 = two_particles()
    plan, times = StepPlan((1,), 20, DAMPING), jnp.array([0.0, 5e-3])
    both = run(PHASES, transform(Domain(inside.shape, 0.01, inside=inside)), plan, jnp.asarray(c0), times)[-1]
    alone = run(PHASES, transform(Domain((7, 6), 0.01, inside=inside[:, :6])), plan, jnp.asarray(c0[:, :6]), times)[-1]
    np.testing.assert_allclose(both[:, :6], alone, atol=1e-11)


def test_boxes_keep_mass_in_single_precision():
    domain = Domain((12, 10), 0.01, ("periodic", "no-flux"))
    c0 = 0.5 + 0.1 * np.random.default_rng(0).normal(size=domain.shape)
    times = jnp.array([0.0, 1e-2], jnp.float32)
    frames = np.asarray(
        run(PHASES, transform(domain), StepPlan((1,), 40, DAMPING), jnp.asarray(c0, jnp.float32), times)
    )
    assert frames.dtype == np.float32
    mass = frames.astype(float).sum((1, 2))
    assert abs(mass[1] / mass[0] - 1) <= 1e-6


@pytest.mark.slow
def test_outline_of_a_real_platelet(benchmark):
    if not (DATA / benchmark.RECORDING).exists():
        pytest.skip(f"the recording {benchmark.RECORDING} is not there")
    domain, x, y = benchmark.rasterised(benchmark.platelet(DATA), 30)
    assert 300 < domain.inside.sum() < 700
    c0 = np.where(domain.inside, benchmark.start(x, y), 0.0)
    frames = run(PHASES, transform(domain), StepPlan((1,), 40, DAMPING), jnp.asarray(c0), jnp.array([0.0, 0.05]))
    mass = np.asarray(frames).sum((1, 2))
    assert abs(mass[1] / mass[0] - 1) <= 1e-12
    assert np.ptp(np.asarray(frames[1])[domain.inside]) > 0.5

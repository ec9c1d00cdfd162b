"""Runs give the exact answers of `problems`, keep mass to rounding, and never raise the energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import problems
from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws, simulate
from operax.physics.transforms import smooth_modes

DISC = np.hypot(*(np.mgrid[:16, :16] - 7.3)) < 7
DOMAINS = {
    "no-flux line": Domain(24, 0.01),
    "periodic line": Domain(24, 0.01, "periodic"),
    "no-flux square": Domain((16, 12), 0.01),
    "periodic square": Domain((16, 12), 0.01, "periodic"),
    "mixed square": Domain((16, 12), (0.01, 0.012), ("periodic", "no-flux")),
    "disc": Domain((16, 16), 0.01, inside=DISC),
}


def start(domain, mean=0.5, spread=0.05):
    modes, k = smooth_modes(domain, 100.0)
    weights = np.random.default_rng(0).normal(size=len(k)) * (k > 0) * spread / np.sqrt(len(k))
    return jnp.asarray(np.where(domain.inside, mean + np.tensordot(weights, modes, 1), 0.0))


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_run_gives_the_exact_answer(name):
    problem = problems.PROBLEMS[name]()
    run = simulate(problem.equation, problem.frames[0], problem.times, problem.domain, dt=problem.dt)
    change = np.abs(problem.frames - problem.frames[0]).max()
    error = np.abs(run.frames - problem.frames).max() / change
    assert error < problem.tolerance


def test_fastest_spinodal_mode_grows_at_125():
    problem = problems.spinodal_growth(1)
    run = simulate(problem.equation, problem.frames[0], problem.times, problem.domain, dt=problem.dt)
    height = np.ptp(run.frames, axis=1)
    growth = np.log(height[-1] / height[0]) / problem.times[-1]
    np.testing.assert_allclose(growth, 125, rtol=1e-4)


def test_tanh_interface_is_at_rest_to_second_order():
    spacings = np.array([0.08, 0.04, 0.02])
    pull, energy_error = [], []
    for spacing in spacings:
        equation, domain, c, energy = problems.tanh_interface(spacing)
        pull.append(np.abs(equation.chemical_potential(c, domain)).max())
        energy_error.append(abs(equation.energy(c, domain) - energy))
    for error in (pull, energy_error):
        assert np.polyfit(np.log(spacings), np.log(error), 1)[0] == pytest.approx(2, abs=0.15)
    assert energy_error[-1] < 1e-3 * (2 * np.sqrt(2) / 3 * np.sqrt(0.02))


def test_two_flat_interfaces_have_their_energy():
    """PFHub's double well on a 200² square: two interfaces of 200 each hold 400 σ = 19.081."""
    tension = np.sqrt(2 * 2.0 * 5.0) * 0.4**3 / 6
    spacings, found = (1.0, 0.5), []
    for spacing in spacings:
        domain = Domain(round(80 / spacing), spacing, "periodic")
        x = domain.centres()[0]
        width = 2 * np.sqrt(2 * 2.0 / 5.0) / 0.4
        profile = 0.5 + 0.2 * (np.tanh((x - 20) * 2 / width / 2) - np.tanh((x - 60) * 2 / width / 2) - 1)
        equation = CahnHilliard(5.0, problems.pfhub, 2.0)
        rest = simulate(equation, profile, [0.0, 200.0], domain, dt=5.0).frames[-1]
        found.append(200 * (float(equation.energy(rest, domain)) + 0.008 * 80))
    assert 400 * tension == pytest.approx(19.081, abs=5e-4)
    # the stencil's own interface is off at second order
    assert found[0] == pytest.approx(19.081, rel=2e-2)
    assert (4 * found[1] - found[0]) / 3 == pytest.approx(19.081, rel=1e-3)


def test_tanh_interface_stays():
    equation, domain, c, _ = problems.tanh_interface(0.04)
    run = simulate(equation, c, [0.0, 1.0, 2.0], domain, dt=0.05)
    # what moves is the difference between the tanh and the stencil's own interface, second order in the spacing
    assert np.abs(run.frames - c).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["periodic", "no-flux"])
def test_pfhub_benchmark_energies(boundary):
    equation, domain, c0, offset = problems.pfhub_spinodal(boundary)
    run = simulate(equation, c0, [0.0, 1.0, 5.0, 10.0, 20.0], domain, dt=0.2)
    energies = [float(equation.energy(c, domain)) + offset for c in run.frames[1:]]
    off = np.abs(np.asarray(energies) / problems.PFHUB_ENERGIES[boundary] - 1)
    # the phases of the pattern drift apart with time, also between published codes
    assert (off < [1e-3, 1e-3, 1e-3, 5e-3]).all()
    assert (np.diff(energies) < 0).all()
    assert abs(run.frames.mean((1, 2)) - run.frames[0].mean()).max() < 1e-12


@pytest.mark.parametrize("name", DOMAINS)
def test_cahn_hilliard_keeps_mass_and_lowers_energy(name):
    domain = DOMAINS[name]
    equation = CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(3.0), 2e-3)
    run = simulate(equation, start(domain), np.linspace(0, 0.04, 9), domain, dt=5e-4)
    mass = np.asarray(run.frames).sum(tuple(range(1, domain.ndim + 1)))
    assert np.abs(mass / mass[0] - 1).max() <= 1e-12
    energy = np.asarray(jax.vmap(lambda c: equation.energy(c, domain))(run.frames))
    assert (np.diff(energy) < 1e-14).all()
    assert energy[-1] < energy[0]
    assert (np.asarray(run.frames)[:, ~domain.inside] == 0).all()


@pytest.mark.parametrize("name", ["no-flux line", "mixed square", "disc"])
def test_diffusion_keeps_mass_and_evens_out(name):
    domain = DOMAINS[name]
    equation = Diffusion(laws.as_law(1.0) + laws.Degenerate(2.0))
    run = simulate(equation, start(domain), np.linspace(0, 1e-3, 4), domain, dt=5e-5)
    frames = np.asarray(run.frames)[:, domain.inside]
    assert np.abs(frames.sum(1) / frames[0].sum() - 1).max() <= 1e-12
    assert (np.diff(frames.std(1)) < 0).all()
    assert frames.min() >= frames[0].min()
    assert frames.max() <= frames[0].max()


def test_a_source_adds_mass_at_its_rate():
    domain = DOMAINS["disc"]
    run = simulate(Diffusion(1.0, source=0.5), start(domain), [0.0, 0.1], domain, dt=0.01)
    gained = (run.frames[1] - run.frames[0]).sum() / domain.inside.sum()
    np.testing.assert_allclose(gained, 0.05, rtol=1e-10)

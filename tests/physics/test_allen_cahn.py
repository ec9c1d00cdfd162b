"""Allen–Cahn runs give exact decays and fronts, and lower the free energy at fixed drive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import problems
from operax.domain import Domain
from operax.physics import AllenCahn, laws, simulate

DISC = np.hypot(*(np.mgrid[:12, :12] - 5.3)) < 5


def linear(c):
    return 3 * (c - 0.5)


def test_a_cosine_decays_with_the_stencils_eigenvalue_and_the_mean_follows_the_drive():
    """μ_h = 3(c − ½), v = 0.3: the mean goes to 0.4 at rate 3R, the wave decays at R(3 + κλ)."""
    domain = Domain(24, 0.1)
    wave = np.cos(np.pi * domain.centres()[0] / 2.4 * 4)
    decay = 0.7 * (3 + 0.05 * problems.stencil_eigenvalue(np.pi / 2.4 * 4, 0.1))
    times = np.linspace(0, 0.4, 3)
    run = simulate(AllenCahn(0.7, linear, 0.05, drive=0.3), 0.5 + 0.1 * wave, times, domain, dt=0.02)
    expected = 0.4 + 0.1 * np.exp(-2.1 * times)[:, None] + 0.1 * np.exp(-decay * times)[:, None] * wave
    np.testing.assert_allclose(run.frames, expected, atol=1e-7)


def test_a_drive_is_a_function_of_time():
    """κ = 0, μ_h = 0: the mean is minus the integral of the drive."""
    domain = Domain(4, 0.1)
    run = simulate(AllenCahn(1.0, 0.0, 0.0, drive=jnp.cos), np.zeros(4), [0.0, 0.5, 1.5], domain, dt=0.1)
    np.testing.assert_allclose(run.frames[:, 0], -np.sin([0.0, 0.5, 1.5]), atol=1e-7)


def nagumo(c):
    return -c * (1 - c) * (c - 0.3)


def test_a_front_moves_at_its_speed():
    """Between c = 0 and 1 of μ_h = −c(1 − c)(c − a): c = 1/(1 + exp((x − s t)/√2κ)), s = R √(κ/2) (1 − 2a).

    References
    ----------
    J. D. Murray, Mathematical Biology I, 3rd ed. (2002), doi:10.1007/b98868, section 13.4.
    """
    errors = []
    for n in (40, 80):
        domain = Domain(n, 8.0 / n)
        x, times = domain.centres()[0], np.array([0.0, 5.0])
        front = [1 / (1 + np.exp((x - 3 - 0.5 * np.sqrt(0.04) * 0.4 * t) / np.sqrt(0.16))) for t in times]
        run = simulate(AllenCahn(0.5, nagumo, 0.08), front[0], times, domain, dt=0.1)
        errors.append(np.abs(run.frames[1] - front[1]).max())
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("domain", [Domain((10, 8), 0.1), Domain((12, 12), 0.1, "periodic", DISC)])
def test_free_energy_falls_at_fixed_drive(domain):
    equation = AllenCahn(laws.Degenerate(4.0), laws.RegularSolution(3.0), 1e-2, drive=-0.4)
    noise = np.random.default_rng(0).normal(0.5, 0.1, domain.shape)
    run = simulate(equation, np.where(domain.inside, noise, 0), np.linspace(0, 4, 9), domain, dt=0.05)
    energy = np.asarray(jax.vmap(lambda c: equation.energy(c, domain, voltage=-0.4))(run.frames))
    assert (np.diff(energy) < 0).all()
    assert (np.asarray(run.frames)[:, ~domain.inside] == 0).all()


def test_kappa_that_varies_is_refused():
    with pytest.raises(ValueError, match=r"`kappa` must be one number.*got Legendre"):
        AllenCahn(1.0, laws.RegularSolution(3.0), laws.Legendre(2))

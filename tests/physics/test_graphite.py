"""Graphite orders into stage 2 at half filling and fills to stage 1, down its free energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import Current, RateField, TwoLayerGraphite, kinetics, laws, simulate

EXCHANGE = kinetics.ButlerVolmer(kinetics.SiteLimited(1.0))
LINE = Domain(8, 0.5, "periodic")


def nearly(first, second, domain=LINE, noise=0.02):
    layers = np.broadcast_to([first, second], (*domain.shape, 2))
    c = layers + noise * np.random.default_rng(0).normal(size=layers.shape)
    return jnp.asarray(np.where(domain.inside[..., None], c, 0.0))


def test_the_potentials_are_the_slopes_of_the_free_energy():
    equation = TwoLayerGraphite(EXCHANGE, 0.3, 0.0)
    c = nearly(0.3, 0.6, noise=0.05)
    slopes = jax.grad(lambda c: equation.energy(c, LINE))(c) / LINE.pixel_volume
    np.testing.assert_allclose(equation.chemical_potential(c, LINE), slopes, atol=1e-5)


def test_one_layer_full_and_one_empty_is_stable_at_half_filling_and_even_layers_are_not():
    """At v = −Ω_b/2 the model is the same under cᵢ → 1 − cᵢ: half filling is at rest."""
    equation = TwoLayerGraphite(EXCHANGE, 0.3, -0.7)
    times = np.linspace(0, 12, 13)
    run = simulate(equation, nearly(0.52, 0.48), times, LINE, dt=0.02)
    first, second = np.moveaxis(np.asarray(run.frames[-1]), -1, 0)
    assert np.abs(first - second).min() > 0.9
    assert np.mean(first + second) / 2 == pytest.approx(0.5, abs=1e-2)
    energy = np.asarray(jax.vmap(lambda c: equation.energy(c, LINE, voltage=-0.7))(run.frames))
    assert (np.diff(energy) < 1e-12).all()
    # the order lowers the free energy below that of half-full layers, which is that of the coupling
    assert energy[-1] < equation.energy(jnp.full((8, 2), 0.5), LINE, voltage=-0.7) - 1


def test_a_charge_passes_through_stage_two_to_stage_one():
    equation = TwoLayerGraphite(EXCHANGE, 0.3, Current(0.1), laws.Degenerate(0.05))
    run = simulate(equation, nearly(0.03, 0.03, noise=0.003), [0.0, 4.7, 9.2], LINE, dt=0.05)
    assert run.frames.shape == (3, 8, 2)
    assert run.axes == ("time", "row", "channel")
    np.testing.assert_allclose(run.frames.mean((1, 2)) - run.frames[0].mean(), [0, 0.47, 0.92], rtol=1e-10)
    assert np.abs(np.diff(run.frames[1], axis=-1)).mean() > 0.7
    assert run.frames[2].min() > 0.7
    staircase = jax.vmap(equation.voltage, (0, 0, None))(run.times, run.frames, LINE)
    assert staircase[1] > staircase[2]


@pytest.mark.slow
@pytest.mark.parametrize("drive", [-1.5, Current(0.3)])
def test_the_default_plan_is_stable_and_accurate(drive):
    domain = Domain((10, 10), 0.2, inside=np.hypot(*(np.mgrid[:10, :10] - 4.3)) < 4.4)
    equation = TwoLayerGraphite(EXCHANGE, 0.05, drive, laws.Degenerate(0.02), RateField(domain, 5, 1.0))
    times = np.linspace(0, 1.5, 4)
    run = simulate(equation, nearly(0.1, 0.2, domain), times, domain)
    fine = simulate(equation, nearly(0.1, 0.2, domain), times, domain, dt=0.5 / 256)
    assert jnp.sqrt(((run.frames - fine.frames) ** 2).mean((1, 2, 3))).max() < 3e-4 * fine.frames.std()
    assert (np.asarray(run.frames)[:, ~domain.inside] == 0).all()


def test_energies_that_vary_are_refused():
    with pytest.raises(ValueError, match=r"`coupling` must be one number.*got Legendre"):
        TwoLayerGraphite(EXCHANGE, 0.3, 0.0, coupling=laws.Legendre(2))

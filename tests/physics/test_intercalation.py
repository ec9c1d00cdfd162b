"""Intercalation keeps its current to rounding, lowers the free energy at fixed voltage, and plans its own steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import Current, Intercalation, RateField, kinetics, laws, simulate
from operax.physics.equations.reaction import balance
from operax.physics.pilot import choose_plan
from operax.physics.plan import StepPlan, trajectory
from operax.physics.transforms import transform

DISC = np.hypot(*(np.mgrid[:10, :10] - 4.3)) < 4.4
DOMAINS = {
    "periodic": Domain((10, 10), 0.1, "periodic"),
    "no-flux": Domain((10, 10), 0.1),
    "masked": Domain((10, 10), 0.1, inside=DISC),
}
EXCHANGE = kinetics.SiteLimited(2.0)
KINETICS = {
    "Butler–Volmer 0.3": kinetics.ButlerVolmer(EXCHANGE, 0.3),
    "Butler–Volmer 0.5": kinetics.ButlerVolmer(EXCHANGE),
    "Marcus": kinetics.Marcus(EXCHANGE, 8.3),
    "coupled ion–electron": kinetics.CoupledIonElectron(2.0, 8.3),
}
POTENTIAL = laws.RegularSolution(3.0)


def state(domain, low=0.02, high=0.98):
    return jnp.asarray(np.where(domain.inside, np.random.default_rng(0).uniform(low, high, domain.shape), 0.0))


def uneven(domain):
    """k(x) over a factor of about ten."""
    field = RateField(domain, 20, 0.6)
    return eqx.tree_at(lambda f: f.coordinates, field, jnp.asarray(np.random.default_rng(1).normal(size=20)))


def at_current(current):
    unknown = laws.Unknown(0.0, 1.0)
    return Current(eqx.tree_at(lambda u: u.coordinate, unknown, current))


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("rate", KINETICS)
def test_the_mean_rate_is_the_current(name, rate):
    domain = DOMAINS[name]
    c, field = state(domain), uneven(domain)

    @jax.jit
    @jax.vmap
    def change(current):
        equation = Intercalation(KINETICS[rate], POTENTIAL, 1e-2, at_current(current), 0.1, field)
        return equation.rate(0.0, c, domain)

    currents = jnp.asarray([-0.2, -1e-2, 1e-3, 0.1, 0.3])
    found = change(currents)[:, domain.inside].mean(1)
    assert (jnp.abs(found - currents) <= 1e-10 * jnp.abs(currents)).all()


def test_a_current_is_found_where_rates_differ_by_many_powers_of_ten():
    """There Newton steps alone go round in a circle of two."""
    rng = np.random.default_rng(0)
    mu, weights = rng.uniform(-200, 200, (2000, 3)), np.exp(rng.normal(0, 4, (2000, 3)))
    c, current = rng.uniform(0.05, 0.95, (2000, 3)), rng.normal(size=2000)
    rate = KINETICS["Butler–Volmer 0.3"]

    @jax.jit
    @jax.vmap
    def sums(c, mu, weights, current):
        parts = weights * rate(c, mu + balance(rate, c, mu, weights, current))
        return parts.sum() - current, jnp.abs(parts).sum()

    off, size = sums(c, mu, weights, current)
    assert (jnp.abs(off) <= 1e-8 * size).all()


def test_the_voltage_for_a_transfer_coefficient_of_a_half_is_the_closed_form():
    """With y = exp(v/2): P y² + I y − Q = 0, P and Q the means of k j₀ exp(±μ/2)."""
    domain, current = DOMAINS["masked"], 0.7
    c, field = state(domain), uneven(domain)
    equation = Intercalation(KINETICS["Butler–Volmer 0.5"], POTENTIAL, 1e-2, Current(current), rate_field=field)
    mu = equation.chemical_potential(c, domain)
    p, q = ((field() * EXCHANGE(c) * jnp.exp(sign * mu / 2))[domain.inside].mean() for sign in (1, -1))
    exact = 2 * jnp.log((-current + jnp.sqrt(current**2 + 4 * p * q)) / (2 * p))
    np.testing.assert_allclose(equation.voltage(0.0, c, domain), exact, rtol=1e-12)


def test_derivatives_of_the_voltage_are_those_of_differences():
    domain = DOMAINS["no-flux"]
    c, push = state(domain, 0.2, 0.8), state(domain, -1, 1)

    @jax.jit
    def voltage(x):
        shifted = laws.Exp(laws.Unknown(0.0, 1.0))
        exchange = eqx.tree_at(lambda law: law.exponent.coordinate, shifted, x[0])
        rate = kinetics.ButlerVolmer(exchange * EXCHANGE, 0.3)
        equation = Intercalation(rate, POTENTIAL, 1e-2, at_current(x[1]))
        return equation.voltage(0.0, c + x[2] * push, domain)

    x = jnp.asarray([0.1, 0.3, 0.0])
    reverse, forward = jax.grad(voltage)(x), jax.jacfwd(voltage)(x)
    differences = [(voltage(x + h) - voltage(x - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(reverse, forward, rtol=1e-12)
    np.testing.assert_allclose(forward, differences, rtol=1e-7)
    # the voltage is used again where its derivative is differentiated
    curvature = jax.jacfwd(jax.grad(voltage))(x)
    slopes = jnp.stack([(jax.grad(voltage)(x + h) - jax.grad(voltage)(x - h)) / 2e-5 for h in 1e-5 * np.eye(3)])
    np.testing.assert_allclose(curvature, slopes, atol=1e-6 * jnp.abs(curvature).max())


def test_a_run_follows_its_current_programme_and_tells_its_voltage():
    domain = DOMAINS["masked"]
    equation = Intercalation(KINETICS["Marcus"], POTENTIAL, 1e-2, Current(lambda t: 0.3 - 0.6 * t))
    c0 = np.where(domain.inside, 0.3, 0.0)
    run = simulate(equation, c0, [0.0, 0.2, 0.6, 1.0], domain, dt=0.1)
    mean = np.asarray(run.frames)[:, domain.inside].mean(1)
    np.testing.assert_allclose(mean, 0.3 + 0.3 * run.times - 0.3 * run.times**2, rtol=1e-12)
    assert (np.asarray(run.frames)[:, ~domain.inside] == 0).all()
    # an even state stays even: its overpotential gives the current
    v = jax.vmap(equation.voltage, (0, 0, None))(run.times, run.frames, domain)
    c = jnp.asarray(mean)
    np.testing.assert_allclose(equation.kinetics(c, POTENTIAL(c) + v), 0.3 - 0.6 * run.times, atol=1e-12)


@pytest.mark.parametrize("rate", ["Butler–Volmer 0.3", pytest.param("Marcus", marks=pytest.mark.slow)])
def test_free_energy_falls_at_fixed_voltage(rate):
    domain = DOMAINS["masked"]
    equation = Intercalation(KINETICS[rate], POTENTIAL, 5e-3, -0.3, laws.Degenerate(0.05), uneven(domain))
    run = simulate(equation, state(domain, 0.4, 0.6), np.linspace(0, 2, 9), domain, dt=0.05)
    energy = jax.vmap(lambda c: equation.energy(c, domain, voltage=-0.3))(run.frames)
    assert (np.diff(energy) < 0).all()


def test_a_current_beyond_the_limit_of_the_kinetics_fails_aloud():
    """Insertion by coupled transfer cannot exceed k₀ (1 − c) = 1."""
    equation = Intercalation(KINETICS["coupled ion–electron"], POTENTIAL, 1e-2, Current(1.5))
    with pytest.raises(RuntimeError, match="solution is not finite"):
        simulate(equation, np.full((10, 10), 0.5), [0.0, 0.1], DOMAINS["periodic"], dt=0.05)


QUICK = {("coupled ion–electron", "voltage")}
PLANNED = [
    pytest.param(rate, drive, marks=() if (rate, drive) in QUICK else pytest.mark.slow)
    for rate in KINETICS
    for drive in ("voltage", "current")
]


@pytest.mark.parametrize(("rate", "drive"), PLANNED)
def test_the_default_plan_is_stable_and_accurate(rate, drive):
    """Phase separation during insertion, k(x) over a factor of ten; against four times as many steps."""
    domain = Domain((16, 16), 0.06)
    x, y = np.meshgrid(*domain.centres(), indexing="ij")
    k = 10 ** (0.5 * np.sin(2 * np.pi * x / 0.96) * np.cos(np.pi * y / 0.96))
    programme = Current(0.25) if drive == "current" else -1.5
    equation = Intercalation(KINETICS[rate], POTENTIAL, 5e-3, programme, laws.Degenerate(0.01), k)
    c0, times = 0.13 + 0.04 * state(domain), np.linspace(0, 1.2, 7)
    plan = choose_plan(equation, c0, times, domain)
    fine = StepPlan(plan.legs, 4 * plan.steps, plan.damping, plan.stepper)
    chosen, better = (eqx.filter_jit(trajectory)(equation, transform(domain), p, c0, times) for p in (plan, fine))
    assert jnp.sqrt(((chosen - better) ** 2).mean((1, 2))).max() < 3e-4 * better.std()
    assert plan.steps <= 64

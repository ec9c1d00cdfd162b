"""Rate laws balance at zero overpotential, have the limits of the theory, and never overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from operax.physics import kinetics, laws

EXCHANGE = kinetics.SiteLimited(2.0)
KINETICS = {
    "Butler–Volmer 0.3": kinetics.ButlerVolmer(EXCHANGE, 0.3),
    "Butler–Volmer 0.5": kinetics.ButlerVolmer(EXCHANGE),
    "Marcus": kinetics.Marcus(EXCHANGE, 8.3),
    "coupled ion–electron": kinetics.CoupledIonElectron(2.0, 8.3),
    "coupled ion–electron, dilute": kinetics.CoupledIonElectron(2.0, 8.3, activity=0.2),
}
C = jnp.asarray([-0.3, 0.0, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0, 1.4])
every = pytest.mark.parametrize("name", KINETICS)


@every
def test_insertion_and_extraction_balance_at_zero_overpotential(name):
    assert (KINETICS[name](C, jnp.zeros_like(C)) == 0).all()


@every
def test_ions_go_in_at_negative_overpotential_and_rates_fall_with_it(name):
    eta = jnp.linspace(-60, 60, 241)[:, None]
    c = C[None]
    rates, slopes = jax.jvp(lambda eta: KINETICS[name](c + 0 * eta, eta), (eta,), (jnp.ones_like(eta),))
    assert (rates[:120] > 0).all()
    assert (rates[121:] < 0).all()
    # to rounding: the limited rates are flat far out
    assert (slopes <= 1e-12 * jnp.abs(rates)).all()
    assert (slopes[100:141] < 0).all()


@every
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_rates_and_derivatives_are_finite_far_out(name, dtype):
    c, eta = (x.ravel().astype(dtype) for x in jnp.meshgrid(C, jnp.asarray([-200, -80, -1e-3, 0, 1e-3, 80, 200])))
    one = jnp.ones_like
    rate, by_eta = jax.jvp(lambda eta: KINETICS[name](c, eta), (eta,), (one(eta),))
    _, by_c = jax.jvp(lambda c: KINETICS[name](c, eta), (c,), (one(c),))
    assert rate.dtype == dtype
    for values in (rate, by_eta, by_c):
        assert jnp.isfinite(values).all()


@every
def test_derivative_by_overpotential_is_that_of_differences(name):
    c = jnp.full(9, 0.4)
    eta = jnp.asarray([-30.0, -5, -1, -1e-3, 0, 1e-3, 1, 5, 30])
    _, slope = jax.jvp(lambda eta: KINETICS[name](c, eta), (eta,), (jnp.ones_like(eta),))
    differences = (KINETICS[name](c, eta + 1e-6) - KINETICS[name](c, eta - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-8)


def test_butler_volmer_is_linear_near_equilibrium_and_exponential_far_out():
    c = jnp.asarray([0.2, 0.7])
    rate, j0 = kinetics.ButlerVolmer(EXCHANGE, 0.3), EXCHANGE(c)
    np.testing.assert_allclose(rate(c, jnp.full(2, 1e-6)) / j0, -1e-6, rtol=1e-6)
    np.testing.assert_allclose(rate(c, jnp.full(2, -30.0)) / j0, np.exp(0.3 * 30), rtol=1e-12)
    np.testing.assert_allclose(rate(c, jnp.full(2, 30.0)) / j0, -np.exp(0.7 * 30), rtol=1e-12)


@pytest.mark.parametrize(("size", "apart"), [(1.0, 0.18), (2.0, 0.21), (8.3, 0.09), (20.0, 0.13)])
def test_marcus_follows_the_integral_over_the_electrons_of_a_metal(size, apart):
    """Net rate ∝ ∫ exp(−(x − λ + η)²/4λ) [f(x)] dx minus that at −η, f the Fermi function."""
    x = np.linspace(-300, 300, 30_001)

    def one_way(eta):
        return np.trapezoid(np.exp(-((x - size + eta) ** 2) / (4 * size)) * expit(-x), x)

    eta = np.array([1e-4, 0.5, 1, 2, 4, 8, 12, 20, 40])
    exact = np.array([one_way(-e) - one_way(e) for e in eta])
    found = np.asarray(kinetics.Marcus(1.0, size)(jnp.full(9, 0.5), jnp.asarray(eta)))
    # both are −η near equilibrium
    ratio = (found / eta) / (exact / eta) * (exact[0] / eta[0]) / (found[0] / eta[0])
    assert np.abs(np.log(ratio)).max() < apart + 0.02
    np.testing.assert_allclose(found[0], -1e-4, rtol=1e-4)


def test_coupled_transfer_is_limited_by_sites_and_ions():
    c = jnp.asarray([0.2, 0.7])
    rate = kinetics.CoupledIonElectron(3.0, 8.3, activity=0.5)
    np.testing.assert_allclose(rate(c, jnp.full(2, -100.0)), 3 * 0.5 * (1 - c), rtol=1e-12)
    np.testing.assert_allclose(rate(c, jnp.full(2, 100.0)), -3 * c * (1 - c), rtol=1e-12)


def test_coupled_transfer_is_the_difference_of_two_marcus_constants():
    c, eta = jnp.asarray([0.2, 0.7, 0.7]), jnp.asarray([-3.0, 2.0, 0.4])
    size, a = 8.3, 0.5
    formal = eta + jnp.log(a / c)

    def constant(eta):
        return 0.5 * jax.scipy.special.erfc(
            (size - jnp.sqrt(1 + jnp.sqrt(size) + eta**2)) / (2 * jnp.sqrt(size))
        ) / (1 + jnp.exp(eta))  # fmt: skip

    expected = 3 * (1 - c) * (constant(formal) * a - constant(-formal) * c)
    np.testing.assert_allclose(kinetics.CoupledIonElectron(3.0, size, a)(c, eta), expected, rtol=1e-12)


def test_unknown_numbers_are_the_leaves():
    known = kinetics.ButlerVolmer(laws.Degenerate(1.0), 0.4)
    assert not jax.tree.leaves(known)
    unknown = kinetics.Marcus(laws.positive(1.0, factor=2) * laws.Legendre(3), laws.positive(8.0, factor=1.5))
    assert sum(leaf.size for leaf in jax.tree.leaves(unknown)) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: kinetics.ButlerVolmer(1.0, 1.0),
            r"`alpha`, the transfer coefficient, must lie between 0 and 1, got 1",
        ),
        (lambda: kinetics.ButlerVolmer(1.0, laws.Legendre(2)), "`alpha` must be one number"),
        (lambda: kinetics.Marcus(1.0, 0.0), "`reorganisation`, the energy λ in kT, must be positive, got 0"),
        (lambda: kinetics.Marcus(1.0, laws.Legendre(2)), "`reorganisation` must be one number"),
        (lambda: kinetics.CoupledIonElectron(1.0, -2.0), "`reorganisation`.* must be positive, got -2"),
        (lambda: kinetics.CoupledIonElectron(1.0, 8.3, 0.0), "`activity` must be positive, got 0"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()

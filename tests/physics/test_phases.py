"""Phases, constants and units against numbers known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import constants as si

from operax.physics import Scales, constants, laws, phases
from operax.physics.constants import GRAPHITE, LFP, Quantity

OMEGA = LFP.omega.si / (si.k * 298.15)
binodal, spinodal = jax.jit(phases.binodal), jax.jit(phases.spinodal)
energy, width = jax.jit(phases.interface_energy), jax.jit(phases.interface_width)


def regular(omega):
    # one tree for every Ω, so that one program serves
    return jax.tree.map(lambda x: x + omega, laws.RegularSolution(laws.Unknown(0.0, 1.0)))


@pytest.mark.parametrize(("omega", "dilute"), [(3.0, 0.0707202), (4.476, 0.0125745), (2.2, 0.2485297)])
def test_binodal_and_spinodal_of_a_regular_solution(omega, dilute):
    poor, rich = binodal(regular(omega))
    # the common tangent of a symmetric energy is level: ln(c/(1-c)) + Ω(1-2c) = 0
    assert abs(np.log(poor / (1 - poor)) + omega * (1 - 2 * poor)) < 1e-12
    np.testing.assert_allclose([poor, rich], [dilute, 1 - dilute], atol=5e-8)
    root = 0.5 * np.sqrt(1 - 2 / omega)
    np.testing.assert_allclose(spinodal(regular(omega)), [0.5 - root, 0.5 + root], rtol=1e-12)


def test_numbers_of_the_literature():
    np.testing.assert_allclose(spinodal(regular(3.0))[0], 0.2113249, atol=1e-7)
    np.testing.assert_allclose(binodal(regular(OMEGA))[0], 0.01257, atol=5e-6)
    np.testing.assert_allclose(spinodal(regular(OMEGA))[0], 0.12812, atol=5e-6)


def test_a_lopsided_gap_has_equal_potentials_and_equal_areas():
    law = laws.RedlichKister([2.6, 0.5, -0.3]) + 1.7
    a, b = binodal(law)
    c = np.linspace(a, b, 200_001)
    mu = np.asarray(law(jnp.asarray(c)))
    np.testing.assert_allclose(mu[0], mu[-1], atol=1e-11)
    assert abs(np.trapezoid(mu - mu[0], c)) < 1e-9
    assert abs(a - (1 - b)) > 0.01


def test_a_solution_that_mixes_has_no_phases():
    for omega in (0.0, 1.9):
        assert np.isnan(binodal(regular(omega))).all()
        assert np.isnan(spinodal(regular(omega))).all()
        assert np.isnan(energy(regular(omega), 1.0))


def test_phases_are_differentiable():
    h = 1e-5
    for find in (phases.binodal, phases.spinodal):
        slope = jax.jit(jax.jacfwd(lambda w, find=find: find(regular(w))))(3.0)
        up, down = (jax.jit(find)(regular(3.0 + s)) for s in (h, -h))
        np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-7)
    slope = jax.jit(jax.grad(lambda w: phases.interface_energy(regular(w), 1.0)))(3.0)
    up, down = (energy(regular(3.0 + s), 1.0) for s in (h, -h))
    np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-6)


def test_interface_of_a_quartic_energy_is_the_tanh():
    # f = (c² - ¼)²/4 shifted to ½: σ = √(κ/2)/6, profile ½ + ½ tanh(x/(2√(2κ))) of largest slope 1/(4√(2κ))
    def mu(c):
        u = c - 0.5
        return u * (u * u - 0.25)

    kappa = 0.37
    np.testing.assert_allclose(binodal(laws.Known(mu)), [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(energy(laws.Known(mu), kappa), np.sqrt(kappa / 2) / 6, rtol=1e-10)
    np.testing.assert_allclose(width(laws.Known(mu), kappa), 4 * np.sqrt(2 * kappa), rtol=1e-3)


def test_constants_of_lithium_iron_phosphate():
    scales = Scales(length=1e-9, time=1.0, sites=LFP.sites.si)
    np.testing.assert_allclose(OMEGA, 4.476, atol=5e-4)
    np.testing.assert_allclose(LFP.omega.others[0].si / scales.energy, 4.51, atol=0.005)
    np.testing.assert_allclose(np.sqrt(LFP.kappa.si / scales.energy_density), 2.97e-9, atol=5e-12)
    kappa = LFP.kappa.si / scales.kappa
    np.testing.assert_allclose(energy(regular(OMEGA), kappa) * scales.interface_energy, 0.112, atol=5e-4)
    np.testing.assert_allclose(width(regular(OMEGA), kappa) * scales.length, 3.1e-9, atol=5e-11)


def test_constants_of_graphite():
    kT = si.k * 298.15
    found = [q.si / kT for q in (GRAPHITE.omega_a, GRAPHITE.omega_b, GRAPHITE.omega_c, GRAPHITE.reorganisation)]
    np.testing.assert_allclose(found, [3.40, 1.40, 20.0, 4.99], atol=6e-3)
    np.testing.assert_allclose(GRAPHITE.sites.si / si.N_A, 28229, atol=1)


def test_sources_disagree_by_what_they_say():
    for name, tolerance in (("omega", 0.01), ("kappa", 1e-3), ("sites", 1e-3), ("voltage", 1e-3)):
        quantity = getattr(LFP, name)
        (other,) = quantity.others
        np.testing.assert_allclose(other.si, quantity.si, rtol=tolerance)
    np.testing.assert_allclose(LFP.exchange.si / LFP.exchange.others[0].si, 1e3, rtol=1e-12)


@pytest.mark.parametrize("material", [LFP, GRAPHITE])
def test_every_constant_has_a_unit_and_a_source(material):
    for quantity in vars(material).values():
        for one in (quantity, *quantity.others):
            assert one.unit in constants.SI
            assert one.source
            assert np.isfinite(one.si)


def test_units_follow_from_length_time_temperature_and_sites():
    s = Scales(length=1e-6, time=60.0, sites=1e28, temperature=300.0)
    kT = 1.380649e-23 * 300
    e = 1.602176634e-19
    np.testing.assert_allclose(s.energy, kT, rtol=1e-15)
    np.testing.assert_allclose(s.voltage, kT / e, rtol=1e-15)
    np.testing.assert_allclose(s.energy_density, 1e28 * kT, rtol=1e-14)
    np.testing.assert_allclose(s.kappa, 1e16 * kT, rtol=1e-14)
    np.testing.assert_allclose(s.interface_energy, 1e22 * kT, rtol=1e-14)
    np.testing.assert_allclose(s.diffusivity, 1e-12 / 60, rtol=1e-14)
    np.testing.assert_allclose(s.mobility * kT, s.diffusivity, rtol=1e-14)
    np.testing.assert_allclose(s.rate, 1 / 60, rtol=1e-15)
    np.testing.assert_allclose(s.current, e * 1e22 / 60, rtol=1e-14)
    np.testing.assert_allclose(s.flux * e, s.current, rtol=1e-14)


def test_wrong_units_are_refused():
    with pytest.raises(ValueError, match="`length` must be positive and finite, in SI units, got -1"):
        Scales(length=-1, time=1, sites=1e28)
    with pytest.raises(ValueError, match=r"`unit` must be one of .*eV.*, got 'furlong'"):
        Quantity(1.0, "furlong", "nowhere")

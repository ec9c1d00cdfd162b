"""Fitted laws as tables and in PyBaMM, whose own tests of them run where it is installed."""

import builtins

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.inference import Posterior
from operax.physics import AllenCahn, CahnHilliard, Diffusion, Scales, laws, phases
from operax.report import cell

SCALES = Scales(length=1e-6, time=60.0, sites=1e28)
KT = 8.617333262e-5 * 298.15  # V


def posterior(equation, draws=200):
    """Draws of the prior stand in for a posterior: what is tested is what becomes of them."""
    many = jax.vmap(lambda key: laws.draw(equation, key=key))(jax.random.split(jax.random.key(0), draws))
    return Posterior(equation, many, None, "drawn")


@pytest.fixture(scope="module")
def spreading():
    return posterior(Diffusion(laws.Exp(laws.Unknown(-1.0, 0.3) + laws.Legendre(2, 0.2))))


@pytest.fixture(scope="module")
def separating():
    return posterior(CahnHilliard(laws.positive(0.1, factor=2), laws.RegularSolution(laws.Unknown(3.5, 0.2)), 1e-3))


def test_the_table_holds_the_law_and_its_bands_in_si(spreading, tmp_path):
    found = cell.diffusivity(spreading, SCALES)
    c = jnp.asarray(found.c)
    np.testing.assert_allclose(found.values, spreading.best.diffusivity(c) * 1e-12 / 60, rtol=1e-6)
    head, *_ = (path := found.save(tmp_path / "d.csv")).read_text("utf-8").splitlines()
    assert head == "composition,D [m2.s-1],median,95 % low,68 % low,68 % high,95 % high"
    columns = np.loadtxt(path, delimiter=",", skiprows=1)
    band = np.asarray(spreading.band(lambda e: e.diffusivity(c), 0.95)) * 1e-12 / 60
    np.testing.assert_allclose(columns[:, [3, 2, 6]].T, band, rtol=1e-5)
    assert (np.diff(columns[:, 3:], axis=1) > 0).all()


def test_a_draw_takes_the_place_of_the_best(spreading):
    found = cell.diffusivity(spreading, SCALES, np.linspace(0.1, 0.9, 9))
    np.testing.assert_array_equal(found.draw(3).values, found.draws[3])


@pytest.mark.slow
def test_voltage_is_level_where_the_host_separates(separating):
    found = cell.open_circuit(separating, 3.42)
    low, high = np.asarray(jax.jit(phases.binodal)(separating.best.potential))
    level = found.values[(found.c > low) & (found.c < high)]
    # by symmetry the phases coexist at μ = 0
    np.testing.assert_allclose(level, 3.42, atol=1e-6)
    alone = found.c < low
    np.testing.assert_allclose(
        found.values[alone], 3.42 - KT * separating.best.potential(jnp.asarray(found.c[alone])), rtol=1e-6
    )
    assert (np.diff(found.values) < 1e-9).all()
    mixed = posterior(CahnHilliard(1.0, laws.RegularSolution(laws.Unknown(1.0, 0.1)), 1e-3))
    smooth = cell.open_circuit(mixed, 3.42)
    np.testing.assert_allclose(smooth.values, 3.42 - KT * mixed.best.potential(jnp.asarray(smooth.c)), rtol=1e-6)
    assert np.isfinite(smooth.draws).all()


def test_refusals_say_why(spreading, separating, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"not positive from c = 0\.17.* to 0\.82.*: the host separates there"):
        cell.diffusivity(separating, SCALES)
    with pytest.raises(TypeError, match="an equation with a potential, got a Diffusion, which shows no voltage"):
        cell.open_circuit(spreading, 3.4)
    with pytest.raises(TypeError, match="an equation with a diffusivity, got a AllenCahn"):
        cell.diffusivity(posterior(AllenCahn(laws.positive(1.0, factor=2), laws.RegularSolution(3.0), 1e-3)), SCALES)
    with pytest.raises(ValueError, match="at least four increasing compositions"):
        cell.diffusivity(spreading, SCALES, [0.5, 0.4, 0.3, 0.2])
    found = cell.diffusivity(spreading, SCALES)
    with pytest.raises(ValueError, match=r"written to \.csv, got `path`"):
        found.save(tmp_path / "d.txt")
    whole = builtins.__import__

    def without(name, *rest, **more):
        if name == "pybamm":
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'operax\[pybamm\]'"):
        found(0.5)


def test_pybamm_solves_a_cell_with_the_fitted_laws(spreading):
    pybamm = pytest.importorskip("pybamm", reason="PyBaMM is not installed")
    diffusivity = cell.diffusivity(spreading, Scales(length=1e-6, time=400.0, sites=1e28))
    # a solid solution, tilted to the voltages of the parameter set's own electrode
    potential = laws.RegularSolution(laws.Unknown(0.5, 0.1)) + laws.Known(lambda c: 20.0 * c)
    voltage = cell.open_circuit(posterior(CahnHilliard(1.0, potential, 1e-3), 4), 4.25)
    values = pybamm.ParameterValues("Chen2020")
    values["Positive particle diffusivity [m2.s-1]"] = diffusivity
    values["Positive electrode OCP [V]"] = voltage
    seen = values.process_symbol(diffusivity(pybamm.Scalar(0.5), pybamm.Scalar(298.15))).evaluate()
    expected = float(spreading.best.diffusivity(jnp.asarray(0.5))) * 1e-12 / 400
    assert float(np.ravel(seen)[0]) == pytest.approx(expected, rel=1e-4)
    model = pybamm.lithium_ion.SPM()
    simulation = pybamm.Simulation(model, parameter_values=values, C_rate=0.2)
    solution = simulation.solve([0, 600])
    inside = solution["Positive particle surface stoichiometry"].entries
    shown = solution["Positive electrode open-circuit potential [V]"].entries
    x = float(np.ravel(inside)[-1])
    u = 4.25 - KT * float(potential(jnp.asarray(x)))
    assert float(np.ravel(shown)[-1]) == pytest.approx(u, abs=2e-3)

import jax.numpy as jnp
import numpy as np
import pytest

from operax.physics import AllenCahn, CahnHilliard, Diffusion, Intercalation, kinetics, laws
from operax.report.laws import (
    composition_grid,
    curves,
    default_quantities,
    limits,
    rarely_visited,
    readings,
    reference,
    visited_range,
)

SPREAD = jnp.linspace(0.2, 0.8, 1001)


def test_stray_pixels_do_not_widen_the_visited_range():
    low, high = visited_range(jnp.concatenate([SPREAD, jnp.array([-5.0, 5.0])]))
    assert low == pytest.approx(0.2, abs=0.01)
    assert high == pytest.approx(0.8, abs=0.01)


def test_a_gap_between_two_phases_is_named():
    phases = jnp.concatenate([jnp.linspace(0.1, 0.2, 500), jnp.linspace(0.8, 0.9, 500)])
    (gap,) = rarely_visited(phases)
    assert gap[0] == pytest.approx(0.2, abs=0.05)
    assert gap[1] == pytest.approx(0.8, abs=0.05)
    assert rarely_visited(SPREAD) == []
    assert rarely_visited(jnp.full(9, 0.3)) == []


def test_the_grid_reaches_beyond_the_visited_range_but_not_beyond_the_phases():
    equation = CahnHilliard(1.0, laws.RegularSolution(3.0), 1e-3)
    c = composition_grid(SPREAD, equation)
    assert 0 < c[0] < 0.2
    assert 0.8 < c[-1] < 1
    wide = composition_grid(jnp.linspace(0.05, 0.95, 500), equation)
    assert 0 < wide[0] < 0.05
    assert 0.95 < wide[-1] < 1
    still = composition_grid(jnp.zeros(5), Diffusion(1.0))
    assert still[0] < 0 < still[-1]


def test_quantities_are_the_laws_with_their_units():
    equation = CahnHilliard(laws.Degenerate(2.0), laws.RegularSolution(3.0), 1e-2)
    c = jnp.array([0.3, 0.5])
    shown = default_quantities(equation, ("um", "s", "1"), 0.5)
    assert list(shown) == [
        "M(c) (um²/s per unit of μ)",
        "μₕ(c) − μₕ(½) (unit of μ)",
        "D(c) = M μₕ′ (um²/s)",
        "M(c) κ (um⁴/s)",
    ]
    m, mu, d, mk = (np.asarray(q(equation, c)) for q in shown.values())
    np.testing.assert_allclose(m, [0.42, 0.5], rtol=1e-6)
    np.testing.assert_allclose(mu, [np.log(3 / 7) + 3 * 0.4, 0], atol=1e-6)
    np.testing.assert_allclose(d, m * (1 / (c * (1 - c)) - 6), rtol=1e-5)
    np.testing.assert_allclose(mk, 1e-2 * m, rtol=1e-6)
    assert list(default_quantities(Diffusion(1.0), ("1", "1", "1"), 0.5)) == ["D(c)"]
    source = Diffusion(1.0, laws.Unknown(0.0, 1.0))
    assert list(default_quantities(source, ("mm", "h", "1"), 0.5)) == ["D(c) (mm²/h)", "source s(c) (1/h)"]


def test_potential_is_zero_where_the_movie_was():
    assert reference(SPREAD) == 0.5
    assert reference(jnp.linspace(0.1, 0.3, 100)) == pytest.approx(0.2)


def test_readings_are_the_posterior_band(posterior):
    quantities = default_quantities(posterior.best, ("px", "frame", "1"), 0.5)
    found = readings(posterior, quantities, SPREAD, Diffusion(1e9))
    assert len(found) == 5
    r = found[2]
    low, median, high = posterior.band(lambda e: e.diffusivity(jnp.array([r.c])), 0.95)[:, 0]
    np.testing.assert_allclose([r.low, r.median, r.high], [low, median, high], rtol=1e-5)
    assert not r.inside
    assert readings(posterior, quantities, SPREAD, None)[0].inside is None


def test_a_quantity_of_the_wrong_shape_is_refused(posterior):
    with pytest.raises(ValueError, match="the quantity `D` must return one value for each of 97 compositions"):
        curves(posterior, {"D": lambda e, c: e.diffusivity(c)[:3]}, jnp.linspace(0, 1, 97), None)


def test_limits_name_the_gauge_and_what_fixes_it():
    mobility = laws.positive(1.0, factor=2)
    c = jnp.linspace(0.1, 0.9, 5)
    said = " ".join(limits(CahnHilliard(mobility, laws.RegularSolution(laws.Unknown(3, 1)), 1e-3), SPREAD, c))
    assert "scale is fixed by κ, taken as known" in said
    assert "(aM, μₕ/a, κ/a)" in said
    redundant = laws.RegularSolution(laws.Unknown(3, 1)) + laws.Legendre(2)
    assert "scale is fixed by κ" in " ".join(limits(CahnHilliard(mobility, redundant, 1e-3), SPREAD, c))
    unknown = CahnHilliard(mobility, laws.Legendre(2), laws.positive(1e-3, factor=2))
    assert "the priors alone hold it" in " ".join(limits(unknown, SPREAD, c))
    ideal = CahnHilliard(mobility, laws.RegularSolution(laws.Unknown(3, 1)), laws.positive(1e-3, factor=2))
    assert "fixed by known parts of these laws, such as an ideal-mixing term" in " ".join(limits(ideal, SPREAD, c))
    assert "cannot be told apart" in " ".join(limits(Diffusion(mobility), SPREAD, c))


def test_an_equation_of_ones_own_shows_its_unknown_laws():
    two = Intercalation(
        kinetics.ButlerVolmer(laws.positive(2.0, factor=3)), laws.RegularSolution(laws.Unknown(3.0, 1.0)), 1e-3, 0.0
    )
    shown = default_quantities(two, ("um", "h", "1"), 0.5)
    assert list(shown) == ["R(c) at η = −1", "potential(c)"]
    c = jnp.array([0.2, 0.5])
    np.testing.assert_allclose(shown["R(c) at η = −1"](two, c), 2 * 2 * np.sinh(0.5), rtol=1e-6)
    scaled = AllenCahn(laws.positive(1.0, factor=2), laws.RegularSolution(3.0), laws.positive(1e-3, factor=2))
    shown = default_quantities(scaled, ("1", "1", "1"), 0.5)
    assert list(shown) == ["prefactor(c)", "kappa(c)"]
    np.testing.assert_allclose(shown["kappa(c)"](scaled, c), 1e-3, rtol=1e-6)
    with pytest.raises(ValueError, match="which laws of a `AllenCahn` to show is not known; give `quantities`"):
        default_quantities(AllenCahn(1.0, laws.RegularSolution(3.0), 1e-3), ("1", "1", "1"), 0.5)

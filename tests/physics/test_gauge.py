"""What no movie shows is found, and only that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from operax.domain import Domain
from operax.physics import (
    CahnHilliard,
    Current,
    Diffusion,
    Intercalation,
    RateField,
    gauge_directions,
    kinetics,
    laws,
    simulate,
)

DOMAIN = Domain((12, 12), 0.02, "periodic")
START = jnp.asarray(0.5 + 0.2 * np.random.default_rng(3).standard_normal((12, 12)).clip(-2, 2))
TIMES = jnp.asarray([0.0, 1e-4])


def all_unknown():
    return CahnHilliard(
        laws.Exp(laws.Unknown(-1.0, 1.0) + laws.Legendre(2)),
        laws.RegularSolution(3.0) * laws.positive(1.0, factor=2) + laws.Unknown(0.0, 1.0),
        laws.positive(2e-3, factor=3),
    )


def drawn(equation):
    return laws.draw(equation, key=jax.random.key(0))


@pytest.mark.slow
def test_scaled_laws_make_the_same_movie():
    equation, a = drawn(all_unknown()), 2.5
    scaled = CahnHilliard(a * equation.mobility, equation.potential * (1 / a) + 0.3, equation.kappa * (1 / a))
    first, second = (simulate(e, START, TIMES, DOMAIN, dt=1e-4).frames for e in (equation, scaled))
    np.testing.assert_allclose(second, first, rtol=1e-9, atol=1e-12)


def test_the_gauge_of_cahn_hilliard_is_the_scale_and_the_constant():
    equation = drawn(all_unknown())
    theta, rebuild = ravel_pytree(equation)
    directions = gauge_directions(equation)
    assert directions.shape == (2, theta.size)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    # in coordinates: level of ln M up by one, ln of the scale of μ_h and ln κ down by one
    level, scale, constant, kappa = 0, 3, 4, 5
    gauge = np.zeros((2, theta.size))
    gauge[0, [level, scale, kappa]] = 1.0, -1 / np.log(2), -1 / np.log(3)
    gauge[0, constant] = 0.0
    gauge[1, constant] = 1.0
    inside = gauge @ directions.T @ directions
    np.testing.assert_allclose(inside, gauge, atol=1e-9)

    # along the gauge M μ′ and M κ stay as they are to first order
    quantities = jax.jit(jax.jacfwd(lambda theta: jnp.stack(rebuild(theta).stiffness(0.0, jnp.linspace(0.1, 0.9, 9)))))
    J = quantities(theta)
    np.testing.assert_allclose(J @ directions.T, 0, atol=1e-9 * float(jnp.abs(J).max()))


@pytest.mark.parametrize(
    ("equation", "number"),
    [
        (CahnHilliard(laws.positive(1.0, factor=2), laws.RegularSolution(laws.Unknown(3.0, 0.5)), 2e-3), 0),
        (CahnHilliard(laws.positive(1.0, factor=2), laws.Legendre(3), laws.positive(2e-3, factor=2)), 1),
        (CahnHilliard(1.0, laws.RegularSolution(3.0) + laws.Unknown(0.0, 1.0), 2e-3), 1),
        (CahnHilliard(laws.Unknown(1.0, 0.1) + laws.Unknown(1.0, 0.1), laws.RegularSolution(3.0), 2e-3), 1),
        (Diffusion(laws.Exp(laws.Unknown(0.0, 1.0) + laws.Legendre(2)), laws.Unknown(0.0, 1.0)), 0),
    ],
)
def test_only_what_no_movie_shows_is_gauge(equation, number):
    assert len(gauge_directions(drawn(equation))) == number


def test_a_known_equation_has_no_directions():
    assert gauge_directions(Diffusion(1.0)).shape == (0, 0)


def test_a_frame_that_visits_little_shows_little():
    spline = Diffusion(laws.Exp(laws.Spline(np.linspace(0, 1, 9))))
    everywhere, flat = gauge_directions(spline), 0.45 + 0.1 * START
    assert len(everywhere) == 0
    assert len(gauge_directions(spline, flat, DOMAIN)) >= 4


def test_a_state_of_fewer_pixels_than_unknowns_shows_at_most_its_pixels():
    pixels = Domain((3,), 0.1)
    seen = 4 - len(gauge_directions(Diffusion(laws.Exp(laws.Legendre(4))), jnp.asarray([0.2, 0.5, 0.9]), pixels))
    assert seen == 2  # two faces


def test_a_state_without_its_domain_is_refused():
    with pytest.raises(ValueError, match="both a state `c` and its `domain`"):
        gauge_directions(Diffusion(laws.Unknown(1.0, 0.1)), START)


@pytest.mark.parametrize("field", ["unknown", "known"])
@pytest.mark.parametrize("shape", [(9, 7), (10,)])
def test_a_rate_field_is_tried_where_it_lies(shape, field):
    """Its domain is not the square that is tried otherwise, and may have fewer pixels than there are numbers."""
    inside = np.ones(shape, bool)
    inside[0] = False
    domain = Domain(shape, 0.1, inside=inside)
    made = (
        RateField(domain, 5, 0.5)
        if field == "unknown"
        else np.where(inside, 1 + np.random.default_rng(1).uniform(size=shape), 1.0)
    )
    rate = kinetics.ButlerVolmer(laws.Exp(laws.Unknown(0.0, 1.0) + laws.Legendre(4, 1.0)))
    equation = Intercalation(rate, laws.RegularSolution(laws.Unknown(2.0, 1.0)), 0.01, Current(0.5), rate_field=made)
    assert len(gauge_directions(equation)) == 0
    # a second level, that of the rate, is not told from the first
    twice = kinetics.ButlerVolmer(laws.positive(1.0, factor=2) * laws.positive(1.0, factor=2))
    equation = Intercalation(twice, laws.RegularSolution(2.0), 0.01, -1.0, rate_field=made)
    assert len(gauge_directions(equation)) == 1

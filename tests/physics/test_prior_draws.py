"""A thousand laws drawn from their priors, at states that have strayed: every equation's rate stays a number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from operax.domain import Domain
from operax.physics import (
    AllenCahn,
    CahnHilliard,
    Current,
    Diffusion,
    Intercalation,
    RateField,
    TwoLayerGraphite,
    kinetics,
    laws,
)

DRAWS = 1000
DOMAIN = Domain((5, 4), 0.1, inside=np.arange(20).reshape(5, 4) > 2)
POTENTIAL = laws.RegularSolution(laws.Unknown(3.0, 0.5)) + laws.Legendre(4, 2.0)
MOBILITY = laws.Degenerate(laws.Exp(laws.Unknown(0.0, 1.0) + laws.Spline(np.linspace(0, 1, 5), 1.0)))
KAPPA = laws.positive(1e-2, factor=3)
EXCHANGE = kinetics.SiteLimited(laws.Exp(laws.Legendre(3, 1.0)))
SIZE = laws.positive(8.3, factor=1.5)
FIELD = RateField(DOMAIN, 8, 1.0)
STEADY = kinetics.ButlerVolmer(EXCHANGE, laws.Unknown(0.5, 0.1))
EQUATIONS = {
    "diffusion": Diffusion(laws.Exp(laws.Unknown(-1.0, 1.0) + laws.Legendre(3))),
    "Cahn–Hilliard": CahnHilliard(MOBILITY, POTENTIAL, KAPPA),
    "Allen–Cahn": AllenCahn(MOBILITY, POTENTIAL, KAPPA, laws.Unknown(0.0, 3.0)),
    "voltage": Intercalation(
        kinetics.Marcus(EXCHANGE, SIZE), POTENTIAL, KAPPA, laws.Unknown(0.0, 10.0), MOBILITY, FIELD
    ),
    "current": Intercalation(STEADY, POTENTIAL, KAPPA, Current(laws.Unknown(0.0, 1.0)), MOBILITY, FIELD),
    "coupled": Intercalation(kinetics.CoupledIonElectron(1.0, SIZE), POTENTIAL, KAPPA, -5.0, rate_field=FIELD),
    "graphite": TwoLayerGraphite(STEADY, KAPPA, Current(laws.Unknown(0.0, 1.0)), MOBILITY, FIELD),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUATIONS)
def test_rates_of_drawn_laws_are_finite(name):
    equation = EQUATIONS[name]
    unknowns, unravel = ravel_pytree(equation)
    rng = np.random.default_rng(0)
    shape = DOMAIN.shape if equation.fields == 1 else (*DOMAIN.shape, equation.fields)
    inside = DOMAIN.inside.reshape(*DOMAIN.shape, *(1,) * (len(shape) - 2))
    states = np.where(inside, rng.uniform(-0.2, 1.2, (DRAWS, *shape)), 0.0)
    draws = rng.normal(size=(DRAWS, unknowns.size))
    rates = jax.jit(jax.vmap(lambda x, c: unravel(x).rate(0.0, c, DOMAIN)))(jnp.asarray(draws), jnp.asarray(states))
    assert jnp.isfinite(rates).all()
    assert (jnp.where(inside, 0, rates) == 0).all()

"""Derivatives of whole runs: forward and reverse agree, and both are those of finite differences.

Each equation on each geometry, through a run with a frozen step plan, by every coefficient of the laws and every
pixel of the start state at once.
"""

import equinox as eqx
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
    ReactionDiffusion,
    TwoLayerGraphite,
    kinetics,
    laws,
)
from operax.physics.plan import StepPlan, trajectory
from operax.physics.transforms import transform

PART = np.ones((6, 5), bool)
PART[:2, :2] = False
GEOMETRIES = {
    "periodic line": Domain(12, 0.1, "periodic"),
    "no-flux line": Domain(12, 0.1),
    "masked line": Domain(12, 0.1, inside=np.arange(12) > 2),
    "periodic square": Domain((6, 5), 0.1, "periodic"),
    "no-flux square": Domain((6, 5), 0.1),
    "masked square": Domain((6, 5), 0.1, inside=PART),
}
POTENTIAL = laws.RegularSolution(3.0) + laws.Legendre(3)
KAPPA = laws.positive(2e-2, factor=2)
EXCHANGE = kinetics.SiteLimited(laws.positive(3.0, factor=2))
STEADY = kinetics.ButlerVolmer(EXCHANGE, laws.Unknown(0.4, 0.05))


class Exchange(eqx.Module):
    """Two species that turn into each other."""

    speed: laws.AbstractLaw

    def __call__(self, t, c):
        made = self.speed(c[..., 0]) * (c[..., 1] - c[..., 0] ** 2) * (1 + t)
        return jnp.stack([made, -made], -1)


EQUATIONS = {
    "diffusion": lambda domain: Diffusion(laws.Exp(laws.Unknown(-1.0, 1.0) + laws.Legendre(2))),
    "Cahn–Hilliard": lambda domain: CahnHilliard(laws.Degenerate(laws.positive(1.0, factor=3)), POTENTIAL, KAPPA),
    "Allen–Cahn": lambda domain: AllenCahn(EXCHANGE, POTENTIAL, KAPPA, laws.Unknown(-0.5, 0.5)),
    "voltage": lambda domain: Intercalation(
        kinetics.CoupledIonElectron(laws.positive(3.0, factor=2), laws.positive(8.3, factor=1.5)),
        POTENTIAL, KAPPA, laws.Unknown(-2.0, 1.0), laws.Degenerate(0.5), RateField(domain, 4, 0.5),
    ),
    "current": lambda domain: Intercalation(
        STEADY, POTENTIAL, KAPPA, Current(laws.Unknown(1.0, 0.5)), rate_field=RateField(domain, 4, 0.5)
    ),
    "graphite": lambda domain: TwoLayerGraphite(
        STEADY, KAPPA, Current(laws.Unknown(1.0, 0.5)), laws.Degenerate(0.5), coupling=laws.Unknown(10.0, 1.0)
    ),
    "reaction–diffusion": lambda domain: ReactionDiffusion(
        (laws.positive(0.5, factor=2), laws.Exp(laws.Legendre(2))), Exchange(laws.positive(2.0, factor=2))
    ),
}  # fmt: skip
# Stable for every case; only the splitting depends on it.
DAMPING = jnp.asarray([0.3, 4e-3])
TIMES = jnp.asarray([0.0, 0.01, 0.03])


# One case for each transform and stepper in every run; compiling all of them takes minutes.
QUICK = {
    ("diffusion", "no-flux line"),
    ("Cahn–Hilliard", "periodic square"),
    ("Cahn–Hilliard", "no-flux line"),
    ("Cahn–Hilliard", "masked square"),
    ("current", "masked square"),
}
CASES = [
    pytest.param(equation, geometry, marks=() if (equation, geometry) in QUICK else pytest.mark.slow)
    for equation in EQUATIONS
    for geometry in GEOMETRIES
]


@pytest.mark.parametrize(("equation", "geometry"), CASES)
def test_derivatives_agree(equation, geometry):
    geometry = transform(GEOMETRIES[geometry])
    equation = EQUATIONS[equation](geometry.domain)
    inside = geometry.domain.inside
    if equation.fields > 1:
        inside = np.stack([inside] * equation.fields, -1)
    rng = np.random.default_rng(0)
    c0 = jnp.asarray(np.where(inside, rng.uniform(0.3, 0.7, inside.shape), 0.0))
    plan = StepPlan((1, 2), 2, DAMPING)
    unknowns, unravel = ravel_pytree((equation, c0))

    def frames(x):
        equation, c0 = unravel(x)
        return trajectory(equation, geometry, plan, jnp.where(inside, c0, 0.0), TIMES)[1:]

    @jax.jit
    def derivatives(x, tangent, cotangent):
        values, pushed = jax.jvp(frames, (x,), (tangent,))
        return values, pushed, jax.vjp(frames, x)[1](cotangent)[0]

    tangent = jnp.asarray(rng.normal(size=unknowns.shape))
    cotangent = jnp.asarray(rng.normal(size=(2, *inside.shape)))
    _, pushed, pulled = derivatives(unknowns, tangent, cotangent)
    forward, reverse = (cotangent * pushed).sum(), (pulled * tangent).sum()
    scale = jnp.linalg.norm(cotangent) * jnp.linalg.norm(pushed)
    assert abs(forward - reverse) <= 1e-12 * scale

    h = 1e-5
    above, below = (derivatives(unknowns + s * h * tangent, tangent, cotangent)[0] for s in (1, -1))
    assert jnp.linalg.norm((above - below) / (2 * h) - pushed) <= 1e-6 * jnp.linalg.norm(pushed)
    assert jnp.linalg.norm(pushed) > 0.1

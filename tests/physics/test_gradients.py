"""Derivatives of whole runs: forward and reverse agree, and both are those of finite differences.

Each equation on each geometry, through a run with a frozen step plan, by every coefficient of the laws and every
pixel of the start state at once.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws
from operax.physics.simulate import StepPlan, trajectory
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
EQUATIONS = {
    "diffusion": Diffusion(laws.Exp(laws.Unknown(-1.0, 1.0) + laws.Legendre(2))),
    "Cahn–Hilliard": CahnHilliard(
        laws.Degenerate(laws.positive(1.0, factor=3)),
        laws.RegularSolution(3.0) + laws.Legendre(3),
        laws.positive(2e-2, factor=2),
    ),
}
# Stable for every case; only the splitting depends on it.
DAMPING = jnp.asarray([0.3, 4e-3])
TIMES = jnp.asarray([0.0, 0.01, 0.03])


# One case for each transform and stepper in every run; compiling all twelve takes a minute.
QUICK = {
    ("diffusion", "no-flux line"),
    ("diffusion", "masked square"),
    ("Cahn–Hilliard", "periodic square"),
    ("Cahn–Hilliard", "no-flux line"),
    ("Cahn–Hilliard", "masked square"),
}
CASES = [
    pytest.param(equation, geometry, marks=() if (equation, geometry) in QUICK else pytest.mark.slow)
    for equation in EQUATIONS
    for geometry in GEOMETRIES
]


@pytest.mark.parametrize(("equation", "geometry"), CASES)
def test_derivatives_agree(equation, geometry):
    equation, geometry = EQUATIONS[equation], transform(GEOMETRIES[geometry])
    inside = geometry.domain.inside
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
    assert abs(forward - reverse) <= 1e-10 * max(abs(forward), 1e-3 * scale)

    h = 1e-5
    above, below = (derivatives(unknowns + s * h * tangent, tangent, cotangent)[0] for s in (1, -1))
    assert jnp.linalg.norm((above - below) / (2 * h) - pushed) <= 1e-6 * jnp.linalg.norm(pushed)
    assert jnp.linalg.norm(pushed) > 0.1

"""The solver's steps follow the laws, also when the plan of before was far too weak for them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.settle import settled
from operax.physics.plan import StepPlan


@pytest.mark.slow
def test_a_run_that_went_astray_does_not_set_the_linear_part():
    """Without a linear part the run ends at thousands, and laws continued to there ask for hundreds of steps."""
    domain = ox.Domain((16, 16), 1 / 60)
    truth = ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.7), 2e-3)
    noise = ox.noise.Gaussian(0.03)
    start = 0.5 + 0.3 * jnp.cos(jnp.pi * domain.centres()[0] * 60 / 16) * jnp.ones(domain.shape)
    clean = ox.simulate(truth, start, 4e-3 * np.arange(5), domain)
    raw = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(0)))
    problem = ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=26.0))
    equation = ox.CahnHilliard(
        laws.Degenerate(laws.positive(1.0, factor=2)), laws.RegularSolution(laws.Unknown(2.7, 0.4)), 2e-3
    )
    weak = StepPlan((), jnp.asarray(2), jnp.array([0.0, 2e-5]))
    value, (astray,) = settled(equation, problem.starts.guess, (problem,), (weak,), 0.1)
    fair = eqx.tree_at(lambda p: p.damping, weak, jnp.array([0.0, 4e-4]))
    expected, (plan,) = settled(equation, problem.starts.guess, (problem,), (fair,), 0.1)
    assert value == pytest.approx(expected, abs=0.1)
    assert int(astray.steps) <= 2 * int(plan.steps)

"""What a run keeps of its posterior reads back the same."""

import equinox as eqx
import jax
import numpy as np
import pytest
from decay import SIGMA, decaying

from operax import inference, io, noise, physics
from operax.cli import results
from operax.physics import laws, steppers
from operax.physics.plan import StepPlan

STEPPERS = [
    kind
    for kind in vars(steppers).values()
    if isinstance(kind, type) and issubclass(kind, steppers.AbstractStepper) and kind is not steppers.AbstractStepper
]
EQUATION = physics.Diffusion(laws.positive(0.03, 3))


@pytest.fixture(scope="module")
def posterior():
    problem = inference.Problem(decaying().mean("column"), noise=noise.Gaussian(SIGMA / np.sqrt(5)))
    best = inference.fit(EQUATION, problem)
    return inference.laplace(best, problem, key=jax.random.key(0), draws=20)


@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda kind: kind.__name__)
def test_a_fit_of_any_stepper_is_read_back(posterior, tmp_path, stepper):
    (plan,) = posterior.fit.plans
    plan = StepPlan(plan.legs, plan.steps, plan.damping, stepper())
    kept = eqx.tree_at(lambda p: p.fit.plans, posterior, (plan,))
    results.write_posterior(tmp_path / "fit.h5", kept)
    back = results.read_posterior(tmp_path / "fit.h5", EQUATION)
    assert back.fit.plans[0].stepper == stepper()
    assert int(back.fit.plans[0].steps) == int(plan.steps)
    np.testing.assert_array_equal(back(lambda e: e.diffusivity(0.5)), kept(lambda e: e.diffusivity(0.5)))


def test_a_stepper_of_another_version_is_named(posterior, tmp_path):
    path = tmp_path / "fit.h5"
    results.write_posterior(path, posterior)
    arrays, said = io.read_arrays(path)
    io.write_arrays(path, arrays, {**said, "stepper": "Midpoint"})
    with pytest.raises(ValueError, match="'Midpoint' is missing; run the analysis again"):
        results.read_posterior(path, EQUATION)

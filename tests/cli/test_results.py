"""What a run keeps of its posterior reads back the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import inference, io, physics
from operax.cli import results
from operax.inference.linearise import NormalEquations
from operax.physics import laws, steppers
from operax.physics.plan import StepPlan

STEPPERS = [
    kind
    for kind in vars(steppers).values()
    if isinstance(kind, type) and issubclass(kind, steppers.AbstractStepper) and kind is not steppers.AbstractStepper
]
EQUATION = physics.Diffusion(laws.positive(0.03, 3))


def posterior(stepper):
    """Twenty draws around a fit of one law and two start coordinates."""
    plan = StepPlan((1, 1), jnp.asarray(7), jnp.array([0.1, 0.2]), stepper)
    normal = NormalEquations(jnp.eye(1), jnp.ones((1, 1, 2)), jnp.eye(2)[None], jnp.ones(1), jnp.ones((1, 2)))
    history = jnp.array([3.0, 2.0])
    averaging = inference.Averaging((np.array([0.5, 0.4]),), jnp.array([0.3]), jnp.array([[0.1]]))
    fit = inference.Fit(EQUATION, jnp.ones((1, 2)), -2.0, 1.1, history, normal, averaging, (plan,), "converged", 1, 0)
    draws = jax.tree.map(lambda leaf: leaf + jnp.linspace(-1, 1, 20).reshape(20, *(1,) * leaf.ndim), EQUATION)
    return inference.Posterior(EQUATION, draws, fit, "laplace", ("a note", "another"))


@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda kind: kind.__name__)
def test_a_fit_of_any_stepper_is_read_back(tmp_path, stepper):
    kept = posterior(stepper())
    results.write_posterior(tmp_path / "fit.h5", kept)
    back = results.read_posterior(tmp_path / "fit.h5", EQUATION)
    assert back.fit.plans[0].stepper == stepper()
    assert (back.method, back.notes, back.fit.result) == (kept.method, kept.notes, kept.fit.result)
    assert (int(back.fit.plans[0].steps), back.fit.rejected, back.fit.failed) == (7, 1, 0)
    pairs = zip(*(jax.tree.leaves((p.draws, p.fit.normal, p.fit.averaging)) for p in (back, kept)))
    for found, held in pairs:
        np.testing.assert_array_equal(found, held)


def test_a_stepper_of_another_version_is_named(tmp_path):
    path = tmp_path / "fit.h5"
    results.write_posterior(path, posterior(steppers.ETDRK4()))
    arrays, said = io.read_arrays(path)
    io.write_arrays(path, arrays, {**said, "stepper": "Midpoint"})
    with pytest.raises(ValueError, match="'Midpoint' is missing; run the analysis again"):
        results.read_posterior(path, EQUATION)

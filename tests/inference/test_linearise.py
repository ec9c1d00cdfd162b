"""The streamed normal equations are those of the stacked Jacobian, and the step is that of the full matrix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.linearise import linearise, misfit, negative_log_posterior, predict
from operax.physics.plan import StepPlan


@pytest.fixture(scope="module")
def windows(line, unknown):
    _, _, noisy, noise = line
    problem = ox.Problem(noisy, None, noise, window=5)
    plan = StepPlan((), 4, jnp.array([2.0, 0.0]))
    theta, unravel = jax.flatten_util.ravel_pytree(unknown)
    theta = 0.1 * jax.random.normal(jax.random.key(0), theta.shape)
    return (problem,), (plan,), theta, unravel


def test_normal_equations_equal_the_stacked_jacobian(windows):
    problems, plans, theta, unravel = windows
    xi = problems[0].starts.guess
    p, (w, m) = theta.size, xi.shape
    frames, factor, variance = problems[0].targets()

    def residual(x):
        seen = predict(unravel(x[:p]), x[p:].reshape(w, m), problems[0], plans[0])
        return (jnp.sqrt(factor / variance) * (seen - frames)).ravel()

    x = jnp.concatenate([theta, xi.ravel()])
    jacobian, r = jax.jacfwd(residual)(x), residual(x)
    full, gradient = jacobian.T @ jacobian + jnp.eye(x.size), jacobian.T @ r + x
    normal = linearise(unravel(theta), xi, problems, plans)
    assert np.asarray(normal.laws) == pytest.approx(np.asarray(full[:p, :p]), rel=1e-10)
    assert np.asarray(normal.cross[1]) == pytest.approx(np.asarray(full[:p, p + m :]), rel=1e-8, abs=1e-8)
    assert np.asarray(normal.starts[0]) == pytest.approx(np.asarray(full[p : p + m, p : p + m]), rel=1e-8, abs=1e-8)
    assert np.asarray(normal.gradient_laws) == pytest.approx(np.asarray(gradient[:p]), rel=1e-9)
    step = jnp.concatenate([part.ravel() for part in normal.newton_step(0.3)])
    damped = full + 0.3 * jnp.diag(jnp.diag(full))
    assert np.asarray(step) == pytest.approx(np.asarray(-jnp.linalg.solve(damped, gradient)), rel=1e-7, abs=1e-9)
    assert np.asarray(normal.schur()) == pytest.approx(
        np.asarray(jnp.linalg.inv(jnp.linalg.inv(full)[:p, :p])), rel=1e-8
    )
    plain = -jnp.linalg.solve(full, gradient)
    assert normal.promise(0.0) == pytest.approx(float(-0.5 * plain @ gradient), rel=1e-8)


def test_gradient_is_that_of_the_objective(windows):
    problems, plans, theta, unravel = windows
    xi = problems[0].starts.guess

    @jax.jit
    def objective(theta):
        return negative_log_posterior(unravel(theta), xi, problems, plans)

    normal = linearise(unravel(theta), xi, problems, plans)
    reverse = jax.grad(objective)(theta)
    assert np.asarray(normal.gradient_laws) == pytest.approx(np.asarray(reverse), rel=1e-9)
    for i, e in enumerate(np.eye(theta.size)):
        central = (objective(theta + 1e-4 * e) - objective(theta - 1e-4 * e)) / 2e-4
        assert float(reverse[i]) == pytest.approx(float(central), rel=1e-6)


def test_values_that_are_not_scored_do_not_matter(line, unknown):
    _, _, noisy, noise = line
    weights = np.ones(noisy.frames.shape)
    weights[4] = 0
    problem = ox.Problem(noisy, None, noise, weights=weights)
    spoilt = eqx.tree_at(lambda p: p.data.frames, problem, noisy.frames.at[4].set(jnp.nan))
    plan = StepPlan((), 4, jnp.array([2.0, 0.0]))
    seen = predict(unknown, problem.starts.guess, problem, plan)
    assert float(misfit(spoilt, seen)) == pytest.approx(float(misfit(problem, seen)))

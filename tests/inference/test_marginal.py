"""Averaging over start states: the same numbers by another way."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.descent import Point
from operax.inference.fit import as_fitted
from operax.inference.linearise import linearise
from operax.inference.marginal import answer, determinant_slope, relearnt, supposed, widened


def test_normal_equations_follow_a_wider_prior(solved):
    """Rescaled by algebra they are those of the rescaled problem at the same laws and states."""
    problem, best = solved
    old = supposed(best.equation, (problem,))
    states = best.starts * best.averaging.spreads[0]
    point = Point(best.equation, states, best.plans, 1.0)
    normal = linearise(point.equation, point.xi, (problem,), point.plans)
    nearer, scaled, new = relearnt(point, normal, (problem,), old)
    assert np.ptp(new.spreads[0]) > 0.05
    assert np.asarray(nearer.xi) * new.spreads[0] == pytest.approx(np.asarray(states), rel=1e-12)
    expected = linearise(nearer.equation, nearer.xi, new.of((problem,)), nearer.plans)
    for one, other in zip(jax.tree.leaves(scaled), jax.tree.leaves(expected)):
        assert np.asarray(one) == pytest.approx(np.asarray(other), rel=1e-8, abs=1e-8)


def test_the_tilt_is_the_slope_of_the_log_determinant(solved):
    problem, best = solved
    judged = as_fitted(best, problem)
    theta, unravel = jax.flatten_util.ravel_pytree(best.equation)
    point = Point(best.equation, best.starts, best.plans, 1.0)
    follow = jnp.linalg.solve(best.normal.starts, jnp.swapaxes(best.normal.cross, 1, 2))

    def determinant(move):
        xi = best.starts - jnp.einsum("wmp,p->wm", follow, move)
        return 0.5 * np.linalg.slogdet(linearise(unravel(theta + move), xi, judged, best.plans).starts)[1].sum()

    width = np.sqrt(np.diag(np.linalg.inv(best.normal.schur())))
    step = jnp.diag(1e-3 * width)
    expected = np.array([(determinant(s) - determinant(-s)) / 2e-3 for s in step])
    found = np.asarray(determinant_slope(point, best.normal, judged)) * width
    # in standard deviations; the one is taken over half of one
    assert found == pytest.approx(expected, abs=0.02)
    assert np.abs(expected).max() > 0.01


def test_laws_answer_to_the_tilt(solved):
    """Where a fit ends, the slope of the log posterior and the tilt cancel."""
    problem, best = solved
    tilted = linearise(best.equation, best.starts, as_fitted(best, problem), best.plans)
    tilted = eqx.tree_at(lambda n: n.gradient_laws, tilted, tilted.gradient_laws + best.averaging.tilt)
    assert tilted.promise(0.0) < 5e-3


def test_laws_answer_to_wider_and_narrower_shells(solved):
    """As one step to the optimum under other spreads says."""
    problem, best = solved
    point, judged = Point(best.equation, best.starts, best.plans, 1.0), as_fitted(best, problem)
    spreads, step = best.averaging.spreads[0], 1e-4
    sharing = np.isclose(spreads[:, None], np.unique(spreads[spreads != 1])).astype(float)
    found = answer(best.starts, best.normal, slice(0, 1), sharing)
    for shell, column in zip(sharing.T, found.T):
        steps = []
        for sign in (1, -1):
            wider = np.exp(sign * step * shell)
            other = eqx.tree_at(lambda p: p.starts.modes, judged[0], judged[0].starts.modes * wider[:, None])
            steps.append(linearise(point.equation, point.xi / wider, (other,), point.plans).newton_step(0.0)[0])
        assert column == pytest.approx((steps[0] - steps[1]) / (2 * step), rel=0.03, abs=1e-3 * np.abs(found).max())


def test_doubt_is_added_to_draws_with_its_own_covariance(solved):
    _, best = solved
    doubt = np.asarray(best.averaging.doubt)
    assert np.linalg.eigvalsh(doubt).min() >= -1e-12 * np.trace(doubt)
    assert 0 < np.trace(doubt) < 0.3 * np.trace(np.linalg.inv(best.normal.schur()))
    keys = jax.random.split(jax.random.key(3), 4000)
    draws = np.asarray(widened(jnp.zeros((4000, len(doubt))), best.averaging, keys))
    assert np.cov(draws.T) == pytest.approx(doubt, abs=0.1 * np.abs(doubt).max())


def test_a_problem_of_other_start_modes_is_refused(line, solved):
    _, _, noisy, noise = line
    other = ox.Problem(noisy, None, noise, start=ox.PreRoll(cutoff=5.0))
    with pytest.raises(ValueError, match=r"start modes and that of the fit had .*: give the problem it was fitted to"):
        ox.laplace(solved[1], other, key=jax.random.key(0), block=(1, 8))

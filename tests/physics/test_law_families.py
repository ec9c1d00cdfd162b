"""Redlich–Kister potentials, monotone splines, small networks, and the prior of any law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from operax.physics import laws

C = jnp.linspace(0.0, 1.0, 41)
KNOTS = (0.0, 0.1, 0.3, 0.6, 1.0)


evaluated = jax.jit(lambda law, c: law(c))
tangents = jax.jit(laws.tangents)


def draws(law, c, number=2000):
    keys = jax.random.split(jax.random.key(1), number)
    return np.asarray(jax.jit(jax.vmap(lambda key: laws.draw(law, key=key)(c)))(keys))


def redlich_kister_energy(c, terms):
    excess = sum(term * (2 * c - 1) ** k for k, term in enumerate(terms))
    return c * np.log(c) + (1 - c) * np.log(1 - c) + c * (1 - c) * excess


def test_redlich_kister_is_the_slope_of_its_free_energy():
    terms, h = [2.5, -0.8, 0.6, 0.3, -0.2], 1e-6  # truncation h² μ'''/6 and rounding both below 1e-9
    c = np.linspace(0.02, 0.98, 25)
    slope = (redlich_kister_energy(c + h, terms) - redlich_kister_energy(c - h, terms)) / (2 * h)
    np.testing.assert_allclose(laws.RedlichKister(terms)(jnp.asarray(c)), slope, rtol=1e-8, atol=1e-8)


def test_redlich_kister_of_one_term_is_the_regular_solution_everywhere():
    c = jnp.linspace(-5, 6, 111)
    np.testing.assert_allclose(laws.RedlichKister([3.0])(c), laws.RegularSolution(3.0)(c), rtol=1e-13)


def test_monotone_rises_by_its_rise_however_wild_the_walk():
    law = laws.Monotone(KNOTS, laws.positive(2.0, factor=2), std=3.0)
    wild = jax.tree.map(lambda x: 3 * x, laws.draw(law, key=jax.random.key(0)))
    c = jnp.concatenate([jnp.linspace(-2, 3, 2001), jnp.asarray([0.0, 1.0])])
    for trial in (law, wild):
        values = np.asarray(evaluated(trial, c))
        rise = float(trial.rise(jnp.zeros(())))
        np.testing.assert_allclose(values[-2:], [0.0, rise], rtol=1e-12, atol=1e-15)
        assert np.diff(values[:-2]).min() > -1e-14 * rise  # to rounding where it is all but flat
    falling = laws.draw(laws.Monotone(KNOTS, -1.0), key=jax.random.key(0))
    assert (np.diff(evaluated(falling, C)) < 0).all()


def test_monotone_draws_have_slopes_whose_ratio_has_the_stated_spread():
    law = laws.Monotone(KNOTS, 1.0, std=0.7)
    slopes = draws(law, jnp.asarray([0.0, 1e-5, 1 - 1e-5, 1.0]))
    ratio = np.log((slopes[:, 3] - slopes[:, 2]) / (slopes[:, 1] - slopes[:, 0]))
    np.testing.assert_allclose(ratio.std(), 0.7, rtol=0.05)
    assert abs(ratio.mean()) < 0.05


def test_a_monotone_potential_never_separates():
    law = laws.draw(laws.IdealMixing() + laws.Monotone(KNOTS, 2.0), key=jax.random.key(3))
    assert (jax.jit(laws.derivative)(law, C) > 0).all()


def test_network_draws_have_the_stated_spread_and_no_mean():
    values = draws(laws.Neural(width=4, std=0.4, span=(0.2, 0.8)), jnp.linspace(0.2, 0.8, 61))
    assert abs(values.mean(1)).max() < 0.02  # each draw has zero mean over the span, to quadrature
    np.testing.assert_allclose(np.sqrt((values**2).mean()), 0.4, rtol=0.03)


def test_network_learns_from_its_centre_and_no_two_units_are_alike():
    law = laws.Neural(width=4)
    rows = np.asarray(tangents(law, C))
    outer, hidden = rows[:4], rows[4:]
    assert np.linalg.matrix_rank(outer) == 4
    assert not hidden.any(), "with nothing weighed, steepness and place cannot matter yet"
    moved = jax.tree.map(lambda x: x.at[0].set(1.0), law)
    assert np.linalg.matrix_rank(np.asarray(tangents(moved, C)), tol=1e-8) == 12


@pytest.mark.slow
def test_network_follows_a_step_that_a_short_series_cannot():
    target = jnp.tanh(20 * (C - 0.63))
    target = target - target.mean()

    def misfit(law):
        theta, rebuild = jax.flatten_util.ravel_pytree(law)
        residual = lambda theta: jnp.concatenate([(rebuild(theta)(C) - target) / 0.02, theta])  # noqa: E731
        found = scipy.optimize.least_squares(jax.jit(residual), theta, jax.jit(jax.jacfwd(residual)), max_nfev=60)
        return float(jnp.sqrt(jnp.mean((evaluated(rebuild(found.x), C) - target) ** 2)))

    assert misfit(laws.Neural(width=4, std=1.0)) < 0.5 * misfit(laws.Legendre(10, std=1.0))


FITTED = {
    "Unknown": laws.Unknown(2.0, 0.5),
    "Legendre": laws.Legendre(4, std=0.8),
    "Spline": laws.Spline(KNOTS),
    "Monotone": laws.Monotone(KNOTS, laws.positive(2.0, factor=2)),
    "Neural": laws.Neural(width=2),
    "RedlichKister": laws.RedlichKister([laws.Unknown(3.0, 1.0), laws.Unknown(0.0, 0.5)]),
    "Exp": laws.Exp(laws.Unknown(-1.6, 1.0) + laws.Legendre(2)),
    "Degenerate": laws.Degenerate(laws.positive(1.0, factor=3)),
}


@pytest.mark.parametrize("name", ["Unknown", "Legendre", "Spline", "RedlichKister"])
def test_tangents_of_a_linear_law_give_its_prior_spread(name):
    law = FITTED[name]
    rows = tangents(law, C[1:-1])
    np.testing.assert_allclose(draws(law, C[1:-1], 4000).std(0), jnp.sqrt((rows**2).sum(0)), rtol=0.06)


@pytest.mark.parametrize("name", FITTED)
def test_tangents_are_finite_differences(name):
    law = laws.draw(FITTED[name], key=jax.random.key(2))
    theta, rebuild = jax.flatten_util.ravel_pytree(law)
    c, h = C[5:36].reshape(31, 1), 1e-5
    steps = h * jnp.eye(theta.size)
    both = jax.jit(jax.vmap(lambda step: rebuild(theta + step)(c) - rebuild(theta - step)(c)))(steps) / (2 * h)
    assert both.shape == (theta.size, 31, 1)
    np.testing.assert_allclose(tangents(law, c), both, atol=1e-8)


def test_a_known_law_has_no_tangents():
    assert laws.tangents(laws.RegularSolution(3.0), C).shape == (0, 41)


@pytest.mark.parametrize("name", FITTED)
def test_laws_drawn_three_times_too_wild_stay_finite(name):
    law = FITTED[name]
    c = jnp.linspace(-5, 6, 56)

    @jax.jit
    @jax.vmap
    def both(key):
        wild = jax.tree.map(lambda x: 3 * x, laws.draw(law, key=key))
        return jax.jvp(wild, (c,), (jnp.ones_like(c),))

    for values in both(jax.random.split(jax.random.key(4), 1000)):
        assert jnp.isfinite(values).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_exponential_levels_off_before_it_overflows(dtype):
    law = laws.Exp(laws.Known(lambda c: 1000 * c))
    c = jnp.asarray([0.03, 1.0, 5.0, 1e4], dtype)
    squared = law(c) * law(c)
    assert jnp.isfinite(squared).all()
    assert jnp.isfinite(laws.derivative(law, c)).all()
    np.testing.assert_allclose(law(c[0]), np.exp(30), rtol=1e-5 if dtype == "float32" else 1e-13)


def test_draws_are_repeatable_and_standard_normal():
    law = laws.Legendre(3) + laws.Unknown(0.0, 1.0)
    first, again = (jax.tree.leaves(laws.draw(law, key=jax.random.key(0))) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again))
    keys = jax.random.split(jax.random.key(5), 4000)
    many = jax.vmap(lambda key: laws.draw(law, key=key))(keys)
    theta = np.concatenate([np.reshape(x, (4000, -1)) for x in jax.tree.leaves(many)], 1)
    np.testing.assert_allclose(np.cov(theta.T), np.eye(4), atol=0.08)
    np.testing.assert_allclose(theta.mean(0), 0, atol=0.06)

"""Posteriors that lean: the two widths of an axis, and quantiles beside those of the exact posterior of one number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import ndtri

import operax as ox
from operax.inference.lean import Lean, lean, straight
from operax.inference.settle import objective


def test_draws_with_equal_widths_are_normal():
    normal = jax.random.normal(jax.random.key(0), (500, 2))
    assert np.asarray(straight(jnp.eye(2)).bent(normal)) == pytest.approx(np.asarray(normal), abs=1e-4)


def test_a_side_holds_as_much_as_it_is_wide_and_falls_like_a_normal_of_that_width():
    leaning = Lean(jnp.eye(1), jnp.array([1.3]), jnp.array([0.5]))
    levels = jnp.linspace(0.001, 0.999, 999)[:, None]
    x = np.asarray(leaning.bent(ndtri(levels)))[:, 0]
    assert np.all(np.diff(x) > 0)
    assert np.interp(0.0, x, levels[:, 0]) == pytest.approx(1.3 / 1.8, abs=2e-3)
    # a quarter of what a side holds lies beyond 1.15 of its widths
    assert np.interp([0.25 * 1.3 / 1.8, 1 - 0.25 * 0.5 / 1.8], levels[:, 0], x) == pytest.approx(
        [-1.15 * 1.3, 1.15 * 0.5], rel=0.01
    )


@pytest.fixture(scope="module")
def vague():
    """A diffusivity so large that it is known to a third, and upwards to less: problem and fit."""
    domain = ox.Domain((24,), 1.0)
    c0 = 0.5 + 0.3 * jnp.cos(4 * jnp.pi * domain.centres()[0] / 24)
    clean = ox.simulate(ox.Diffusion(10.0), c0, jnp.arange(4.0), domain)
    noise = ox.noise.Gaussian(0.1)
    noisy = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(2)))
    problem = ox.Problem(noisy, clean, noise, start=ox.Given())
    return problem, ox.fit(ox.Diffusion(ox.laws.positive(10.0, factor=4)), problem)


def test_quantiles_of_one_number_are_three_times_nearer_to_the_exact_ones_than_a_normals(vague):
    problem, best = vague
    theta, rebuild = jax.flatten_util.ravel_pytree(best.equation)
    sd = float(best.normal.schur()[0, 0]) ** -0.5
    grid = np.linspace(-5, 10, 151)
    height = np.array([objective(rebuild(theta + sd * x), best.starts, (problem,), best.plans) for x in grid])
    density = np.exp(height.min() - height)
    levels = np.array([0.05, 0.5, 0.95])
    exact = np.interp(levels, np.cumsum(density) / density.sum(), grid)
    draws = jax.tree.leaves(ox.laplace(best, problem, key=jax.random.key(0), draws=20_000).draws)[0]
    stated = (np.quantile(np.asarray(draws), levels) - float(theta[0])) / sd
    off, normal_off = np.abs(stated - exact), np.abs(np.array([-1.645, 0, 1.645]) - exact)
    assert normal_off.min() > 0.7
    assert (off < normal_off / 3).all()


def test_a_law_that_is_well_known_leans_nowhere(solved):
    problem, best = solved
    shape = lean(best, (problem,))
    assert np.asarray(shape.low) == pytest.approx(np.asarray(shape.high), rel=0.1)

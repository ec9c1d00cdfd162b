"""What cannot be told is said in words, and profiles and designs agree with what they stand for."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.descent import Point
from operax.inference.fit import as_fitted, concluded
from operax.inference.linearise import linearise
from operax.inference.marginal import supposed
from operax.inference.settle import objective
from operax.physics.plan import StepPlan

HALF = jnp.array(0.5)


def at_prior_centre(equation, problem, plan):
    """A fit that took no step."""
    xi = problem.starts.guess
    normal = linearise(equation, xi, (problem,), (plan,))
    value = objective(equation, xi, (problem,), (plan,))
    return concluded(
        Point(equation, xi, (plan,), 1.0, (value,)), normal, "by hand", (problem,), supposed(equation, (problem,))
    )


def test_every_number_of_a_good_fit_is_informed(solved):
    problem, best = solved
    found = ox.identify(best, problem)
    assert np.all(found.widths < 0.5)
    assert found.directions @ found.directions.T == pytest.approx(np.eye(len(found.widths)), abs=1e-9)
    assert "informs all 2 combinations" in str(found)
    assert "known only together" not in str(found)
    assert len(found.numbers) == 2
    assert found.visited == pytest.approx((0.0, 1.0), abs=0.05)


@pytest.fixture(scope="module")
def scaled():
    """Cahn–Hilliard with every law free to scale: only products can be seen. Compositions stay below 0.7."""
    domain = ox.Domain((12, 12), 0.02, "periodic")
    equation = ox.CahnHilliard(
        mobility=laws.positive(1.0, factor=2),
        potential=laws.positive(1.0, factor=2) * laws.RegularSolution(2.5),
        kappa=laws.positive(5e-4, factor=2),
    )
    x, y = np.meshgrid(*domain.centres(), indexing="ij")
    across, along = (np.cos(2 * np.pi * z / 0.24) for z in (x, y))
    c0 = 0.45 + 0.08 * across + 0.05 * along + 0.04 * across * along
    movie = ox.simulate(equation, c0, np.arange(4) * 1e-3, domain, dt=2.5e-4)
    problem = ox.Problem(movie, None, ox.noise.Gaussian(1e-3), start=ox.PreRoll(cutoff=40.0))
    plan = StepPlan((), jnp.asarray(4), jnp.array([0.0, 5e-4]))
    return problem, at_prior_centre(equation, problem, plan)


def test_a_gauge_is_said_and_its_band_is_that_of_the_prior(scaled):
    problem, best = scaled
    found = ox.identify(best, problem)
    assert found.widths[-1] == pytest.approx(1, abs=1e-3)
    said = str(found)
    assert "informs 2 of 3 combinations" in said
    assert "mobility, potential and kappa are known only together" in said
    assert "1 of these directions is a gauge" in said
    assert "κ and M only as a product" in said
    assert re.search(r"c below 0\.\d+ and above 0\.\d+ was never visited", said)
    posterior = ox.laplace(best, problem, key=jax.random.key(0), draws=4000)
    alone = np.log(posterior(lambda e: e.mobility(HALF))).std()
    product = np.log(posterior(lambda e: e.mobility(HALF) * e.kappa(HALF))).std()
    # three scales shift together by a third each of the prior's variance
    assert alone == pytest.approx(np.log(2) / np.sqrt(3), rel=0.1)
    assert product < 0.05


def test_invariants_do_not_change_with_the_gauge(scaled):
    _, best = scaled
    theta, unravel = jax.flatten_util.ravel_pytree(best.equation)
    moved = unravel(theta + 0.7 * jnp.array([1.0, -1.0, -1.0]))
    c = jnp.linspace(0.1, 0.9, 5)
    assert float(moved.mobility(HALF) / best.equation.mobility(HALF)) == pytest.approx(2**0.7)
    for quantity in ox.invariants(moved).values():
        assert np.asarray(quantity(moved, c)) == pytest.approx(np.asarray(quantity(best.equation, c)), rel=1e-12)
    assert ox.invariants(ox.Diffusion(1.0)) == {}


@pytest.mark.slow
def test_a_profile_of_a_nearly_linear_problem_is_the_laplace_parabola(solved):
    problem, best = solved
    draws = ox.laplace(best, problem, key=jax.random.key(0), draws=4000)(lambda e: e.diffusivity(HALF))
    centre, width = float(best.equation.diffusivity(HALF)), float(draws.std())
    found = ox.profile(best, problem, lambda e: e.diffusivity(HALF), centre + width * np.array([-3, -1, 1, 3]))
    steps = (found.values[:, 0] - centre) / width
    assert steps == pytest.approx([-3, -1, 1, 3], abs=0.05)
    assert found.loss == pytest.approx(steps**2 / 2, rel=0.25)
    assert np.all(found.misfit > 0)
    low, high = found.interval(0.68)
    assert (centre - low) / width == pytest.approx(1, abs=0.15)
    assert (high - centre) / width == pytest.approx(1, abs=0.15)


def test_profiles_that_make_no_sense(solved):
    problem, best = solved
    with pytest.raises(ValueError, match="one to 3 numbers and `values` a row of as many"):
        ox.profile(best, problem, lambda e: e.diffusivity(HALF), np.ones((2, 2)))
    with pytest.raises(ValueError, match="does not depend on the unknown numbers"):
        ox.profile(best, problem, lambda e: HALF, np.ones(2))
    flat = ox.Profile(np.ones(1), np.array([[0.0], [2.0]]), np.zeros(2), np.zeros(2), ("", ""))
    assert flat.interval() == (-np.inf, np.inf)
    two = ox.Profile(np.ones(2), np.ones((1, 2)), np.zeros(1), np.zeros(1), ("",))
    with pytest.raises(ValueError, match="that of one quantity, this profile has 2"):
        two.interval()


def test_a_design_foretells_the_widths_that_a_recording_gives(line, solved):
    _, _, noisy, noise = line
    problem, best = solved
    same = tuple(np.asarray(noisy.times))
    pixels = np.ones(30)
    pixels[8:20] = 0

    def quantity(e):
        return e.diffusivity(jnp.array([0.3, 0.7]))

    found = ox.design(
        best,
        problem,
        quantity,
        {
            "same": ox.Recording(times=same),
            "twice": ox.Recording(dose=2.0),
            "half the line": ox.Recording(weights=pixels),
            "longer": ox.Recording(times=(*same, 12.0, 15.0, 18.0)),
        },
    )
    assert found.names[0] == "as recorded"
    assert found.widths[1] == pytest.approx(found.widths[0], rel=1e-9)
    twice = ox.Problem(noisy, None, noise, weights=2.0)
    normal = linearise(best.equation, best.starts, as_fitted(best, twice), best.plans)
    theta, unravel = jax.flatten_util.ravel_pytree(best.equation)
    slope = jax.jacfwd(lambda t: quantity(unravel(t)))(theta)
    expected = np.sqrt(np.diag(slope @ np.linalg.inv(normal.schur()) @ slope.T))
    assert found.widths[2] == pytest.approx(expected, rel=1e-9)
    assert np.all(found.gain[3] < 1)
    assert np.all(found.gain[4] > 1)
    assert "half the line" in str(found)


def test_recordings_that_make_no_sense(line, solved):
    _, _, noisy, noise = line
    problem, best = solved
    with pytest.raises(ValueError, match="`dose` must be positive and finite, got 0"):
        ox.Recording(dose=0)
    with pytest.raises(ValueError, match="strictly increasing"):
        ox.Recording(times=(1.0, 1.0))
    for recording, message in (
        (ox.Recording(times=(-5.0, 1.0)), "must come after its start state at -1"),
        (ox.Recording(weights=np.ones(7)), "broadcastable to a frame of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            ox.design(best, problem, lambda e: e.diffusivity(HALF), {"bad": recording})

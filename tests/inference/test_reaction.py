"""Reactions: the mean of the start state moves too, and a rate that varies from place to place is found."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws


def test_a_start_before_a_reaction_has_the_mean_of_then():
    domain = ox.Domain((12,), 1.0)
    times = np.arange(6.0)
    frames = (0.3 + 0.05 * times)[:, None] + 0.01 * np.cos(np.pi * domain.centres()[0] / 12)
    movie = ox.Movie(frames, times, domain)
    problem = ox.Problem(movie, None, ox.noise.Gaussian(0.01), start=ox.PreRoll(lead=2.0, cutoff=0.8), window=3)
    assert np.asarray(problem.starts.base[:, 0]) == pytest.approx([0.2, 0.35])
    assert float(jnp.abs(problem.starts.modes[0]).max()) > 0.19
    still = ox.Problem(movie.replace(frames=frames - 0.05 * times[:, None]), None, ox.noise.Gaussian(0.01))
    assert np.asarray(still.starts.base) == pytest.approx(0.3)


def test_a_fraction_does_not_start_beyond_zero():
    domain = ox.Domain((12,), 1.0)
    frames = np.full((4, 12), 0.04) + 0.03 * np.arange(4.0)[:, None]
    problem = ox.Problem(
        ox.Movie(frames, np.arange(4.0), domain), None, ox.noise.Gaussian(0.01), start=ox.PreRoll(lead=3.0)
    )
    assert float(problem.starts.base.min()) == pytest.approx(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("method", [ox.LevenbergMarquardt(), ox.NewtonCG()], ids=["levenberg-marquardt", "newton-cg"])
def test_a_rate_field_and_the_exchange_rate_are_found_together(method):
    inside = np.hypot(*(np.mgrid[:14, :14] - 6.5)) < 6.6
    domain = ox.Domain((14, 14), 0.1, inside=inside)

    def equation(level, field):
        kinetics = ox.kinetics.ButlerVolmer(laws.Degenerate(level))
        return ox.Intercalation(kinetics, laws.RegularSolution(1.0), 2e-3, drive=-2.0, rate_field=field)

    field = ox.RateField(domain, 10, 0.5)
    field = eqx.tree_at(lambda f: f.coordinates, field, jax.random.normal(jax.random.key(5), (10,)))
    truth = equation(1.3, np.asarray(jnp.where(domain.inside, field(), 1.0)))
    clean = ox.simulate(truth, jnp.where(inside, 0.1, 0.0), np.linspace(0, 1.5, 13), domain)
    noise = ox.noise.Gaussian(0.05)
    movie = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(6)))[1:]
    unknown = equation(laws.positive(1.0, factor=2), ox.RateField(domain, 10, 0.5))
    problem = ox.Problem(movie, None, noise)
    best = ox.fit(unknown, problem, method=method)
    assert best.result.startswith("converged")
    assert float(best.chi2) == pytest.approx(1, abs=0.1)
    found, exact = (np.log(np.asarray(f()))[inside] for f in (best.equation.rate_field, field))
    assert np.corrcoef(found, exact)[0, 1] > 0.9
    posterior = ox.laplace(best, problem, key=jax.random.key(7))
    low, _, high = posterior.band(lambda e: e.kinetics.j0(jnp.array(0.5)), level=0.99)
    assert float(low) < 1.3 / 4 < float(high)

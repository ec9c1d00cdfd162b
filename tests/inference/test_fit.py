"""Fits recover known laws, say why they stopped, and refuse what cannot be fitted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.descent import Point, judged
from operax.inference.fit import opened
from operax.inference.settle import first_plans, settled


def test_the_law_is_found_within_its_band(line, solved, points):
    truth, _, _, _ = line
    problem, best = solved
    assert best.result.startswith("converged")
    assert float(best.chi2) == pytest.approx(1.0, abs=0.2)
    posterior = ox.laplace(best, problem, key=jax.random.key(0))
    low, _, high = posterior.band(lambda e: e.diffusivity(points), level=0.997)
    expected = truth.diffusivity(points)
    assert bool(((low < expected) & (expected < high)).all())
    assert float(jnp.median((high - low) / expected)) < 0.5


def test_the_fitted_movie_is_closer_to_the_truth_than_the_raw_one(line, solved):
    _, clean, noisy, _ = line
    problem, best = solved
    predicted = ox.fitted(best, problem)
    assert predicted.frames.shape == noisy.frames.shape
    assert ox.metrics.rmse(predicted.frames, clean.frames) < 0.3 * ox.metrics.rmse(noisy.frames, clean.frames)


def test_exact_starts_and_no_noise_give_the_law_to_a_thousandth(line, points):
    truth, clean, _, _ = line
    problem = ox.Problem(clean, None, ox.noise.Gaussian(1e-4), start=ox.Given())
    flexible = ox.Diffusion(laws.positive(2.0, factor=2) * laws.Exp(laws.Legendre(4, 1.0)))
    best = ox.fit(flexible, problem)
    assert np.asarray(best.equation.diffusivity(points)) == pytest.approx(
        np.asarray(truth.diffusivity(points)), rel=1e-3
    )


def test_irregular_times_windows_and_missing_values_change_nothing_but_the_width(line, unknown, points):
    truth, _, noisy, noise = line
    some = noisy[[0, 1, 3, 4, 6, 7, 8, 9]]
    weights = np.ones(some.frames.shape)
    weights[3, 5:15] = 0
    broken = some.replace(frames=some.frames.at[3, 5:15].set(1e3))
    problem = ox.Problem(broken, None, noise, window=5, weights=weights)
    assert problem.windows == ((0, 1, 2, 3, 4), (5, 6, 7))
    best = ox.fit(unknown, problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(0))
    low, _, high = posterior.band(lambda e: e.diffusivity(points), level=0.997)
    expected = truth.diffusivity(points)
    assert bool(((low < expected) & (expected < high)).all())


def test_observation_operator_is_applied_before_comparison(line, points):
    truth, clean, _, _ = line

    def blur(c):
        padded = jnp.pad(c, 1, mode="edge")
        return 0.25 * padded[:-2] + 0.5 * c + 0.25 * padded[2:]

    seen = clean.replace(frames=jax.vmap(blur)(clean.frames))
    equation = ox.Diffusion(laws.positive(2.0, factor=2) * laws.Exp(laws.Legendre(1, 0.5)))
    problem = ox.Problem(seen, None, ox.noise.Gaussian(2e-3), observe=blur)
    best = ox.fit(equation, problem)
    assert np.asarray(best.equation.diffusivity(points)) == pytest.approx(
        np.asarray(truth.diffusivity(points)), rel=0.1
    )


def test_progress_is_told_and_history_falls(line, unknown):
    _, _, noisy, noise = line
    told = []
    best = ox.fit(unknown, ox.Problem(noisy, None, noise), progress=told.append)
    assert [now.step for now in told] == list(range(1, len(told) + 1))
    assert np.all(np.diff(best.history) < 0)
    assert told[-1].loss == pytest.approx(float(best.history[-1]))
    assert told[-1].part == 1
    assert told[-1].left >= 0
    assert jax.tree.structure(told[-1].equation) == jax.tree.structure(unknown)


def test_too_few_steps_are_not_called_converged(line, unknown):
    _, _, noisy, noise = line
    best = ox.fit(unknown, ox.Problem(noisy, None, noise), method=ox.LevenbergMarquardt(steps=1))
    assert "not converged" in best.result


def test_an_equation_without_unknowns_is_refused(line):
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="no unknown number"):
        ox.fit(ox.Diffusion(2.0), ox.Problem(noisy, None, noise))


def test_an_equation_of_several_fields_is_refused(line):
    _, _, noisy, noise = line
    graphite = ox.TwoLayerGraphite(ox.kinetics.ButlerVolmer(ox.laws.positive(1.0, factor=3)), 0.1, ox.Current(0.5))
    with pytest.raises(ValueError, match=r"a `TwoLayerGraphite` has 2 fields, and a movie shows one value a pixel"):
        ox.fit(graphite, ox.Problem(noisy, None, noise))


@pytest.mark.parametrize("bad", [{"steps": 0}, {"tolerance": -1.0}, {"damping": 0.0}])
def test_settings_must_be_positive(bad):
    with pytest.raises(ValueError, match="must be positive"):
        ox.LevenbergMarquardt(**bad)


def test_a_first_part_scores_only_what_it_solves(line):
    _, clean, noisy, noise = line
    problem = ox.Problem(noisy, clean, noise, window=4, start=ox.Given())
    assert problem.windows == ((0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9))
    half = opened(problem, 0.5)
    # two of three windows, of each the frame after its start; the end of the first is the start of the second
    assert np.flatnonzero(half.factor.any(1)).tolist() == [1, 4]
    assert (np.asarray(half.schedule.durations) > 0).sum(1).tolist() == [1, 1, 0]
    inferred = opened(ox.Problem(noisy, None, noise, window=4), 0.25)
    assert np.flatnonzero(inferred.factor.any(1)).tolist() == [0, 1, 4, 5, 8, 9]
    assert (np.asarray(inferred.schedule.durations) > 0).any(1).all()


def test_near_the_end_points_are_compared_with_steps_of_one_length(small):
    _, _, _, problem, best = small
    (fine,) = best.plans
    coarse = eqx.tree_at(lambda p: p.steps, fine, jnp.ones_like(fine.steps))
    # seen with long steps this point looks better than anything with short ones
    low = float(best.history[-1]) - 1.0
    there = Point(best.equation, best.starts, (coarse,), 1e-2, (low,))
    for promised, again in ((1e-3, True), (1e3, False)):
        point, trial, plans = judged(there, best.equation, best.starts, (problem,), promised, lambda equation: 0.0)
        assert (point.history[-1] != low) == again
        if again:
            assert int(plans[0].steps) > 1
            assert int(point.plans[0].steps) == int(plans[0].steps)
            assert point.history[-1] == pytest.approx(trial, abs=1e-9)
    kept = settled(best.equation, best.starts, (problem,), plans, np.inf, coarser=False)[1]
    assert int(kept[0].steps) == max(2, int(plans[0].steps))


def test_steps_do_not_run_away_from_rounding(line):
    """What single precision rounds no finer steps mend: each time they were asked to, they grew eightfold."""
    _, clean, _, _ = line
    with jax.enable_x64(False):
        movie = ox.Movie(np.asarray(clean.frames), np.asarray(clean.times), clean.domain)
        problem = ox.Problem(movie, None, ox.noise.Gaussian(1e-4), start=ox.Given())
        equation = ox.Diffusion(laws.positive(2.0, factor=2))
        plans = first_plans(equation, problem.starts.guess, (problem,))
        counts = []
        for _ in range(4):
            value, plans = settled(equation, problem.starts.guess, (problem,), plans, 1e-6)
            counts.append(int(plans[0].steps))
    assert np.isfinite(value)
    assert max(counts) <= 2 * counts[0] <= 256

"""Several movies, gaps, unequal windows and interrupted fits: the same laws, the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.linearise import linearise
from operax.inference.problem import first_guess, together
from operax.inference.settle import objective
from operax.physics.plan import StepPlan

PLAN = StepPlan((), 4, jnp.array([2.0, 0.0]))


@pytest.fixture(scope="module")
def movies(line):
    """The line, and another on half of it with its own frames and start."""
    truth, _, noisy, noise = line
    domain = ox.Domain((16,), 1.0)
    c0 = 1 - 1 / (1 + jnp.exp((domain.centres()[0] - 9) / 2))
    other = ox.simulate(truth, c0, jnp.arange(0.0, 8.0, 1.5), domain)
    other = other.replace(frames=noise.sample(other.frames, key=jax.random.key(8)))
    return ox.Problem(noisy, None, noise), ox.Problem(other, None, noise)


def test_movies_add_up(movies, unknown):
    both = together(movies)
    xi = first_guess(both)
    assert xi.shape == (2, max(p.starts.guess.shape[1] for p in movies))
    joint = linearise(unknown, xi, both, (PLAN, PLAN))
    single = [linearise(unknown, p.starts.guess, (p,), (PLAN,)) for p in movies]
    eye = np.eye(joint.laws.shape[0])
    expected = sum(np.asarray(n.schur()) for n in single) - eye
    assert np.asarray(joint.schur()) == pytest.approx(expected, rel=1e-9)
    value = objective(unknown, xi, both, (PLAN, PLAN))
    assert value == pytest.approx(sum(objective(unknown, p.starts.guess, (p,), (PLAN,)) for p in movies), rel=1e-12)


@pytest.mark.slow
def test_two_movies_are_fitted_as_one_is(line, movies, unknown, points):
    truth = line[0]
    best = ox.fit(unknown, movies)
    assert best.result.startswith("converged")
    assert best.failed <= best.rejected
    posterior = ox.laplace(best, movies, key=jax.random.key(0))
    low, _, high = posterior.band(lambda e: e.diffusivity(points), level=0.997)
    expected = truth.diffusivity(points)
    assert bool(((low < expected) & (expected < high)).all())
    for number, problem in enumerate(movies):
        predicted = ox.fitted(best, movies, movie=number)
        assert predicted.frames.shape == problem.data.frames.shape
        assert ox.metrics.rmse(predicted.frames, problem.data.frames) < 0.03


def test_a_fit_that_was_interrupted_ends_with_the_same_bits(line, unknown, solved, tmp_path):
    problem, best = solved
    path = tmp_path / "fit.h5"

    def pull_the_plug(now):
        if now.part == 1 and now.step > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ox.fit(unknown, problem, progress=pull_the_plug, checkpoint=path)
    again = ox.fit(unknown, problem, checkpoint=path)
    for one, other in zip(jax.tree.leaves(best), jax.tree.leaves(again), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert (again.result, again.rejected) == (best.result, best.rejected)
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="checkpoint of another fit"):
        ox.fit(unknown, ox.Problem(noisy[:6], None, noise), checkpoint=path)


def test_what_is_no_problem_is_refused(unknown, movies):
    with pytest.raises(TypeError, match=r"must be a `Problem` or a list of them, got \['Problem', 'Movie'\]"):
        ox.fit(unknown, [movies[0], movies[1].data])
    with pytest.raises(TypeError, match=r"or a list of them, got \[\]"):
        ox.fit(unknown, [])


def test_gaps_are_cut_and_short_windows_filled_up(line):
    _, _, noisy, noise = line
    problem = ox.Problem(noisy[[0, 1, 2, 7, 8]], None, noise, window=[(0, 1), (2, 3, 4)])
    s = problem.schedule
    durations, shares = np.asarray(s.durations), np.asarray(s.shares)
    assert durations == pytest.approx(np.ones(durations.shape)), "the gap of five is cut into five legs"
    assert shares[1, :7].tolist() == [1, 0, 0, 0, 0, 1, 1]
    assert shares[0].sum() == 2
    assert s.frames[s.real].tolist() == [0, 1, 2, 3, 4]
    assert float(problem.targets()[1][0, 2].max()) == 0


def test_frames_that_no_window_reaches_do_not_count(line):
    _, _, noisy, noise = line
    problem = ox.Problem(noisy, None, noise, window=[(0, 1, 2), (5, 6)])
    assert problem.scored == 5 * noisy.frames[0].size


@pytest.mark.parametrize("bad", [[(0, 1), (1, 2)], [(1, 0)], [(0, 99)], [()], [], [(-1, 0)]])
def test_windows_that_make_no_sense(line, bad):
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="must name frames from 0 to 9 in rising order"):
        ox.Problem(noisy, None, noise, window=bad)

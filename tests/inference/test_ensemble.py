"""Ensembles: the posterior's spread where the problem is nearly linear, and every member kept whatever happens."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.executors import work
from operax.inference.kept import file_of
from operax.inference.perturb import AbstractPerturbation, drawn

KEY, SIZE, BATCH = jax.random.key(3), 48, 16


class Poisoned(AbstractPerturbation):
    """Noise is added as by `Randomised`, but some members get a movie of NaN."""

    chance: np.ndarray  # a leaf, so that all tests share one program

    def problem(self, problem, expected, *, key):
        bad = jax.random.uniform(key) < self.chance
        noisy = ox.Randomised().problem(problem, expected, key=key)
        return eqx.tree_at(lambda p: p.data.frames, noisy, jnp.where(bad, jnp.nan, noisy.data.frames))

    def centre(self, like, *, key):
        return ox.Randomised().centre(like, key=key)

    def check(self, problem):
        return None


HEALTHY, SICK = Poisoned(np.array(0.0)), Poisoned(np.array(0.25))


class Dying(Executor):
    """Runs the first piece of work, and dies of the second."""

    def __init__(self):
        self.done = 0

    def submit(self, function, /, *arguments):
        future = Future()
        self.done += 1
        if self.done == 1:
            future.set_result(function(*arguments))
        else:
            future.set_exception(BrokenProcessPool("killed"))
        return future


@pytest.fixture(scope="module")
def solved(small):
    return small[3:]


@pytest.fixture(scope="module")
def line(small):
    return None, *small[:3]


@pytest.fixture(scope="module")
def randomised(solved, tmp_path_factory):
    """An ensemble of 48, with its members in a folder."""
    problem, best = solved
    folder = tmp_path_factory.mktemp("ensemble")
    return folder, ox.ensemble(best, problem, key=KEY, size=SIZE, batch=BATCH, method=HEALTHY, folder=folder)


def flat(posterior):
    return np.concatenate([np.asarray(x).reshape(len(x), -1) for x in jax.tree.leaves(posterior.draws)], 1)


def test_members_spread_as_the_posterior_does(solved, randomised):
    problem, best = solved
    _, posterior = randomised
    laplace = ox.laplace(best, problem, key=jax.random.key(0), draws=4000)

    def quantity(e):
        return e.diffusivity(jnp.array([0.2, 0.5, 0.8]))

    drawn, expected = posterior(quantity), laplace(quantity)
    assert drawn.shape == (SIZE, 3)
    # the standard deviation of 48 draws is known within a tenth
    assert np.asarray(drawn.std(0)) == pytest.approx(np.asarray(expected.std(0)), rel=0.35)
    error = np.abs(np.asarray(drawn.mean(0) - expected.mean(0))) / np.asarray(expected.std(0))
    assert error.max() < 4 / SIZE**0.5
    assert float(posterior.found["accuracy"].max()) < 0.3
    assert posterior.notes[0].startswith("48 members, ")


def test_each_member_is_the_optimum_of_its_own_problem(solved, randomised):
    """The prior's pull and the noise of a member, redrawn by hand, leave no slope at its unknowns."""
    from operax.inference.fit import as_fitted
    from operax.inference.linearise import linearise
    from operax.inference.perturb import expected_frames
    from operax.inference.reverse import frozen

    problem, best = solved
    _, posterior = randomised
    (problem,) = as_fitted(best, problem)
    plans = frozen(best.plans)
    expected = expected_frames(best.equation, best.starts, problem, plans[0])
    centre_key, own = jax.random.split(jax.random.fold_in(KEY, 5), 2)
    x = posterior.found["unknowns"][5]
    centre = ox.Randomised().centre(x, key=centre_key)
    theta, rebuild = jax.flatten_util.ravel_pytree(best.equation)
    mine = ox.Randomised().problem(problem, expected, key=own)
    normal = linearise(rebuild(x[: theta.size]), x[theta.size :].reshape(best.starts.shape), (mine,), best.plans)
    slope = jnp.concatenate([normal.gradient_laws + best.averaging.tilt, normal.gradient_starts.ravel()]) - centre
    covariance = np.linalg.inv(
        np.block([[normal.laws, normal.cross[0]], [normal.cross[0].T, normal.starts[0]]])
    )  # fmt: skip
    assert 0.5 * slope @ covariance @ slope < 2e-3


def test_a_resumed_run_computes_what_is_missing_and_ends_with_the_same_bits(solved, randomised):
    problem, best = solved
    folder, posterior = randomised
    untouched = file_of(folder, 40).stat().st_mtime_ns
    for number in (3, 7):
        file_of(folder, number).unlink()
    done = []
    settings = {"size": SIZE, "batch": BATCH, "method": HEALTHY, "folder": folder}
    again = ox.ensemble(best, problem, key=KEY, progress=lambda n, of: done.append((n, of)), **settings)
    assert done == [(SIZE, SIZE)]
    assert np.array_equal(flat(again), flat(posterior))
    assert file_of(folder, 40).stat().st_mtime_ns == untouched
    with pytest.raises(ValueError, match="is a member of another ensemble"):
        ox.ensemble(best, problem, key=jax.random.key(4), **settings)


def test_an_executor_gives_the_same_bits_as_no_executor(solved, randomised):
    problem, best = solved
    _, here = randomised
    with ThreadPoolExecutor(1) as threads:
        there = ox.ensemble(best, problem, key=KEY, size=SIZE, batch=BATCH, method=HEALTHY, executor=threads)
    assert np.array_equal(flat(here), flat(there))


def test_processes_that_die_lose_nothing_that_had_finished(solved, randomised, tmp_path):
    problem, best = solved
    settings = {"key": KEY, "size": SIZE, "batch": BATCH, "method": HEALTHY, "folder": tmp_path}
    with pytest.raises(RuntimeError, match=r"the executor's processes have died .* goes on from them"):
        ox.ensemble(best, problem, executor=Dying(), **settings)
    assert file_of(tmp_path, 0).exists()
    assert not file_of(tmp_path, BATCH).exists()
    resumed = ox.ensemble(best, problem, **settings)
    assert np.array_equal(flat(resumed), flat(randomised[1]))


def test_work_that_fails_says_why(solved):
    assert work(None, (0,), (), True).startswith("AttributeError: ")


def test_a_poisoned_member_is_recorded_and_stops_no_other(solved, tmp_path):
    problem, best = solved
    posterior = ox.ensemble(best, problem, key=KEY, size=BATCH, batch=BATCH, method=SICK, folder=tmp_path)
    lost = [note for note in posterior.notes if "was lost: its movie or its solution is not finite" in note]
    assert 0 < len(lost) < BATCH
    assert len(posterior.found["member"]) == BATCH - len(lost)
    number = int(lost[0].split()[1])
    _, said = ox.io.read_arrays(file_of(tmp_path, number))
    assert said["lost"].startswith("its movie")
    assert np.isfinite(flat(posterior)).all()


def test_noise_that_is_drawn_has_the_variance_and_the_correlation_of_its_model(line):
    _, clean, noisy, noise = line
    lags = np.array([0.5, 1.0, 0.5]) ** 2
    lags = lags / lags[1]
    problem = ox.Problem(noisy, None, ox.Correlated(noise, lags))
    draws = jax.vmap(lambda k: drawn(problem, clean.frames, key=k))(jax.random.split(jax.random.key(0), 400))
    assert float(draws.std()) == pytest.approx(0.02, rel=0.05)
    neighbours = float((draws[..., 1:] * draws[..., :-1]).mean() / (draws**2).mean())
    assert neighbours == pytest.approx(0.25, abs=0.03)


def test_blocks_keep_the_size_of_residuals_and_flip_them_together(line):
    _, clean, noisy, noise = line
    problem = ox.Problem(noisy, None, noise)
    residual = noisy.frames - clean.frames
    made = ox.BlockBootstrap((1, 5)).problem(problem, clean.frames, key=jax.random.key(1)).data.frames - clean.frames
    assert np.asarray(jnp.abs(made)) == pytest.approx(np.asarray(jnp.abs(residual)))
    signs = np.sign(np.asarray(made / residual))
    runs = np.diff(np.flatnonzero(np.diff(signs[0]) != 0))
    assert (runs % 5 == 0).all()
    assert 0.2 < (signs > 0).mean() < 0.8


def test_what_cannot_be_an_ensemble_is_refused(solved, line):
    problem, best = solved
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="`size` must be at least 2"):
        ox.ensemble(best, problem, key=KEY, size=1)
    with pytest.raises(ValueError, match="`batch` must be a multiple of the 2 devices that share it, got 3"):
        ox.ensemble(best, problem, key=KEY, batch=3, devices=jax.devices() * 2)
    with pytest.raises(ValueError, match="`block` must hold positive whole numbers"):
        ox.BlockBootstrap((1, 0))
    with pytest.raises(ValueError, match="one length for each axis of the frames"):
        ox.ensemble(best, problem, key=KEY, method=ox.BlockBootstrap((1, 4, 4)))
    heavy = ox.Problem(noisy, None, ox.StudentT(noise))
    with pytest.raises(ValueError, match="which heavy tails"):
        ox.ensemble(best, heavy, key=KEY)

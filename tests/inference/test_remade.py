"""Members whose start states are made again from their own movie: the spread that fixed starts leave out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.kept import file_of

KEY, SIZE = jax.random.key(5), 6


def recorded(movie):
    """A denoiser that leaves everything as it is."""
    return movie


def remake(movie, key):
    """Noisy frames as start states, a little off, as another training would have them."""
    moved = 1e-7 * jax.random.normal(key, movie.frames.shape)
    states = recorded(movie).replace(frames=movie.frames + moved)
    return ox.Problem(movie, states, ox.noise.Gaussian(0.02), start=ox.Given())


def remake_some(movie, key):
    """The same, but some movies cannot be denoised."""
    if jax.random.uniform(key) < 0.4:
        raise RuntimeError("training diverged")
    return remake(movie, key)


@pytest.fixture(scope="module")
def given():
    """Diffusion with D = 2 of one wave on 16 pixels, its first frame taken as exact."""
    domain = ox.Domain((16,), 1.0)
    decay = jnp.exp(-2.0 * (jnp.pi / 16) ** 2 * 0.5 * jnp.arange(6.0)[:, None])
    clean = ox.Movie(0.5 + 0.3 * decay * jnp.cos(jnp.pi * domain.centres()[0] / 16), 0.5 * jnp.arange(6.0), domain)
    frames = ox.noise.Gaussian(0.02).sample(clean.frames, key=jax.random.key(1))
    problem = remake(clean.replace(frames=frames), jax.random.key(0))
    return problem, ox.fit(ox.Diffusion(ox.laws.positive(2.0, factor=2)), problem)


@pytest.fixture(scope="module")
def remade(given, tmp_path_factory):
    folder = tmp_path_factory.mktemp("remade")
    return folder, ox.ensemble(given[1], given[0], key=KEY, size=SIZE, remake=remake, folder=folder)


def flat(posterior):
    return np.concatenate([np.asarray(x).reshape(len(x), -1) for x in jax.tree.leaves(posterior.draws)], 1)


@pytest.mark.slow
def test_starts_made_again_add_their_own_spread(given):
    problem, best = given
    held = ox.ensemble(best, problem, key=KEY, size=24, method=ox.Bootstrap())
    whole = ox.ensemble(best, problem, key=KEY, size=24, remake=remake)
    # what a noisy start does to the law, by its derivative, beside what the noise of the frames judged does
    carried = ox.propagate(best, problem, recorded, problem.data, key=jax.random.key(1), pairs=2)
    expected = float(jnp.sqrt(carried.found["covariance"][0, 0]))
    assert flat(whole).std() == pytest.approx(expected, rel=0.4)
    assert flat(whole).std() > 1.2 * flat(held).std()


def test_members_are_named_for_what_was_done(remade):
    _, posterior = remade
    assert len(posterior.found["member"]) == SIZE
    assert posterior.method == "ensemble, Bootstrap, made again from each movie"


def test_a_resumed_run_makes_again_what_is_missing_and_ends_with_the_same_bits(given, remade):
    problem, best = given
    folder, whole = remade
    untouched = file_of(folder, 2).stat().st_mtime_ns
    file_of(folder, 3).unlink()
    again = ox.ensemble(best, problem, key=KEY, size=SIZE, remake=remake, folder=folder)
    assert np.array_equal(flat(again), flat(whole))
    assert file_of(folder, 2).stat().st_mtime_ns == untouched
    with pytest.raises(ValueError, match="is a member of another ensemble"):
        ox.ensemble(best, problem, key=KEY, size=SIZE, remake=remake_some, folder=folder)


def test_a_movie_that_cannot_be_made_again_is_named_and_stops_no_other(given):
    problem, best = given
    posterior = ox.ensemble(best, problem, key=KEY, size=6, remake=remake_some)
    lost = [note for note in posterior.notes if note.endswith("was lost: RuntimeError: training diverged")]
    assert 0 < len(lost) < 6
    assert len(posterior.found["member"]) == 6 - len(lost)


def test_what_cannot_be_made_again_is_refused(given):
    problem, best = given
    with pytest.raises(ValueError, match=r"one at a time: leave out `batch` and `devices`, got 4 and 0 devices"):
        ox.ensemble(best, problem, key=KEY, remake=remake, batch=4)
    with pytest.raises(ValueError, match=r"`Randomised` draws the prior's mean too; take `Bootstrap\(\)`"):
        ox.ensemble(best, problem, key=KEY, remake=remake, method=ox.Randomised())
    with pytest.raises(RuntimeError, match=r"`remake` must give a `Problem`, got a `Movie`"):
        ox.ensemble(best, problem, key=KEY, size=2, remake=lambda movie, key: movie)
    with pytest.raises(RuntimeError, match="whose `data` is the movie that it is called with"):
        ox.ensemble(best, problem, key=KEY, size=2, remake=lambda movie, key: problem)

"""A problem scores raw frames only, never what a given start has read, and refuses what does not fit."""

import numpy as np
import pytest

import operax as ox


def test_a_target_that_its_given_start_has_read_is_never_scored(line):
    _, _, noisy, noise = line
    smooth = noisy.replace(reads=(-1, 0, 1))
    problem = ox.Problem(noisy, smooth, noise, window=4, start=ox.Given())
    scored = np.asarray(problem.weights).any(axis=1)
    starts = [w[0] for w in problem.windows]
    assert starts == [0, 3, 6]
    for first in starts:
        assert not scored[first + 1], "frame next to a start was read by it"
    assert scored[[2, 5, 8]].all()


def test_nothing_left_to_score_is_refused(line):
    _, _, noisy, noise = line
    smooth = noisy.replace(reads=(-1, 0, 1))
    with pytest.raises(ValueError, match="no frame is left to score"):
        ox.Problem(noisy, smooth, noise, window=2, start=ox.Given())


def test_unknown_starts_may_be_judged_by_every_frame(line):
    _, _, noisy, noise = line
    problem = ox.Problem(noisy, noisy.replace(reads=(-1, 0, 1)), noise)
    assert problem.scored == noisy.frames.size
    assert problem.starts.lead == pytest.approx(1.0)


def test_pixels_outside_the_particles_do_not_count():
    inside = np.ones((6, 6), bool)
    inside[:, 4:] = False
    frames = np.random.default_rng(0).normal(0.5, 0.1, (4, 6, 6))
    frames[:, :, 5] = np.nan
    movie = ox.Movie(frames, np.arange(4.0), ox.Domain((6, 6), 1.0, inside=inside))
    problem = ox.Problem(movie, None, ox.noise.Gaussian(0.1))
    assert problem.scored == 4 * inside.sum()
    assert np.isfinite(problem.starts.guess).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": None}, "noise of `data` is not known"),
        ({"window": 1}, "`window` must be a number of frames"),
        ({"window": 99}, "`window` must be a number of frames"),
        ({"weights": np.ones(7)}, "`weights` must be broadcastable"),
        ({"weights": -1.0}, "`weights` must be finite, zero or positive"),
    ],
)
def test_bad_arguments(line, change, message):
    _, _, noisy, noise = line
    arguments = {"states": None, "noise": noise, **change}
    with pytest.raises(ValueError, match=message):
        ox.Problem(noisy, arguments.pop("states"), arguments.pop("noise"), **arguments)


def test_movies_that_do_not_fit(line):
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="same frames on the same domain"):
        ox.Problem(noisy, noisy[:5], noise)
    with pytest.raises(ValueError, match="at least two frames"):
        ox.Problem(noisy[:1], None, noise)
    colour = ox.Movie(np.ones((4, 8, 8, 3)), np.arange(4.0), ox.Domain((8, 8)))
    with pytest.raises(ValueError, match="colour movie"):
        ox.Problem(colour, None, noise)


@pytest.mark.parametrize("bad", [{"lead": 0.0}, {"cutoff": -1.0}, {"lead": np.nan}])
def test_pre_roll_must_make_sense(bad):
    with pytest.raises(ValueError, match="must be positive and finite"):
        ox.PreRoll(**bad)

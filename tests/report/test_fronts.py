import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.movie import Movie
from operax.report.fronts import follow


def advancing(speed=2.0, spacing=0.5, frames=30, flipped=False):
    """A smooth step whose middle stands at 4 + speed √t, in units of length."""
    domain = Domain(60, spacing)
    x, t = domain.centres()[0], np.arange(frames, dtype=float)
    position = 4 + speed * np.sqrt(t)
    values = 1 / (1 + np.exp((x - position[:, None]) / 0.6))
    return Movie(values[:, ::-1] if flipped else values, t, domain), position


@pytest.mark.parametrize("flipped", [False, True])
def test_position_is_found_between_pixels_from_either_end(flipped):
    movie, position = advancing(flipped=flipped)
    found = follow(movie, threshold=0.5)
    assert np.abs(np.asarray(found.distance) - position).max() < 0.05
    assert float(found.slope) == pytest.approx(2.0, rel=0.01)
    assert float(found.offset) == pytest.approx(4.0, abs=0.05)
    assert float(found.explained) > 0.999


def test_the_foot_of_the_front_is_followed_unless_a_threshold_is_given():
    movie, position = advancing()
    found = follow(movie)
    # where the step has fallen to a fifth: 0.6 ln 4 ahead of its middle
    assert float(found.threshold) == pytest.approx(0.2, abs=0.01)
    assert np.abs(np.asarray(found.distance) - position - 0.6 * np.log(4)).max() < 0.05
    assert float(found.slope) == pytest.approx(2.0, rel=0.01)


def test_of_a_band_the_edge_that_moves_is_followed():
    movie, position = advancing(flipped=True)
    # what lies behind x = 2 has drained below the level
    drained = movie.replace(frames=movie.frames.at[:, 56:].set(-0.5))
    found = follow(drained, threshold=0.5)
    assert np.abs(np.asarray(found.distance) - position).max() < 0.05


def test_noise_crossings_far_from_the_front_are_not_taken():
    movie, position = advancing()
    # one pixel deep in the low side jumps above the threshold
    spiked = movie.replace(frames=movie.frames.at[3, 50].set(1.0))
    assert abs(float(follow(spiked, threshold=0.5).distance[3]) - position[3]) < 0.6


def test_the_root_is_taken_from_the_given_start():
    movie, _ = advancing()
    late = movie[5:]
    assert float(follow(late).slope) == pytest.approx(float(follow(late, start=0.0).slope))
    assert float(follow(late, start=0.0).slope) == pytest.approx(2.0, rel=0.01)
    with pytest.raises(ValueError, match="`start` must not be later than the first frame at 5, got 6"):
        follow(late, start=6.0)


def test_frames_that_never_cross_are_left_out():
    movie, _ = advancing()
    dry = movie.replace(frames=movie.frames.at[0].set(0.0))
    found = follow(dry, threshold=0.5)
    assert np.isnan(float(found.distance[0]))
    assert float(found.slope) == pytest.approx(2.0, rel=0.02)


def test_refusals_say_what_is_needed():
    movie, _ = advancing()
    with pytest.raises(ValueError, match=r"0 of 30 frames cross the threshold 5; .* Give another `threshold`"):
        follow(movie, threshold=5.0)
    flat = Movie(jnp.zeros((3, 4, 4)), jnp.arange(3.0), Domain((4, 4)))
    with pytest.raises(ValueError, match=r"axes \(time, row\), got .*average the movie first"):
        follow(flat)

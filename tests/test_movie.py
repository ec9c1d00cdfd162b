"""A movie keeps frames, times, domain and variance together, and refuses what does not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.movie import Movie

FRAMES = np.random.default_rng(0).normal(size=(5, 4, 6))
TIMES = np.array([0.0, 1.0, 1.5, 4.0, 9.0])
DOMAIN = Domain((4, 6), (0.1, 0.2))
INSIDE = np.ones((4, 6), bool)
INSIDE[0] = False


def movie(**changes):
    return Movie(**{"frames": FRAMES, "times": TIMES, "domain": DOMAIN, **changes})


def test_parts_are_as_given():
    m = movie(variance=0.1, units=("um", "s", "K"), reads=(1, -1, 0, 1))
    assert len(m) == 5
    np.testing.assert_array_equal(m.frames, FRAMES)
    np.testing.assert_array_equal(m.times, TIMES)
    assert m.variance.shape == ()
    assert m.units == ("um", "s", "K")
    assert m.reads == (-1, 0, 1)


def test_axes_are_named():
    assert movie().axes == ("time", "row", "column")
    assert movie(axis="energy").axes[0] == "energy"
    colour = Movie(np.zeros((2, 4, 6, 3)), [0, 1], DOMAIN)
    assert colour.axes == ("time", "row", "column", "channel")
    assert colour.channels_ndim == 1


def test_whole_numbers_become_floating():
    m = Movie(np.arange(24, dtype=np.uint8).reshape(1, 4, 6), [3], DOMAIN)
    assert jnp.issubdtype(m.frames.dtype, jnp.floating)
    assert jnp.issubdtype(m.times.dtype, jnp.floating)
    assert movie(frames=FRAMES.astype(np.float32)).frames.dtype == jnp.float32


def test_leaves_are_frames_times_and_variance():
    m = movie(variance=FRAMES**2)
    assert len(jax.tree.leaves(m)) == 3
    assert len(jax.tree.leaves(movie())) == 2


def test_movie_goes_through_jit_grad_and_vmap():
    doubled = jax.jit(lambda m: m.replace(frames=2 * m.frames))(movie())
    np.testing.assert_allclose(doubled.frames, 2 * FRAMES)
    slope = jax.grad(lambda m: (m.frames**2).sum())(movie())
    np.testing.assert_allclose(slope.frames, 2 * FRAMES)
    stack = jax.vmap(lambda shift: movie().replace(frames=movie().frames + shift).frames)(jnp.arange(3.0))
    np.testing.assert_allclose(stack[2], FRAMES + 2)


@pytest.mark.parametrize("index", [slice(1, 4), slice(None, None, 2), [0, 3], np.array([4])])
def test_indexing_picks_frames_times_and_variance(index):
    picked = movie(variance=FRAMES**2)[index]
    np.testing.assert_array_equal(picked.frames, FRAMES[index])
    np.testing.assert_array_equal(picked.times, TIMES[index])
    np.testing.assert_array_equal(picked.variance, FRAMES[index] ** 2)
    assert picked.domain == DOMAIN


def test_single_variance_is_spread_when_frames_are_picked():
    assert movie(variance=0.5)[1:3].variance.shape == (2, 4, 6)


def test_frames_that_read_others_are_cut_but_not_skipped():
    denoised = movie(reads=(-1, 0, 1))
    assert denoised[1:4].reads == (-1, 0, 1)
    assert len(denoised[[2]]) == 1
    with pytest.raises(ValueError, match=r"offsets \(-1, 0, 1\); skipping frames.*Take the frames of the raw movie"):
        denoised[::2]


def test_crop_cuts_frames_variance_and_domain():
    cut = movie(variance=FRAMES**2).crop(slice(1, 3), slice(2, None))
    np.testing.assert_array_equal(cut.frames, FRAMES[:, 1:3, 2:])
    np.testing.assert_array_equal(cut.variance, FRAMES[:, 1:3, 2:] ** 2)
    assert cut.domain == Domain((2, 4), (0.1, 0.2))


@pytest.mark.parametrize(("axis", "along", "spacing"), [("row", 1, 0.2), ("column", 2, 0.1)])
def test_mean_along_an_axis_is_a_profile(axis, along, spacing):
    profile = movie(variance=FRAMES**2).mean(axis)
    np.testing.assert_allclose(profile.frames, FRAMES.mean(along))
    # the variance of a mean of n independent values is their mean variance over n
    np.testing.assert_allclose(profile.variance, (FRAMES**2).sum(along) / FRAMES.shape[along] ** 2)
    assert profile.domain.spacing == (spacing,)
    assert profile.domain.axes == ("row",)


def test_what_lies_outside_the_mask_may_be_missing():
    frames = FRAMES.copy()
    frames[:, 0] = np.nan
    assert len(movie(frames=frames, domain=Domain((4, 6), inside=INSIDE))) == 5


def with_nan(frame):
    frames = FRAMES.copy()
    frames[frame, 2, 2] = np.nan
    return frames


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: movie(frames=FRAMES[0]), ValueError, r"`frames` must have shape \(time, 4, 6\).*got \(4, 6\)"),
        (lambda: movie(frames=FRAMES.transpose(0, 2, 1)), ValueError, r"`frames` must have shape.*got \(5, 6, 4\)"),
        (lambda: movie(frames=FRAMES[:0], times=[]), ValueError, "`frames` holds no frame"),
        (lambda: movie(times=TIMES[:4]), ValueError, r"one entry for each of 5 frames, got shape \(4,\)"),
        (lambda: movie(times=TIMES[::-1]), ValueError, "strictly increasing; entry 1 is 4 after 9"),
        (lambda: movie(times=[0, 1, 1, 2, 3]), ValueError, "entry 2 is 1 after 1. Sort the frames by time"),
        (lambda: movie(times=[0, 1, np.nan, 2, 3]), ValueError, "`times` must be finite and strictly increasing"),
        (lambda: movie(frames=with_nan(3)), ValueError, "1 values are NaN or infinite, the first in frame 3"),
        (lambda: movie(frames=with_nan(1) / 0.0), ValueError, "`frames` must be finite"),
        (lambda: movie(variance=np.ones((3, 4, 6))), ValueError, r"`variance` must be broadcastable.*got \(3, 4, 6\)"),
        (lambda: movie(variance=-0.5), ValueError, r"`variance` must be zero or positive.*smallest value is -0\.5"),
        (lambda: movie(variance=np.nan), ValueError, "`variance` must be zero or positive"),
        (lambda: movie(units=("um", "s")), ValueError, r"`units` must be three strings.*got \('um', 's'\)"),
        (lambda: movie()[3], TypeError, "indexed by a slice or a list.*got 3; take `movie.frames"),
        (lambda: movie()[TIMES > 1], TypeError, "indexed by a slice or a list"),
        (lambda: movie()[5:], ValueError, r"slice\(5, None, None\) keeps none of the 5 frames"),
        (lambda: movie().crop(slice(2)), ValueError, "`crop` needs one slice for each of the axes"),
        (lambda: movie().mean("plane"), ValueError, r"`axis` must be one of \('row', 'column'\).*got 'plane'"),
        (lambda: movie().mean("row").mean("row"), ValueError, "`axis` must be one of"),
        (
            lambda: movie(domain=Domain((4, 6), inside=INSIDE)).mean("row"),
            ValueError,
            "masked movie is ambiguous; crop to a rectangle",
        ),
        (lambda: movie().replace(times=TIMES[:2]), ValueError, "`times` must have one entry"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_errors_say_what_is_wrong(make, kind, message):
    with pytest.raises(kind, match=message):
        make()

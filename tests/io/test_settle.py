import numpy as np
import pytest

from operax.io import recording as recording_module
from operax.io.recording import Recording
from operax.io.settle import settle


def stated(values, **known):
    return Recording(
        path="a.x",
        format="x",
        shape=values.shape,
        dtype=str(values.dtype),
        read=lambda: values,
        first=lambda: values[0],
        **known,
    )


VALUES = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)


def test_axes_are_put_in_order_and_integers_become_numbers():
    values = np.arange(24, dtype=">u4").reshape(2, 3, 4)
    movie = settle(stated(values), axes="xty", spacing=(1, 1), times=1)
    assert movie.axes == ("time", "row", "column")
    assert movie.frames.shape == (3, 4, 2)
    np.testing.assert_array_equal(movie.frames[1, 2], values[:, 1, 2])
    assert movie.units == ("px", "frame", "1")


def test_times_as_interval_and_as_array():
    known = {"axes": ("time", "row", "column")}
    values = np.zeros((3, 2, 2))
    units = ("um", "s", "1")
    np.testing.assert_allclose(settle(stated(values, **known), spacing=2, times=0.5, units=units).times, [0, 0.5, 1])
    times = [1.0, 2.0, 5.0]
    np.testing.assert_allclose(settle(stated(values, **known), spacing=2, times=times, units=units).times, times)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"a\.x: `times` as one number .* must be positive"):
            settle(stated(values, **known), spacing=1, times=bad, units=units)
    with pytest.raises(ValueError, match=r"a\.x: .*strictly increasing"):
        settle(stated(values, **known), spacing=1, times=[0, 2, 1], units=units)


def test_one_image_is_a_movie_of_one_frame_when_said_so():
    image = stated(np.ones((3, 4)), axes=("row", "column"))
    with pytest.raises(ValueError, match="no time or energy axis"):
        settle(image, spacing=1)
    assert settle(image, spacing=1, times=[0.0]).frames.shape == (1, 3, 4)


def test_channels():
    known = {"axes": ("time", "row", "column", "channel")}
    movie = settle(stated(VALUES, **known), spacing=1, times=1)
    assert movie.axes[-1] == "channel"
    one = settle(stated(VALUES, **known), spacing=1, times=1, channel=2)
    np.testing.assert_array_equal(one.frames, VALUES[..., 2])
    near = np.repeat(VALUES[..., :1], 3, -1).astype(np.uint8) + np.array([0, 1, 0], np.uint8)
    grey = settle(stated(near, **known), spacing=1, times=1, channel="grey")
    np.testing.assert_allclose(grey.frames, near.mean(-1), rtol=1e-6)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (3, "`channel` must be 0 to 2"),
        (-1, "`channel` must be 0 to 2"),
        (True, "`channel` must be 'grey' or a number"),
        ("green", "`channel` must be 'grey' or a number"),
        ("grey", "the movie has colour"),
    ],
)
def test_channels_that_cannot_be_picked(channel, message):
    values = VALUES.copy()
    values[0, 0, 0] = (0, 100, 200)
    with pytest.raises(ValueError, match=message):
        settle(stated(values, axes=("time", "row", "column", "channel")), spacing=1, times=1, channel=channel)


def test_channel_of_a_grey_movie_is_refused():
    with pytest.raises(ValueError, match="no channel axis"):
        settle(stated(np.ones((2, 3, 4)), axes=("time", "row", "column")), spacing=1, times=1, channel=0)


def test_file_words_against_user_words():
    known = {
        "axes": ("time", "row", "column"),
        "times": np.array([0.0, 2.0]),
        "spacing": {"row": 0.1, "column": 0.2},
        "units": ("µm", "s", None),
    }
    recording = stated(np.ones((2, 3, 4)), **known)
    movie = settle(recording)
    assert (movie.domain.spacing, movie.units) == ((0.1, 0.2), ("µm", "s", "1"))
    assert settle(recording, units=("um", "s", "counts")).units == ("um", "s", "counts")
    with pytest.raises(ValueError, match="`units` says 'nm' where the file states 'µm'"):
        settle(recording, units=("nm", "s", "1"))
    assert settle(recording, spacing=100.0, units=("nm", "s", "1")).domain.spacing == (100.0, 100.0)
    with pytest.raises(ValueError, match="unit of length is not stated"):
        settle(recording, spacing=100.0)
    # rows are not columns, and time is not energy
    with pytest.raises(ValueError, match="pass `spacing=`"):
        settle(recording, axes="txy")
    with pytest.raises(ValueError, match="the energy of its frames is not stated"):
        settle(recording, axes="eyx")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"axes": "yx"}, "`axes` must name the 3 axes of shape"),
        ({"axes": "tez"}, "both"),
        ({"spacing": -1.0}, "`spacing` must be positive"),
        ({"spacing": (1.0, 1.0, 1.0)}, "`spacing` must be one number or 2"),
        ({"units": "um"}, "`units` must be three strings"),
        ({"boundary": "open"}, "`boundary` must be one of"),
        ({"inside": np.ones((3, 3), bool)}, "`inside` must have the domain's shape"),
        ({"times": [0.0]}, "`times` must have one entry for each of 2 frames"),
    ],
)
def test_bad_arguments_name_the_file_and_the_argument(how, message):
    given = {"axes": "tyx", "spacing": 1.0, "times": 1.0, "units": ("px", "frame", "1")} | how
    with pytest.raises(ValueError, match=message) as caught:
        settle(stated(np.ones((2, 3, 4))), **given)
    assert str(caught.value).startswith("a.x: ")


def test_a_mask_of_numbers_is_a_wrong_kind():
    with pytest.raises(TypeError, match=r"a\.x: `inside` must be a boolean array"):
        settle(stated(np.ones((2, 3, 4))), axes="tyx", spacing=1, times=1, inside=np.ones((3, 4)))


def test_nan_frames_are_refused():
    with pytest.raises(ValueError, match=r"a\.x: `frames` must be finite"):
        settle(stated(np.full((2, 3, 4), np.nan)), axes="tyx", spacing=1, times=1)


def test_a_path_is_named_once():
    def broken():
        raise ValueError("a.x: is damaged.")

    recording = Recording(path="a.x", format="x", shape=(2, 3, 4), dtype="float32", read=broken, first=broken)
    with pytest.raises(ValueError, match=r"^a\.x: is damaged\.$"):
        settle(recording, axes="tyx", spacing=1, times=1)


def test_more_than_the_memory_is_refused(monkeypatch):
    assert recording_module.memory() > 2**28
    monkeypatch.setattr("operax.io.settle.memory", lambda: 10)
    with pytest.raises(ValueError, match="this machine has"):
        settle(stated(np.ones((2, 3, 4))), axes="tyx", spacing=1, times=1)


def test_variance_follows_the_frames():
    values = np.random.default_rng(0).normal(size=(3, 4, 2))
    movie = settle(stated(values, variance=lambda: values**2), axes="yxt", spacing=1, times=1)
    np.testing.assert_allclose(movie.variance, movie.frames**2, rtol=1e-6)

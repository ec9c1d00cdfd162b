import numpy as np
import pytest

from operax.io.recording import Recording, axis_names, even_spacing, gaps, plain_unit


def stated(**known):
    values = np.zeros((3, 4, 5))
    return Recording(
        path="a.x",
        format="x",
        shape=(3, 4, 5),
        dtype="float64",
        read=lambda: values,
        first=lambda: values[0],
        **known,
    )


def test_axes_by_letter_and_by_word():
    assert axis_names("tyx") == axis_names(["time", "row", "column"]) == ("time", "row", "column")
    assert axis_names("EZYX") == ("energy", "plane", "row", "column")
    assert axis_names(("photon_energy", "sample_y", "sample_x")) == ("energy", "row", "column")


@pytest.mark.parametrize("axes", ["tyq", "tyy", ("time", "height"), "ty "])
def test_unknown_or_doubled_axes_are_refused(axes):
    with pytest.raises(ValueError, match="`axes` must name each stored axis once"):
        axis_names(axes)


@pytest.mark.parametrize(
    ("written", "plain"),
    [("µm", "um"), ("μm", "um"), ("micron", "um"), (" ", None), (None, None), ("sec", "s"), ("eV", "eV")],
)
def test_spellings_of_units(written, plain):
    assert plain_unit(written) == plain


def test_even_spacing():
    assert even_spacing(np.arange(5) * 0.25 - 7) == 0.25
    assert even_spacing(-np.arange(5) * 0.25) == 0.25
    assert even_spacing(np.round(np.arange(100) * 0.0333, 3)) == pytest.approx(0.0333, rel=1e-2)
    for uneven in ([0, 1, 3], [0, 0, 0], [0.0], [0, np.nan, 2]):
        assert even_spacing(np.array(uneven, float)) is None


def test_gaps_name_every_argument_that_is_needed():
    assert [argument for argument, _ in gaps(stated())] == ["axes", "times", "spacing"]
    assert [argument for argument, _ in gaps(stated(), axes="tyx", spacing=1, times=1)] == []
    assert [argument for argument, _ in gaps(stated(), axes="zyx", spacing=1, times=1)] == ["times"]
    assert [argument for argument, _ in gaps(stated(), axes="zyx", spacing=1, times=[2.0])] == []


def test_a_number_needs_a_unit_unless_it_counts_pixels_or_frames():
    recording = stated(axes=("time", "row", "column"))
    assert gaps(recording, spacing=1.0, times=[4, 5, 6]) == ()
    assert "unit of length" in gaps(recording, spacing=0.5, times=1)[0][1]
    assert "unit of time" in gaps(recording, spacing=1, times=0.5)[0][1]
    assert gaps(recording, spacing=0.5, times=0.5, units=("um", "s", "1")) == ()
    energies = stated(
        axes=("energy", "row", "column"),
        axis="energy",
        times=np.arange(3.0),
        spacing={"row": 1.0, "column": 1.0},
    )
    assert "unit of time" in gaps(energies)[0][1]

import sys

import numpy as np
import pytest
import xarray

from operax.domain import Domain
from operax.io import from_xarray, load, to_xarray
from operax.movie import Movie

FRAMES = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def array(dims=("time", "y", "x"), **coords):
    known = {
        "time": [0.0, 1.0, 5.0],
        "y": ("y", 0.5 * np.arange(4), {"units": "um"}),
        "x": ("x", 0.25 * np.arange(5), {"units": "um"}),
    }
    known["time"] = ("time", known["time"], {"units": "s"})
    return xarray.DataArray(FRAMES, dims=dims, coords=known | coords, attrs={"units": "counts"}, name="n")


def test_npy_with_words(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    with pytest.raises(ValueError, match=r"pass `axes=`.*pass `times=`.*pass `spacing=`"):
        load(tmp_path / "a.npy")
    movie = load(tmp_path / "a.npy", axes="tyx", times=1, spacing=1, boundary="periodic")
    np.testing.assert_array_equal(movie.frames, FRAMES)
    assert movie.domain.boundary == ("periodic", "periodic")
    with pytest.raises(ValueError, match="`dataset` cannot be used"):
        load(tmp_path / "a.npy", dataset="a")


def test_npz_picks_an_array(tmp_path):
    how = {"axes": "tyx", "times": 1, "spacing": 1}
    np.savez(tmp_path / "one.npz", frames=FRAMES)
    np.testing.assert_array_equal(load(tmp_path / "one.npz", **how).frames, FRAMES)
    np.savez_compressed(tmp_path / "two.npz", a=FRAMES, b=FRAMES + 1)
    with pytest.raises(ValueError, match="`dataset` must be one of its arrays a, b; got None"):
        load(tmp_path / "two.npz", **how)
    np.testing.assert_array_equal(load(tmp_path / "two.npz", dataset="b", **how).frames, FRAMES + 1)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match="Python objects, which are never unpickled"):
            load(tmp_path / name)


def test_damaged_and_wrong_arrays(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(whole[:-8])
    with pytest.raises(ValueError, match="is truncated; shape"):
        load(tmp_path / "b.npy")
    (tmp_path / "b.npy").write_bytes(whole[:20])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load(tmp_path / "b.npy")
    (tmp_path / "b.npy").write_bytes(whole.replace(b"(3, 4, 5), }", b"(3000000,),}"))
    with pytest.raises(ValueError, match="is truncated; shape"):
        load(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", FRAMES.astype(complex))
    with pytest.raises(ValueError, match="a movie is made of real numbers"):
        load(tmp_path / "c.npy")


def test_xarray_reads_back(movie):
    labelled = to_xarray(movie)
    assert labelled.dims == ("time", "row", "column")
    assert labelled["row"].attrs["units"] == "µm"
    again = from_xarray(labelled)
    np.testing.assert_array_equal(again.frames, movie.frames)
    np.testing.assert_array_equal(again.times, movie.times)
    np.testing.assert_array_equal(again.variance, movie.variance)
    np.testing.assert_allclose(again.domain.spacing, movie.domain.spacing)
    np.testing.assert_array_equal(again.domain.inside, movie.domain.inside)
    assert again.domain.boundary == movie.domain.boundary
    assert (again.units[1:], again.reads) == (movie.units[1:], movie.reads)


def test_xarray_dimensions_decide_the_order():
    movie = from_xarray(array().transpose("x", "time", "y"))
    np.testing.assert_array_equal(movie.frames, FRAMES)
    assert (movie.domain.spacing, movie.units) == ((0.5, 0.25), ("um", "s", "counts"))


def test_xarray_colour_and_energy():
    frames = np.zeros((2, 4, 5, 3), np.float32)
    movie = Movie(frames, [700.0, 710.0], Domain((4, 5), 0.5), units=("um", "eV", "counts"), axis="energy")
    again = from_xarray(to_xarray(movie))
    assert (again.axes, again.axis, again.units) == (movie.axes, "energy", movie.units)


def test_xarray_dates_become_seconds():
    dates = np.array(["2024-01-01T00:00:00", "2024-01-01T00:00:30", "2024-01-01T00:02:00"], "datetime64[ns]")
    movie = from_xarray(array(time=("time", dates)))
    np.testing.assert_allclose(movie.times, [0, 30, 120])
    assert movie.units[1] == "s"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda a: a.rename(time="stage"), "dimensions must be time or energy"),
        (lambda a: a.drop_vars("x"), r"dimension 'x' has no coordinate; add one with"),
        (lambda a: a.drop_vars("time"), "dimension 'time' has no coordinate"),
        (lambda a: a.assign_coords(x=[0, 1, 3, 4, 5.0]), "must be at least two evenly spaced positions"),
        (lambda a: a.assign_coords(x=("x", np.arange(5.0), {"units": "nm"})), "space coordinates are in"),
        (lambda a: a.assign_coords(time=("time", [0, 2, 1.0], {"units": "s"})), "strictly increasing"),
        (lambda a: a.assign_coords(time=[0, 1.0, 5.0]), "unit of time is not stated"),
        (lambda a: a.isel(time=0), "no time or energy axis"),
        (lambda a: a.where(a > 0), "`frames` must be finite"),
    ],
)
def test_xarrays_that_do_not_say_enough(bad, message):
    with pytest.raises(ValueError, match=message) as caught:
        from_xarray(bad(array()))
    assert "DataArray 'n'" in str(caught.value)


def test_other_objects_are_a_wrong_kind():
    with pytest.raises(TypeError, match="must be an xarray DataArray, got Dataset"):
        from_xarray(array().to_dataset())


def test_without_xarray_the_extra_is_named(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"operax\[xarray\]"):
        to_xarray(plain)

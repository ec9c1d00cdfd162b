import h5py
import numpy as np
import pytest

from operax.io import load

FRAMES = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("f4")


def foreign(path, axes=("energy", "y", "x"), units=("eV", "um", "um"), name="counts", **positions):
    """An NXdata file as other programs write it."""
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry1"
        entry = file.create_group("entry1")
        entry.attrs.update(NX_class=b"NXentry", default=b"counter0")
        data = entry.create_group("counter0")
        data.attrs.update(NX_class=np.bytes_("NXdata"), signal=name, axes=np.array(axes, "S"))
        data.create_dataset(name, data=FRAMES).attrs["units"] = " "
        for axis, unit, size in zip(axes, units, FRAMES.shape):
            field = data.create_dataset(axis, data=positions.get(axis, 7 + 0.5 * np.arange(size)))
            field.attrs["units"] = unit
    return path


def test_nxdata_of_other_programs(tmp_path):
    movie = load(foreign(tmp_path / "a.h5", units=("eV", b"\xb5m", "µm")))
    np.testing.assert_array_equal(movie.frames, FRAMES)
    np.testing.assert_allclose(movie.times, [7, 7.5, 8])
    assert (movie.axis, movie.units, movie.domain.spacing) == ("energy", ("µm", "eV", "1"), (0.5, 0.5))


def test_axis_names_decide_the_order(tmp_path):
    movie = load(foreign(tmp_path / "a.h5", axes=("sample_x", "time", "sample_y"), units=("um", "s", "um")))
    assert movie.frames.shape == (4, 5, 3)
    np.testing.assert_array_equal(movie.frames[1], FRAMES[:, 1].T)


def test_old_style_signal_and_axes(tmp_path):
    path = foreign(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        data = file["entry1/counter0"]
        del data.attrs["signal"], data.attrs["axes"]
        data["counts"].attrs.update(signal=1, axes="energy:y:x")
    assert load(path).axis == "energy"


def test_standard_deviations_become_variance(tmp_path):
    path = foreign(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["entry1/counter0/counts_errors"] = np.full(FRAMES.shape, 0.5)
    np.testing.assert_allclose(load(path).variance, 0.25)


def test_unknown_axes_ask_for_axes(tmp_path):
    path = foreign(tmp_path / "a.h5", axes=("energy", "line_position", "x"))
    with pytest.raises(ValueError, match=r"stated: energy, line_position, x\); pass `axes=`"):
        load(path)
    movie = load(path, axes="eyx", spacing=0.5, units=("um", "eV", "1"))
    np.testing.assert_allclose(movie.times, [7, 7.5, 8])


def test_positions_that_are_not_even_or_not_in_one_unit(tmp_path):
    with pytest.raises(ValueError, match="positions along 'y' are not evenly spaced"):
        load(foreign(tmp_path / "a.h5", y=np.array([0, 1, 3, 4.0])))
    with pytest.raises(ValueError, match="space axes have different units"):
        load(foreign(tmp_path / "b.h5", units=("eV", "nm", "um")))


def test_plain_files_need_words(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/frames"] = FRAMES
    with pytest.raises(ValueError, match="pass `axes=`"):
        load(tmp_path / "a.h5")
    movie = load(tmp_path / "a.h5", axes="tyx", spacing=1, times=1)
    np.testing.assert_array_equal(movie.frames, FRAMES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["more"] = FRAMES + 1
    with pytest.raises(ValueError, match=r"holds 2 candidates \(deep/frames, more\); pass `dataset=`"):
        load(tmp_path / "a.h5")
    np.testing.assert_array_equal(
        load(tmp_path / "a.h5", dataset="more", axes="tyx", spacing=1, times=1).frames, FRAMES + 1
    )
    with pytest.raises(ValueError, match="'less' is missing"):
        load(tmp_path / "a.h5", dataset="less")
    with pytest.raises(ValueError, match="`dataset` of an HDF5 file is a path"):
        load(tmp_path / "a.h5", dataset=1)


def test_files_without_frames(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["text"] = "x"
    with pytest.raises(ValueError, match="holds no array of frames"):
        load(tmp_path / "a.h5")
    with pytest.raises(ValueError, match="which is no movie"):
        load(tmp_path / "a.h5", dataset="text")


def test_links_out_of_the_file_are_not_followed(tmp_path):
    foreign(tmp_path / "secret.h5")
    path = foreign(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file["entry1/counter0/counts"]
        file["entry1/counter0/counts"] = h5py.ExternalLink("secret.h5", "/entry1/counter0/counts")
    with pytest.raises(ValueError, match=r"link into another file \('secret\.h5'\), which is not followed"):
        load(path)
    with h5py.File(path, "a") as file:
        del file["entry1/counter0/counts"]
        file["out"] = h5py.ExternalLink("secret.h5", "/entry1")
        file["entry1/counter0/counts"] = h5py.SoftLink("/out/counter0/counts")
    with pytest.raises(ValueError, match="link into another file"):
        load(path)


def test_values_in_other_files_are_not_read(tmp_path):
    foreign(tmp_path / "secret.h5")
    layout = h5py.VirtualLayout(FRAMES.shape, "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "entry1/counter0/counts", FRAMES.shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", FRAMES.shape, "f4", external=str(tmp_path / "raw.bin"))
    for name in ("virtual", "external"):
        with pytest.raises(ValueError, match="lie in other files"):
            load(tmp_path / "a.h5", dataset=name)


def test_loops_of_links_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")
        file["real"] = FRAMES
        file["good"] = h5py.SoftLink("real")
        file.create_group("self").attrs["default"] = "."
        file.attrs["default"] = "self"
    with pytest.raises(ValueError, match="loop of links"):
        load(tmp_path / "a.h5", dataset="one")
    assert load(tmp_path / "a.h5", dataset="good", axes="tyx", spacing=1, times=1).frames.shape == FRAMES.shape
    with pytest.raises(ValueError, match="a\\.h5"):
        load(tmp_path / "a.h5")


def test_sizes_that_are_only_claimed_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("frames", (10**6, 10**4, 10**4), "f8", chunks=(1, 100, 100))
    with pytest.raises(ValueError, match="claims shape"):
        load(tmp_path / "a.h5", axes="tyx", spacing=1, times=1)

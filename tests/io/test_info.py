import h5py
import numpy as np
import pytest

from operax.io import info, save, write_arrays


def test_native_file_is_ready(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    found = info(tmp_path / "a.h5")
    assert (found.shape, found.axes, found.missing, found.problem) == (
        (4, 6, 8),
        ("time", "row", "column"),
        (),
        "",
    )
    assert found.value_range == (float(movie.frames[0].min()), float(movie.frames[0].max()))
    text = str(found)
    for line in (
        "schema operax-movie version 1",
        "4 x 6 x 8 float32",
        "row 0.1, column 0.3 µm",
        "0 to 2 min, not evenly",
    ):
        assert line in text
    assert "ready, nothing more is needed" in text


def test_refused_files_say_what_is_needed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5)))
    found = info(tmp_path / "a.npy")
    assert [argument for argument, _ in found.missing] == ["axes", "times", "spacing"]
    assert "needs    axes: the order of its axes is not stated" in str(found)


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\nbroken", b"II*\0", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"hello"]
)
def test_damaged_files_are_described_not_raised(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    found = info(tmp_path / "a.h5")
    assert "a.h5" in found.problem
    assert "problem" in str(found)


def test_large_files_are_not_read(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("f", data=np.zeros((50, 8, 8)), chunks=(1, 8, 8))
    read = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, at: read.append(at) or original(self, at))
    info(tmp_path / "a.h5")
    assert read == [0]


def test_arrays_are_listed(tmp_path):
    write_arrays(tmp_path / "a.h5", {"laws/mobility": np.zeros((2, 3))}, {"kind": "posterior"})
    text = str(info(tmp_path / "a.h5"))
    assert "laws/mobility (2, 3)" in text
    assert "kind = posterior" in text


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        info(tmp_path / "a.h5")


def test_real_files(real):
    text = str(info(real("stxm_fe_l23_als/71214078_raw.zip")))
    assert "700 to 730.353 eV, not evenly spaced" in text
    assert "row 0.08, column 0.08 um" in text
    text = str(info(real("neutron_capillary_rise_psi/CapillaryRise.mp4")))
    assert "155 x 222 x 256 x 3 uint8" in text
    assert "says nothing about when" in text
    assert "needs    spacing" in text

import os

import numpy as np
import pytest

from operax.io import load, read_arrays, save
from operax.io.files import sniff


def test_every_writable_suffix_reads_back(plain, tmp_path):
    for name in ("a.h5", "a.hdf5", "a.nxs", "a.tif", "a.tiff", "B.H5"):
        save(tmp_path / name, plain)
        again = load(tmp_path / name)
        np.testing.assert_array_equal(again.frames, plain.frames)
        np.testing.assert_allclose(again.times, plain.times)
        assert (again.domain, again.units) == (plain.domain, plain.units)


def test_content_decides_where_the_suffix_lies(plain, tmp_path):
    save(tmp_path / "a.h5", plain)
    os.rename(tmp_path / "a.h5", tmp_path / "a.tif")
    assert sniff(tmp_path / "a.tif") == "HDF5"
    np.testing.assert_array_equal(load(tmp_path / "a.tif").frames, plain.frames)


def test_missing_file_names_similar_ones(plain, tmp_path):
    save(tmp_path / "particle.h5", plain)
    with pytest.raises(FileNotFoundError, match=r"no file .*partcle\.h5'; similar names there: particle\.h5"):
        load(tmp_path / "partcle.h5")
    with pytest.raises(FileNotFoundError, match="nor a folder"):
        load(tmp_path / "nowhere" / "a.h5")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", b"", "the file is empty"),
        ("a.h5", b"not at all", "named as HDF5 but does not begin as one"),
        ("a.mp4", b"not at all", "named as video but"),
        ("a.doc", b"some text", "no known kind; movies are read from .h5"),
        ("a.zip", b"PK\x03\x04broken", "damaged or truncated zip"),
    ],
)
def test_files_that_are_no_movies(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)


def test_no_argument_is_swallowed(tmp_path):
    with pytest.raises(TypeError, match="fps"):
        load(tmp_path / "a.mp4", fps=3)


class Result:
    def as_arrays(self):
        return {"draws": np.arange(6.0).reshape(2, 3)}, {"kind": "test", "size": 2}


def test_results_with_arrays(tmp_path):
    save(tmp_path / "r.h5", Result())
    arrays, attributes = read_arrays(tmp_path / "r.h5")
    np.testing.assert_array_equal(arrays["draws"], np.arange(6.0).reshape(2, 3))
    assert attributes == {"kind": "test", "size": 2}
    with pytest.raises(ValueError, match="holds arrays of a result, not a movie"):
        load(tmp_path / "r.h5")


def test_what_cannot_be_saved(plain, tmp_path):
    with pytest.raises(ValueError, match=r"a Movie is written to \.h5 or \.tif"):
        save(tmp_path / "a.png", plain)
    with pytest.raises(ValueError, match=r"a Result is written to \.h5, got"):
        save(tmp_path / "a.tif", Result())
    with pytest.raises(
        TypeError, match="`save` writes a Movie, an iterator of its parts, or a result with `as_arrays`, got ndarray"
    ):
        save(tmp_path / "a.h5", np.zeros(3))
    assert os.listdir(tmp_path) == []

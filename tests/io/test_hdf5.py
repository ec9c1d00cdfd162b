import h5py
import jax
import numpy as np
import pytest
from nexusformat.nexus import nxload

from operax.domain import Domain
from operax.io import info, load, read_arrays, save, write_arrays
from operax.movie import Movie


def same(one, two):
    for name in ("frames", "times", "variance"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_array_equal(a, b)
    assert one.domain == two.domain
    assert (one.units, one.reads, one.axis) == (two.units, two.reads, two.axis)


def test_everything_reads_back_exactly(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    same(load(tmp_path / "a.h5"), movie)


def test_double_precision_reads_back_exactly(tmp_path):
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        movie = Movie(rng.normal(size=(2, 3, 4)), [0.1, 1 / 3], Domain((3, 4), 1 / 7), variance=np.float64(0.1))
        assert movie.frames.dtype == np.float64
        save(tmp_path / "a.h5", movie)
        same(load(tmp_path / "a.h5"), movie)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 4, 5)])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_lines_images_volumes_and_colour(tmp_path, shape, colours):
    frames = np.random.default_rng(0).normal(size=(2, *shape, *colours)).astype(np.float32)
    movie = Movie(frames, [700.0, 701.5], Domain(shape, 0.08), units=("um", "eV", "counts"), axis="energy")
    save(tmp_path / "a.h5", movie)
    same(load(tmp_path / "a.h5"), movie)


def test_other_programs_find_signal_axes_and_units(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    root = nxload(tmp_path / "a.h5")
    data = root.get_default()
    assert data.nxclass == "NXdata"
    assert data.nxsignal.nxname == "frames"
    assert [axis.nxname for axis in data.nxaxes] == ["time", "row", "column"]
    assert (data.nxsignal.attrs["units"], data["time"].attrs["units"], data["row"].attrs["units"]) == (
        "mol/L",
        "min",
        "µm",
    )
    np.testing.assert_allclose(data["column"].nxvalue, (np.arange(8) + 0.5) * 0.3)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["schema_version"] == 1
        assert all("units" in node.attrs for node in file["entry/movie"].values())


def test_user_words_overrule_a_native_file(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    assert load(tmp_path / "a.h5", boundary="no-flux").domain.boundary == ("no-flux", "no-flux")
    assert load(tmp_path / "a.h5", spacing=2.0, units=("nm", "min", "mol/L")).domain.spacing == (2.0, 2.0)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.95])
def test_truncated_files_are_refused(movie, tmp_path, part):
    save(tmp_path / "a.h5", movie)
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"a\.h5: is truncated, damaged or no HDF5 file"):
        load(tmp_path / "a.h5")


def test_a_flipped_bit_in_the_frames_is_noticed(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    with h5py.File(tmp_path / "a.h5") as file:
        at = file["entry/movie/frames"].id.get_chunk_info(0).byte_offset
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[at + 40] ^= 1
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"'entry/movie/frames' cannot be read; the file is damaged"):
        load(tmp_path / "a.h5")


def test_no_damage_of_single_bytes_escapes_as_another_error(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    whole = (tmp_path / "a.h5").read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 150):
        content = bytearray(whole)
        content[at] ^= 0xFF
        (tmp_path / "b.h5").write_bytes(content)
        try:
            load(tmp_path / "b.h5")
        except (ValueError, TypeError) as error:
            assert "b.h5" in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", ["frames", "time", "row"])
def test_missing_fields_are_named(movie, tmp_path, name):
    save(tmp_path / "a.h5", movie)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["entry/movie"][name]
    with pytest.raises(ValueError, match=rf"a\.h5: '{name}' is missing"):
        load(tmp_path / "a.h5")


def test_missing_attributes_are_named(movie, tmp_path):
    save(tmp_path / "a.h5", movie)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["entry/movie"].attrs["spacing"]
    with pytest.raises(ValueError, match="attribute spacing of entry/movie is missing"):
        load(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("version", "message"),
    [(2, "version 2 of the schema 'operax-movie', .* up to 1; upgrade"), ("x", "no valid `schema_version`")],
)
def test_other_schema_versions_are_refused(movie, tmp_path, version, message):
    save(tmp_path / "a.h5", movie)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["schema_version"] = version
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.h5")


def test_a_failed_write_leaves_the_old_file(movie, tmp_path, monkeypatch):
    save(tmp_path / "a.h5", movie)
    before = (tmp_path / "a.h5").read_bytes()

    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("operax.io.hdf5._field", full)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "a.h5", movie)
    assert (tmp_path / "a.h5").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_arrays_of_every_kind_read_back(tmp_path):
    arrays = {
        "laws/mobility": np.linspace(0, 1, 5, dtype=np.float32),
        "counts": np.arange(3),
        "yes": np.array([True, False]),
        "scalar": np.float64(0.1),
        "names": np.array(["a", "µ"]),
        "none": np.zeros((0, 3)),
    }
    write_arrays(tmp_path / "a.h5", arrays, {"text": "x", "n": 3, "f": 0.5})
    found, attributes = read_arrays(tmp_path / "a.h5")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype.kind == np.asarray(array).dtype.kind
    assert attributes == {"text": "x", "n": 3, "f": 0.5}


def test_arrays_that_cannot_be_kept(tmp_path, movie):
    with pytest.raises(TypeError, match="array 'a' must hold numbers, booleans or strings, got dtype object"):
        write_arrays(tmp_path / "a.h5", {"a": np.array([None])}, {})
    with pytest.raises(TypeError, match="attribute 'b' must be a string or a number, got list"):
        write_arrays(tmp_path / "a.h5", {}, {"b": [1]})
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "m.h5", movie)
    with pytest.raises(ValueError, match="holds no operax arrays"):
        read_arrays(tmp_path / "m.h5")


@pytest.mark.parametrize("name", ["frames", "inside", "variance", "time"])
def test_a_size_that_nobody_can_hold_is_refused_whatever_data_set_claims_it(tmp_path, movie, name):
    path = tmp_path / "a.h5"
    save(path, movie)
    with h5py.File(path, "r+") as file:
        del file[f"entry/movie/{name}"]
        file["entry/movie"].create_dataset(name, (2**20, 2**20, 2**10), "f8", chunks=(1, 1, 1024))
    assert "it is damaged, never written or too big" in info(path).problem
    with pytest.raises(ValueError, match="it is damaged, never written or too big"):
        load(path)

"""FITS images come out as plain numbers of the right order, with the clock that their headers state."""

import gzip

import numpy as np
import pytest

from operax.io import info, load

fits = pytest.importorskip("astropy.io.fits")
COUNTS = np.random.default_rng(0).integers(0, 60000, (3, 5, 6)).astype(np.uint16)


def write(path, values, **header):
    unit = fits.PrimaryHDU(values)
    unit.header.update(header)
    unit.writeto(path)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_every_kind_of_number(tmp_path, dtype):
    values = (COUNTS[0] // 300).astype(dtype)
    movie = load(write(tmp_path / "a.fits", values), times=[0.0], spacing=1.0)
    np.testing.assert_array_equal(movie.frames[0], values)


def test_unsigned_and_scaled_integers(tmp_path):
    path = write(tmp_path / "a.fits", COUNTS[0])
    np.testing.assert_array_equal(load(path, times=[0.0], spacing=1.0).frames[0], COUNTS[0])
    unit = fits.PrimaryHDU(COUNTS[0].astype(np.int16) // 4)
    unit.scale("int16", bscale=0.5, bzero=10.0)
    unit.writeto(tmp_path / "b.fits")
    np.testing.assert_allclose(
        load(tmp_path / "b.fits", times=[0.0], spacing=1.0).frames[0], COUNTS[0].astype(np.int16) // 4, atol=0.26
    )


def test_gzipped_image_with_its_clock(tmp_path):
    path = write(tmp_path / "a.fits", COUNTS[0], TOF=0.25)
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    movie = load(tmp_path / "a.fits.gz", spacing=1.0)
    assert (float(movie.times[0]), movie.units) == (0.25, ("px", "s", "1"))


def test_cube_has_to_be_named(tmp_path):
    path = write(tmp_path / "a.fits", COUNTS)
    with pytest.raises(ValueError, match=r"order of its axes is not stated .*NAXIS3, NAXIS2, NAXIS1"):
        load(path)
    np.testing.assert_array_equal(load(path, axes="tyx", times=1.0, spacing=1.0).frames, COUNTS)


def test_several_images(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(COUNTS[0]), fits.ImageHDU(COUNTS[1])]).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"holds 2 images, at the numbers \[1, 2\]; `dataset` picks one"):
        load(tmp_path / "a.fits")
    movie = load(tmp_path / "a.fits", dataset=2, times=[0.0], spacing=1.0)
    np.testing.assert_array_equal(movie.frames[0], COUNTS[1])


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_damage_is_named(tmp_path):
    path = write(tmp_path / "a.fits", np.ones((300, 300)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.fits: .*(truncated|damaged)"):
        load(path, times=[0.0], spacing=1.0)
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(whole)[:200])
    with pytest.raises(ValueError, match=r"b\.fits\.gz: "):
        load(tmp_path / "b.fits.gz", times=[0.0], spacing=1.0)
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"nothing of the kind"))
    with pytest.raises(ValueError, match="is gzipped, and no FITS image inside"):
        load(tmp_path / "c.gz")


def test_real_time_of_flight_folder(real):
    folder = real("neutron_tof_mcp")
    found = info(folder, dataset="*.fits.gz")
    assert found.shape == (10, 512, 512)
    movie = load(folder, dataset="*.fits.gz", spacing=1.0)
    assert movie.units[1] == "s"
    # the header holds its clock in single precision
    np.testing.assert_allclose(np.diff(movie.times), 10.24e-6, rtol=1e-4)
    frames = np.asarray(movie.frames, float)
    np.testing.assert_allclose(frames.mean(), 29.7, atol=0.1)


@pytest.mark.parametrize("word", [b"NAXIS1  ", b"NAXIS2  ", b"BITPIX  "])
def test_a_header_without_its_size_is_damage(tmp_path, word):
    path = write(tmp_path / "a.fits", COUNTS[0])
    path.write_bytes(path.read_bytes().replace(word, b"WRONG   "))
    assert "is truncated, damaged or no FITS file" in info(path).problem


@pytest.mark.filterwarnings("ignore")  # as astropy warns, and goes on
def test_units_without_end_are_refused(tmp_path):
    data = write(tmp_path / "a.fits", COUNTS[0]).read_bytes()
    # a first card that cannot be read is taken for a unit of no size, again and again
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(b'SIMPLE  =               "    T' + data[30:]))
    assert "holds more than 1000 units" in info(tmp_path / "a.fits.gz").problem

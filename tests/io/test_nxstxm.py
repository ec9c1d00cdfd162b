"""NXstxm files as different writers leave them open in one call, with energies, microns and their quirks understood."""

import h5py
import numpy as np
import pytest

from operax.io import info, load

ENERGY = np.array([700.0, 707.5, 708.2, 712.0])
Y, X = 0.2 * np.arange(5) + 3.0, -0.1 * np.arange(6)
COUNTS = np.random.default_rng(0).uniform(100, 400, (4, 5, 6))
MICRO = np.bytes_("µm".encode("latin-1"))


def write(path, signal=COUNTS, axes=("energy", "sample_y", "sample_x"), counters=("counter0",), **coordinates):
    coordinates = {"energy": ENERGY, "sample_y": Y, "sample_x": X} | coordinates
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry1")
        entry.attrs["NX_class"] = np.bytes_("NXentry")
        entry["definition"] = np.array([b"NXstxm"])
        entry["control/data"] = np.full(np.shape(signal), np.nan)  # a monitor that was never written
        entry["control"].attrs["NX_class"] = np.bytes_("NXmonitor")
        for counter in counters:
            group = entry.create_group(counter)
            group.attrs["NX_class"] = np.bytes_("NXdata")
            group["data"] = signal
            group["data"].attrs["units"] = np.bytes_(" ")
            group["stxm_scan_type"] = np.array([b"sample image stack"])
            if axes:
                group.attrs["axes"] = np.array(axes, "S13")
                group.attrs["signal"] = np.bytes_("data")
            for name, values in coordinates.items():
                group[name] = values
                group[name].attrs["units"] = np.bytes_("eV") if name == "energy" else MICRO
    return path


def check(movie):
    np.testing.assert_array_equal(movie.frames, COUNTS)
    np.testing.assert_array_equal(movie.times, ENERGY)
    np.testing.assert_allclose(movie.domain.spacing, (0.2, 0.1))
    assert (movie.axis, movie.units) == ("energy", ("um", "eV", "1"))


def test_stack_with_axes_bytes_and_latin_units(tmp_path):
    check(load(write(tmp_path / "a.hdf5")))
    assert "scan type: sample image stack" in info(tmp_path / "a.hdf5").notes


def test_axes_without_a_name_are_in_the_order_of_the_definition(tmp_path):
    check(load(write(tmp_path / "a.hdf5", axes=())))


def test_image_of_one_energy(tmp_path):
    movie = load(write(tmp_path / "a.hdf5", COUNTS[0], axes=(), energy=ENERGY[:1]))
    assert (movie.frames.shape, float(movie.times[0]), movie.axis) == ((1, 5, 6), 700.0, "energy")


def test_one_of_several_detectors_is_asked_for(tmp_path):
    path = write(tmp_path / "a.hdf5", counters=("counter0", "counter1"))
    with pytest.raises(ValueError, match=r"holds 2 regions or detectors \(/entry1/counter0, /entry1/counter1\)"):
        load(path)
    check(load(path, dataset="entry1/counter1"))


def test_line_spectrum_has_the_stage_distance_as_pixel_size(tmp_path):
    x, y = 3.0 * np.arange(7), 4.0 - 4.0 * np.arange(7)
    line = {"sample_x": x, "sample_y": y, "line_position": np.arange(7)}
    path = write(tmp_path / "a.hdf5", np.ones((4, 7)), axes=("energy", "line_position"), **line)
    movie = load(path)
    assert (movie.frames.shape, movie.axis) == ((4, 7), "energy")
    np.testing.assert_allclose(movie.domain.spacing, 5.0)
    uneven = line | {"sample_x": x**2}
    path = write(tmp_path / "b.hdf5", np.ones((4, 7)), axes=("energy", "line_position"), **uneven)
    with pytest.raises(ValueError, match="positions along its line are not evenly spaced"):
        load(path)


def test_lengths_that_fit_no_axis_are_asked_for(tmp_path):
    path = write(tmp_path / "a.hdf5", np.ones((4, 5, 9)), axes=())
    with pytest.raises(ValueError, match="order of its axes is not stated"):
        load(path)


def test_real_image_and_line_spectrum(real):
    image = load(real("stxm_nxstxm_sls/Sample_Image_2021-03-16_095.hdf5"))
    assert (image.frames.shape, image.axis, image.units) == ((1, 50, 50), "energy", ("um", "eV", "1"))
    assert (image.domain.spacing, float(image.times[0])) == ((1.0, 1.0), 350.0)
    line = load(real("stxm_nxstxm_sls/Sample_Line_2021-03-16_096.hdf5"))
    assert (line.frames.shape, line.units) == ((81, 50), ("um", "eV", "1"))
    np.testing.assert_allclose(line.domain.spacing, 0.3, rtol=1e-6)
    np.testing.assert_allclose(line.times, np.arange(280, 320.1, 0.5))

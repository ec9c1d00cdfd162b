import numpy as np
import pytest
import tifffile

from operax.domain import Domain
from operax.io import info, load, save
from operax.movie import Movie

FRAMES = np.random.default_rng(0).integers(0, 4000, (4, 6, 8)).astype(np.uint16)


def test_written_files_are_ome_for_others(plain, tmp_path):
    save(tmp_path / "a.tif", plain)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "TYX"
        np.testing.assert_array_equal(file.asarray(), plain.frames)
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.1, 0.3, "µm")
    assert [plane["DeltaT"] for plane in pixels["Plane"]] == [0, 0.5, 1.25, 7]


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8)])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_images_volumes_and_colour_read_back(tmp_path, shape, colours):
    frames = np.random.default_rng(0).normal(size=(4, *shape, *colours)).astype(np.float32)
    movie = Movie(frames, [0, 1, 2.5, 9], Domain(shape, np.arange(1, len(shape) + 1) / 8), units=("nm", "ms", "1"))
    save(tmp_path / "a.tif", movie)
    again = load(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.frames, movie.frames)
    np.testing.assert_array_equal(again.times, movie.times)
    assert (again.axes, again.domain, again.units) == (movie.axes, movie.domain, movie.units)


def test_what_is_not_kept_is_said(movie, tmp_path):
    with pytest.warns(UserWarning, match=r"does not keep variance, the mask, the boundary, `reads`, .*'mol/L'"):
        save(tmp_path / "a.tif", movie)
    assert load(tmp_path / "a.tif").variance is None


def test_what_tiff_cannot_hold(plain, tmp_path):
    with pytest.raises(ValueError, match="images over time, not axes"):
        save(tmp_path / "a.tif", plain.replace(axis="energy"))
    with pytest.raises(ValueError, match="images over time, not axes"):
        save(tmp_path / "a.tif", plain.mean("column"))
    with pytest.raises(ValueError, match=r"knows the units of length .* got 'furlong'"):
        save(tmp_path / "a.tif", plain.replace(units=("furlong", "s", "1")))
    assert list(tmp_path.iterdir()) == []


def test_imagej_scale_and_interval(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        FRAMES,
        imagej=True,
        resolution=(10.0, 5.0),
        metadata={"axes": "TYX", "finterval": 2.5, "unit": "\\u00B5m", "fps": 7},
    )
    movie = load(tmp_path / "a.tif")
    np.testing.assert_array_equal(movie.frames, FRAMES)
    np.testing.assert_allclose(movie.times, [0, 2.5, 5, 7.5])
    assert (movie.domain.spacing, movie.units) == ((0.2, 0.1), ("um", "s", "1"))


def test_imagej_without_calibration_asks(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, imagej=True, metadata={"axes": "TYX", "fps": 7})
    with pytest.raises(ValueError, match=r"pass `times=`.*pass `spacing=`"):
        load(tmp_path / "a.tif")


def test_imagej_planes_are_not_taken_for_frames(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        FRAMES,
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 3.0},
    )
    with pytest.raises(ValueError, match="or `axes=` if one of its axes really is time"):
        load(tmp_path / "a.tif")
    movie = load(tmp_path / "a.tif", axes="tyx", times=1.0)
    assert (movie.domain.spacing, movie.units) == ((0.25, 0.25), ("um", "frame", "1"))
    assert load(tmp_path / "a.tif", times=[0.0]).domain.spacing == (3.0, 0.25, 0.25)


def test_plain_stack_asks_for_all(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, metadata={"axes": "TYX"}, resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(ValueError, match=r"pass `times=`.*pass `spacing=`"):
        load(tmp_path / "a.tif")
    assert load(tmp_path / "a.tif", times=1, spacing=1).units == ("px", "frame", "1")
    with tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        for frame in FRAMES:
            writer.write(frame, contiguous=False, metadata=None, compression="zlib")
    with pytest.raises(ValueError, match=r"stated: IYX\); pass `axes=`"):
        load(tmp_path / "b.tif", times=1, spacing=1)
    np.testing.assert_array_equal(load(tmp_path / "b.tif", axes="tyx", times=1, spacing=1).frames, FRAMES)


def test_a_short_stack_is_not_taken_for_colour(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", FRAMES.astype(np.uint8), photometric="rgb", planarconfig="separate", metadata=None
    )
    with pytest.raises(ValueError, match=r"stated: SYX\); pass `axes=`"):
        load(tmp_path / "a.tif", times=1, spacing=1)


def test_colour_is_a_channel_axis(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 6, 8, 3), np.uint8), photometric="rgb", metadata={"axes": "TYXS"})
    assert load(tmp_path / "a.tif", times=1, spacing=1).axes == ("time", "row", "column", "channel")


def test_several_series_need_a_number(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(FRAMES, metadata={"axes": "TYX"})
        writer.write(FRAMES[:, :3], metadata={"axes": "TYX"})
    with pytest.raises(ValueError, match="holds 2 series"):
        load(tmp_path / "a.tif", times=1, spacing=1)
    assert load(tmp_path / "a.tif", times=1, spacing=1, dataset=1).domain.shape == (3, 8)
    with pytest.raises(ValueError, match="number from 0 to 1, got 'x'"):
        load(tmp_path / "a.tif", dataset="x")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.98])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated_files_are_refused(tmp_path, part, compression):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in FRAMES:
            writer.write(frame, contiguous=False, metadata=None, compression=compression)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"a\.tif: is truncated"):
        load(tmp_path / "a.tif", axes="tyx", times=1, spacing=1)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_ome_files_are_refused(plain, tmp_path, part):
    save(tmp_path / "a.tif", plain)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"a\.tif: "):
        load(tmp_path / "a.tif", axes="tyx", times=1, spacing=1)


def test_real_stacks(real):
    with pytest.raises(ValueError, match="QYX"):
        load(real("camera_noise_static/stuck.tif"), times=1, spacing=1)
    movie = load(real("camera_noise_static/stuck.tif"), axes="tyx", times=1, spacing=1)
    assert (movie.frames.shape, float(movie.frames.min()), float(movie.frames.max())) == (
        (5, 512, 512),
        477,
        576,
    )
    dark = load(real("neutron_stepwedge_psi/bb_masked.tif"), times=[0.0], spacing=43.99, units=("um", "frame", "1"))
    assert dark.frames.shape == (1, 900, 1500)


def test_compression_that_needs_a_package(real):
    try:
        import imagecodecs  # noqa: F401

        pytest.skip("imagecodecs is installed, so LZW can be read")
    except ImportError:
        pass
    with pytest.raises(ImportError, match="needs the package imagecodecs"):
        load(real("electrode_nmc_xct_slice/NMC_90wt_2000bar_115.tif"), times=[0.0], spacing=1)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_form_a_loop_are_refused(tmp_path, bigtiff):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for _ in range(3):
            file.write(np.zeros((4, 5), np.uint8), contiguous=False)
    with tifffile.TiffFile(path) as file:
        pages = list(file.pages)
        order, (count, tag, step) = "little", (8, 20, 8) if bigtiff else (2, 12, 4)
        ends = [page.offset + count + len(page.tags) * tag for page in pages]
    data = bytearray(path.read_bytes())
    data[ends[2] : ends[2] + step] = pages[1].offset.to_bytes(step, order)
    path.write_bytes(data)
    assert "its pages form a loop" in info(path).problem


def test_an_image_without_a_size_is_no_defect_of_ours(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8))
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageLength"].overwrite(0)
        file.pages[0].tags["ImageWidth"].overwrite(0)
    with pytest.raises(ValueError, match=r"a\.tif"):
        load(path, spacing=1.0, times=1.0)

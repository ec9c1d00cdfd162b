"""Pictures and folders of images become movies in the order in which people number them."""

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from operax.io import info, load

COLOUR = np.random.default_rng(0).integers(0, 255, (5, 6, 3)).astype(np.uint8)


def test_png_is_exact_and_jpeg_is_close(tmp_path):
    imageio.imwrite(tmp_path / "a.png", COLOUR)
    movie = load(tmp_path / "a.png", times=[0.0], spacing=1.0)
    assert movie.axes == ("time", "row", "column", "channel")
    np.testing.assert_array_equal(movie.frames[0], COLOUR)
    smooth = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    imageio.imwrite(tmp_path / "a.jpg", smooth)
    np.testing.assert_allclose(load(tmp_path / "a.jpg", times=[0.0], spacing=1.0).frames[0], smooth, atol=4)


def test_sixteen_bit_and_grey_png(tmp_path):
    deep = np.arange(30, dtype=np.uint16).reshape(5, 6) * 2000
    imageio.imwrite(tmp_path / "a.png", deep)
    np.testing.assert_array_equal(load(tmp_path / "a.png", times=[0.0], spacing=1.0).frames[0], deep)


def test_folder_is_read_in_natural_order(tmp_path):
    for i in (2, 10, 1):
        tifffile.imwrite(tmp_path / f"frame{i}.tif", np.full((4, 5), i, ">u2"))
    movie = load(tmp_path, times=0.5, spacing=1.0, units=("px", "s", "1"))
    np.testing.assert_array_equal(movie.frames[:, 0, 0], [1, 2, 10])
    np.testing.assert_array_equal(movie.times, [0.0, 0.5, 1.0])
    assert "3 files, frame1.tif to frame10.tif" in info(tmp_path).notes


def test_pattern_picks_part_of_a_folder(tmp_path):
    for name, value in (("dark_1", 0), ("sample_1", 1), ("sample_2", 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((4, 5), value, np.float32))
    assert load(tmp_path, dataset="sample_*.tif", times=1.0, spacing=1.0).frames.shape == (2, 4, 5)
    with pytest.raises(ValueError, match=r"holds no image that matches 'open_\*\.tif'"):
        load(tmp_path, dataset="open_*.tif")
    with pytest.raises(ValueError, match="is a pattern of names"):
        load(tmp_path, dataset=3)


def test_what_does_not_belong_together_is_refused(tmp_path):
    imageio.imwrite(tmp_path / "a.png", COLOUR)
    tifffile.imwrite(tmp_path / "b.tif", COLOUR)
    with pytest.raises(ValueError, match=r"mixes kinds of images .*pick one with `dataset=`"):
        load(tmp_path, times=1.0, spacing=1.0)
    imageio.imwrite(tmp_path / "c.png", COLOUR[:4])
    with pytest.raises(ValueError, match=r"'c\.png' has shape \(4, 6, 3\), 'a\.png' has \(5, 6, 3\)"):
        load(tmp_path, dataset="*.png", times=1.0, spacing=1.0)


def test_stack_in_a_folder_of_images_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 5), np.uint8))
    with pytest.raises(ValueError, match="holds more than one image"):
        load(tmp_path, times=1.0, spacing=1.0)


def test_empty_folder_and_broken_picture(tmp_path):
    with pytest.raises(ValueError, match=r"the folder holds no image .* and no STXM \.hdr"):
        load(tmp_path)
    imageio.imwrite(tmp_path / "a.png", COLOUR)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.png: is truncated, damaged or no picture"):
        load(tmp_path / "a.png", times=[0.0], spacing=1.0)
    with pytest.raises(ValueError, match="`dataset` cannot be used"):
        load(tmp_path / "a.png", dataset=1)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<f4", ">f4", "<f8", ">i4"])
def test_every_kind_of_number_in_a_tiff(tmp_path, dtype):
    values = np.arange(60).reshape(3, 4, 5).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    np.testing.assert_array_equal(load(tmp_path / "a.tif", axes="tyx", times=1.0, spacing=1.0).frames, values)


def test_values_that_are_not_numbers_need_a_mask(tmp_path):
    values = np.arange(60.0).reshape(3, 4, 5)
    values[:, 0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    how = {"axes": "tyx", "times": 1.0, "spacing": 1.0}
    with pytest.raises(ValueError, match=r"3 values are NaN or infinite.*mask those pixels"):
        load(tmp_path / "a.tif", **how)
    assert load(tmp_path / "a.tif", inside=np.isfinite(values[0]), **how).domain.masked


def test_real_micrographs(real):
    movie = load(real("optical_graphene_flakes"), times=1.0, spacing=1.0)
    assert movie.frames.shape == (6, 1200, 1920, 3)

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from operax.io import load


def write(path, frames, *options):
    """A video of grey frames, lossless where the codec is."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-nostdin",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
    ]
    command += ["-s", f"{frames.shape[2]}x{frames.shape[1]}", "-r", "10", "-i", "-", *options, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


FRAMES = np.random.default_rng(0).integers(0, 255, (12, 32, 48)).astype(np.uint8)


def test_lossless_video_reads_back(tmp_path):
    write(tmp_path / "a.avi", FRAMES, "-c:v", "ffv1")
    movie = load(tmp_path / "a.avi", channel="grey", spacing=1, times=1)
    assert movie.units == ("px", "frame", "1")
    np.testing.assert_array_equal(movie.frames, FRAMES)
    colour = load(tmp_path / "a.avi", spacing=0.5, times=2.0, units=("mm", "s", "1"))
    assert colour.axes == ("time", "row", "column", "channel")
    np.testing.assert_allclose(colour.times[:3], [0, 2, 4])


def test_playback_rate_is_not_time(tmp_path):
    write(tmp_path / "a.avi", FRAMES, "-c:v", "ffv1")
    with pytest.raises(ValueError, match=r"the time of its frames is not stated; pass `times=`.*pass `spacing=`"):
        load(tmp_path / "a.avi")
    with pytest.raises(ValueError, match="`dataset` cannot be used"):
        load(tmp_path / "a.avi", dataset=0)


def test_name_that_looks_like_an_option(tmp_path, monkeypatch):
    write(tmp_path / "-y.avi", FRAMES, "-c:v", "ffv1")
    monkeypatch.chdir(tmp_path)
    assert len(load("-y.avi", spacing=1, times=1)) == 12


@pytest.mark.parametrize("options", [("-c:v", "libx264"), ("-c:v", "libx264", "-movflags", "+faststart")])
@pytest.mark.parametrize("part", [0.1, 0.6])
def test_truncated_video_is_refused(tmp_path, options, part):
    write(tmp_path / "a.mp4", np.tile(FRAMES, (5, 1, 1)), *options)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"a\.mp4: .*(truncated|damaged)"):
        load(tmp_path / "a.mp4", spacing=1, times=1)


def test_no_video(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom" + b"\0" * 200)
    with pytest.raises(ValueError, match="truncated, damaged or no video"):
        load(tmp_path / "a.mp4", spacing=1, times=1)


def test_real_neutron_movie(real):
    movie = load(real("neutron_capillary_rise_psi/CapillaryRise.mp4"), channel="grey", spacing=1, times=1.0)
    assert movie.frames.shape == (155, 222, 256)
    assert 0 <= float(movie.frames.min()) < float(movie.frames.max()) <= 255

"""Video (MP4, AVI and others) through ffmpeg: read as a colour movie with values from 0 to 255; pictures written."""

import itertools
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from .atomic import replacing
from .recording import Recording

# What ffmpeg is asked for: H.264, which every browser plays and which takes even sizes only; a GIF with a palette.
WRITTEN = {
    ".mp4": "-vf pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white -c:v libx264 -crf 18 -pix_fmt yuv420p -movflags +faststart "
    "-f mp4",
    ".gif": "-filter_complex split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none -f gif",
}

# A container rounds its own duration; a file cut short lacks far more than this part of its frames.
SHORT = 0.01


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What a video states of a movie: its frames, and neither pixel size nor time between frames.

    The frame rate in a video says how fast it is shown, not how fast it was taken, so times must be given.

    Raises
    ------
    ValueError
        If it is damaged, no video, or ``dataset`` is given.

    Notes
    -----
    Lossy compression smooths noise and correlates it over space and time: what is read here is good for
    fronts and shapes, not for the statistics of noise.
    """
    if dataset is not None:
        raise ValueError(f"{path}: a video holds one movie, `dataset` cannot be used; leave it out.")
    rate, seconds = _clock(path)
    first = next(_frames(path), None)
    if first is None:
        raise ValueError(f"{path}: no frame can be decoded; it is truncated, damaged or no video.")
    try:
        count, _ = imageio_ffmpeg.count_frames_and_secs(os.path.abspath(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: its frames cannot be counted; it is truncated or damaged.") from error
    if count < rate * seconds * (1 - SHORT) - 2:
        raise ValueError(f"{path}: says that it lasts {rate * seconds:.0f} frames, holds {count}; it is truncated.")
    return Recording(
        path=os.fspath(path),
        format="video",
        shape=(count, *first.shape),
        dtype="uint8",
        read=lambda: _all_frames(path, (count, *first.shape)),
        first=lambda: first,
        axes=("time", "row", "column", "channel"),
        notes=(f"shown at {rate:g} frames a second, which says nothing about when the frames were taken",),
    )


def _ffmpeg(path) -> list[str]:
    # absolute, as a name may begin with a dash; only local files, as a playlist may name an address
    exe = imageio_ffmpeg.get_ffmpeg_exe()
    return [exe, "-nostdin", "-hide_banner", "-protocol_whitelist", "file", "-i", os.path.abspath(path)]


def _clock(path) -> tuple[float, float]:
    """Playback rate (frames a second) and duration (s), zero where the container does not say."""
    said = subprocess.run(_ffmpeg(path), capture_output=True, check=False).stderr.decode("utf-8", "replace")
    if not re.search(r"Stream #.*Video:", said):
        cause = said.strip().splitlines()[-1] if said.strip() else "ffmpeg says nothing"
        raise ValueError(f"{path}: is truncated, damaged or no video ({cause}).")
    rate = re.search(r"([\d.]+) fps", said)
    lasts = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    seconds = sum(float(part) * scale for part, scale in zip(lasts.groups(), (3600, 60, 1))) if lasts else 0.0
    return float(rate[1]) if rate else 0.0, seconds


def _frames(path) -> Iterator[np.ndarray]:
    """Every frame once, shape (row, column, 3), whatever the clock of playback says."""
    # PPM repeats the size before each frame, so nothing has to be read from ffmpeg's log
    asked = [
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "image2pipe",
        "-c:v",
        "ppm",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    with subprocess.Popen(
        _ffmpeg(path) + asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as ffmpeg:
        assert ffmpeg.stdout is not None
        try:
            while ffmpeg.stdout.readline().strip() == b"P6":
                width, height = map(int, ffmpeg.stdout.readline().split())
                ffmpeg.stdout.readline()
                data = ffmpeg.stdout.read(width * height * 3)
                if len(data) < width * height * 3:
                    break
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        finally:
            ffmpeg.kill()


def _all_frames(path, shape: tuple[int, ...]) -> np.ndarray:
    frames, read = np.empty(shape, np.uint8), 0
    for frame in _frames(path):
        if read == len(frames) or frame.shape != shape[1:]:
            raise ValueError(f"{path}: frame {read} of shape {frame.shape} does not fit {shape}; it is damaged.")
        frames[read] = frame
        read += 1
    if read != len(frames):
        raise ValueError(f"{path}: holds {len(frames)} frames, {read} can be decoded; it is truncated or damaged.")
    return frames


def write_video(path: str | os.PathLike, frames: Iterable[UInt8[np.ndarray, "row column 3"]], rate: float) -> Path:
    """Write RGB pictures to an MP4 or GIF, whole or not at all.

    Parameters
    ----------
    path
        File to write, ``.mp4`` or ``.gif``.
    frames
        Pictures of one size, asked for one by one.
    rate
        Pictures shown in a second.

    Raises
    ------
    ValueError
        If the suffix is neither, the rate is not positive, there is no picture, or sizes differ.
    RuntimeError
        If ffmpeg cannot write them.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise ValueError(f"a film is written to {' or '.join(WRITTEN)}, got `path` {os.fspath(path)!r}.")
    if not 0 < rate < 1000:
        raise ValueError(f"`rate` must be positive and below 1000 frames a second, got {rate}.")
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError(f"{os.fspath(path)!r}: there is no frame to write.")
    exe, (height, width, _) = imageio_ffmpeg.get_ffmpeg_exe(), first.shape
    given = f"-hide_banner -loglevel error -y -f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {rate} -i pipe:0"
    with replacing(path) as part:
        command = [exe, *given.split(), *WRITTEN[suffix].split(), os.fspath(part)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
            assert ffmpeg.stdin is not None
            assert ffmpeg.stderr is not None
            try:
                for picture in itertools.chain([first], pictures):
                    if picture.shape != first.shape:
                        raise ValueError(f"pictures of a film must have one size, got {first.shape}, {picture.shape}.")
                    ffmpeg.stdin.write(np.ascontiguousarray(picture, np.uint8).tobytes())
                ffmpeg.stdin.close()
            except BrokenPipeError:
                pass  # what ffmpeg says of it follows
            except BaseException:
                ffmpeg.kill()
                raise
            said = ffmpeg.stderr.read().decode("utf-8", "replace").strip()
        if ffmpeg.returncode != 0:
            raise RuntimeError(f"ffmpeg could not write {os.fspath(path)!r}: {said or 'it says nothing'}.")
    return Path(path)

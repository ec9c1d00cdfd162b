"""Movies are read and written in parts, and the parts make the whole."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile

from operax.domain import Domain
from operax.io import load, save
from operax.movie import Movie

FRAMES = np.random.default_rng(0).uniform(size=(7, 5, 6)).astype(np.float32)


def files(folder):
    np.save(folder / "a.npy", FRAMES)
    tifffile.imwrite(folder / "a.tif", FRAMES, photometric="minisblack")
    with h5py.File(folder / "a.h5", "w") as file:
        file["frames"] = FRAMES
    (folder / "single").mkdir()
    for i, frame in enumerate(FRAMES):
        tifffile.imwrite(folder / "single" / f"{i}.tif", frame)
    return [folder / "a.npy", folder / "a.tif", folder / "a.h5", folder / "single"]


def test_part_of_every_format(tmp_path):
    for path in files(tmp_path):
        how = {"spacing": 1.0, "times": 0.5, "units": ("px", "s", "1")}
        how |= {} if path.is_dir() else {"axes": "tyx"}
        part = load(path, frames=slice(2, 5), **how)
        np.testing.assert_array_equal(part.frames, FRAMES[2:5])
        np.testing.assert_array_equal(part.times, [1.0, 1.5, 2.0])
        assert len(load(path, frames=slice(-1, None), **how)) == 1
        with pytest.raises(ValueError, match="`frames` keeps none of the 7 frames"):
            load(path, frames=slice(7, 9), **how)
        with pytest.raises(TypeError, match="`frames` must be a slice of step one"):
            load(path, frames=slice(0, 7, 2), **how)


def test_part_along_an_axis_that_is_not_first(tmp_path):
    np.save(tmp_path / "a.npy", np.moveaxis(FRAMES, 0, 2))
    part = load(tmp_path / "a.npy", axes="yxt", times=1.0, spacing=1.0, frames=slice(1, 3))
    np.testing.assert_array_equal(part.frames, FRAMES[1:3])


@pytest.mark.parametrize("variance", [None, 0.25, "full"])
def test_parts_make_the_whole(tmp_path, variance):
    variance = FRAMES**2 if isinstance(variance, str) else variance
    movie = Movie(FRAMES, np.arange(7.0) ** 2, Domain((5, 6), 0.1), variance=variance, units=("um", "s", "OD"))
    save(tmp_path / "whole.h5", movie)
    source = tmp_path / "whole.h5"
    parts = (load(source, frames=slice(i, i + 3)) for i in (0, 3, 6))
    if np.ndim(variance) == 0 and variance is not None:
        parts = (p.replace(variance=np.broadcast_to(p.variance, p.frames.shape)) for p in parts)
    save(tmp_path / "parts.h5", parts)
    again = load(tmp_path / "parts.h5")
    np.testing.assert_array_equal(again.frames, movie.frames)
    np.testing.assert_array_equal(again.times, movie.times)
    assert (again.units, again.domain) == (movie.units, movie.domain)
    if variance is not None:
        np.testing.assert_allclose(again.variance, np.broadcast_to(variance, FRAMES.shape))


def test_parts_that_do_not_belong_together(tmp_path):
    movie = Movie(FRAMES, np.arange(7.0), Domain((5, 6)))
    path = tmp_path / "a.h5"
    with pytest.raises(ValueError, match=r"must follow each other; one begins at 0 after a frame at 6"):
        save(path, iter([movie, movie]))
    later = movie.replace(times=movie.times + 7)
    with pytest.raises(ValueError, match="must agree in domain, units"):
        save(path, iter([movie, later.replace(units=("um", "s", "1"))]))
    with pytest.raises(ValueError, match="there is no movie to write"):
        save(path, iter([]))
    with pytest.raises(ValueError, match=r"is written to \.h5"):
        save(tmp_path / "a.tif", iter([movie]))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_movie_larger_than_its_memory_is_worked_through(tmp_path):
    """Two thousand frames of 512² go from file to file through a temporal mean in under 4 GB."""
    script = f"""
import resource
import numpy as np
import operax as ox
size, count, piece = 512, 2000, 50
source, target = {str(tmp_path / "raw.npy")!r}, {str(tmp_path / "clean.h5")!r}
raw = np.lib.format.open_memmap(source, mode="w+", dtype=np.uint16, shape=(count, size, size))
for i in range(0, count, piece):
    raw[i : i + piece] = np.random.default_rng(i).poisson(100, (piece, size, size))
raw.flush()
del raw
how = dict(axes="tyx", times=1.0, spacing=1.0)
smooth = ox.denoise.TemporalMean(3, ox.noise.PoissonGaussian(1.0))
def pieces():
    for first in range(0, count, piece):
        low, high = max(first - 1, 0), min(first + piece + 1, count)
        clean = smooth(ox.load(source, frames=slice(low, high), **how))
        yield clean[first - low : first - low + min(piece, count - first)].replace(variance=None)
ox.save(target, pieces())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 4e9
    assert load(tmp_path / "clean.h5", frames=slice(1999, 2000)).frames.shape == (1, 512, 512)

"""A movie of 2,000 frames of 512², from file to file, in bounded memory."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

import operax as ox

SIZE, COUNT = 512, 2000
# Frames saved at a time (in parts of equal length, because all must have read as far), frames that a blind prediction
# reads beyond them, frames trained on.
PIECE, REACH, SHOWN = 50, 2, 48
HOW = {"axes": "tyx", "times": 1.0, "spacing": 1.0}
NOISE = ox.noise.PoissonGaussian(1.0)


def level(t: int) -> np.ndarray:
    """Blobs that drift, of about a hundred counts a pixel."""
    row, column = np.mgrid[:SIZE, :SIZE] / 20.0
    return 100 + 50 * np.sin(row + 0.02 * t) * np.cos(column - 0.01 * t)


def write(path: Path, count: int = COUNT) -> None:
    """Counts of 16 bits."""
    raw = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=(count, SIZE, SIZE))
    for t in range(count):
        raw[t] = np.random.default_rng(t).poisson(level(t))
    raw.flush()


def clean(source: Path, target: Path, steps: int) -> None:
    """Read, denoise and write piece by piece, by a network trained on a few frames or, without steps, by low rank."""
    change, reach = ox.denoise.LowRank(None, NOISE), 0
    if steps:
        network = ox.denoise.BlindSpot(REACH, width=4)
        shown = ox.load(source, frames=slice(0, SHOWN), **HOW)
        denoiser = ox.denoise.train(shown, NOISE, key=jax.random.key(0), network=network, steps=steps)
        change, reach = denoiser.blind, REACH

    def pieces():
        for first in range(0, COUNT, PIECE):
            low, high = max(first - reach, 0), min(first + PIECE + reach, COUNT)
            whole = change(ox.load(source, frames=slice(low, high), **HOW))
            yield whole[first - low : first - low + min(PIECE, COUNT - first)]
            print(f"{first} {time.perf_counter():.0f} s, {peak() / 1e9:.2f} GB", flush=True)

    ox.save(target, pieces())
    print("peak", peak())


def peak() -> int:
    """Highest memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def long(data: Path, steps: int, key) -> dict:
    """Counts of 2,000 frames of 512² from file to file, low rank of 50 frames at a time: its highest memory."""
    return {"rows": {"LowRank(None, noise)": worked(0)}}


def long_network(data: Path, steps: int, key) -> dict:
    """The same by blind predictions of a small network, which takes an hour on a core."""
    return {"rows": {"BlindSpot(reach=2, width=4), blind": worked(steps)}}


def worked(steps: int) -> dict:
    """Memory, seconds and error of one movie worked through in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "raw.npy", Path(folder) / "clean.h5"
        write(source)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, str(source), str(target), str(steps)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds, last = time.perf_counter() - start, ox.load(target, frames=slice(COUNT - 1, COUNT))
        error = float(np.sqrt(((np.asarray(last.frames[0]) - level(COUNT - 1)) ** 2).mean()))
        stored = target.stat().st_size
    return {
        "peak memory [GB]": float(done.stdout.split()[-1]) / 1e9,
        "file read [GB]": COUNT * SIZE**2 * 2 / 1e9,
        "file written [GB]": stored / 1e9,
        "seconds": seconds,
        "rmse of the last frame": error,
        "rmse of its counts": 10.0,
    }


if __name__ == "__main__":
    clean(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

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
# Frames saved at a time, frames read beyond them, frames trained on.
PIECE, MARGIN, SHOWN = 96, 24, 48
HOW = {"axes": "tyx", "times": 1.0, "spacing": 1.0}
NOISE = ox.noise.PoissonGaussian(1.0)


def write(path: Path) -> None:
    """Counts of 16 bits: blobs that drift, seen with about a hundred counts a pixel."""
    raw = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=(COUNT, SIZE, SIZE))
    row, column = np.mgrid[:SIZE, :SIZE] / 20.0
    for t in range(COUNT):
        level = 100 + 50 * np.sin(row + 0.02 * t) * np.cos(column - 0.01 * t)
        raw[t] = np.random.default_rng(t).poisson(level)
    raw.flush()


def clean(source: Path, target: Path, steps: int) -> None:
    """Train on a few frames, then read, denoise and write piece by piece; says the highest memory at each stage."""
    network = ox.denoise.BlindSpot(reach=2, width=4)
    shown = ox.load(source, frames=slice(0, SHOWN), **HOW)
    denoiser = ox.denoise.train(shown, NOISE, key=jax.random.key(0), network=network, steps=steps)
    print("values put back:", denoiser.posterior, denoiser.reasons, flush=True)
    margin = MARGIN if denoiser.posterior else 8

    def pieces():
        for first in range(0, COUNT, PIECE):
            # blocks of eight frames begin at the same places whatever part of the movie is read
            low, high = max(first - margin, 0), min(first + PIECE + margin, COUNT)
            whole = denoiser(ox.load(source, frames=slice(low, high), **HOW))
            yield whole[first - low : first - low + min(PIECE, COUNT - first)]
            print(f"{first} {time.perf_counter():.0f} s, {peak() / 1e9:.2f} GB", flush=True)

    ox.save(target, pieces())
    print("peak", peak())


def peak() -> int:
    """Highest memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def long(data: Path, steps: int, key) -> dict:
    """Counts of 2,000 frames of 512² denoised from file to file in a process of its own: its highest memory."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "raw.npy", Path(folder) / "clean.h5"
        write(source)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, str(source), str(target), str(steps)], check=True, capture_output=True, text=True
        )
        seconds, last = time.perf_counter() - start, ox.load(target, frames=slice(COUNT - 1, COUNT))
        row, column = np.mgrid[:SIZE, :SIZE] / 20.0
        level = 100 + 50 * np.sin(row + 0.02 * (COUNT - 1)) * np.cos(column - 0.01 * (COUNT - 1))
        error = float(np.sqrt(((np.asarray(last.frames[0]) - level) ** 2).mean()))
        stored = target.stat().st_size
    memory = float(done.stdout.split()[-1])
    return {
        "rows": {
            "BlindSpot(reach=2, width=4)": {
                "peak memory [GB]": memory / 1e9,
                "file read [GB]": COUNT * SIZE**2 * 2 / 1e9,
                "file written [GB]": stored / 1e9,
                "seconds": seconds,
                "rmse of the last frame": error,
                "rmse of its counts": 10.0,
            }
        }
    }


if __name__ == "__main__":
    clean(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

"""Milliseconds of a training step and of a denoised megapixel, beside the same network in PyTorch.

Run ``python benchmarks/denoise_speed.py [--torch PYTHON] [--rounds 5] [--large]``. Ours and theirs take turns on the
same cores; a round gives one ratio of medians, the table the median of the ratios. ``--large`` instead trains on a
movie of 1,000 frames of 512² and writes it denoised. Writes results/denoise_speed.json.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
from instruments import long

from operax import Domain, Movie, denoise, load, noise
from operax import save as write
from operax.io import replacing

HERE = Path(__file__).parent
REACH, WIDTH, PATCH, STEPS = 10, 16, 64, 50
# Pixels along a side of movies denoised; frames of the large one.
SIDES, FRAMES = (96, 256), 1000


def ours(movie, batch) -> list[float]:
    """Milliseconds a step, of stretches of 25, the first left out."""
    ends = []
    network = denoise.BlindSpot(REACH, WIDTH)
    denoise.train(
        movie,
        noise.Gaussian(0.2),
        key=jax.random.key(0),
        network=network,
        steps=25 + STEPS,
        batch=batch,
        patch=PATCH,
        progress=lambda *_: ends.append(time.perf_counter()),
    )
    return [1e3 * (b - a) / 25 for a, b in pairwise(ends)]


def theirs(python, batch) -> list[float]:
    command = [python, str(HERE / "denoising" / "network.py"), *map(str, (REACH, WIDTH, batch, PATCH, STEPS + 10))]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[10:]


def inference(side: int) -> dict[str, float]:
    """Seconds to denoise a frame of a million pixels of movies of 32 and, in pieces, of 96 frames."""
    denoiser = denoise.train(
        random(96), noise.Gaussian(0.2), key=jax.random.key(0), network=denoise.BlindSpot(REACH, WIDTH), steps=1
    )
    # One step does not calibrate spreads; filtered values are put back all the same, for they take their time.
    denoiser = dataclasses.replace(denoiser, posterior=True)
    whole, pieces = random(side), random(side, 96)
    return {
        "at once": seconds(lambda: denoiser(whole).frames, whole),
        "of it the network": seconds(lambda: denoiser.blind(whole).frames, whole),
        "in pieces of 32 frames": seconds(lambda: [piece.frames for piece in denoise.stream(denoiser, pieces)], pieces),
    }


def seconds(run, movie: Movie) -> float:
    """Median of five runs, a first one left out, over the millions of pixels in all frames."""
    taken = []
    for _ in range(6):
        start = time.perf_counter()
        jax.block_until_ready(run())
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:])) / (movie.frames.size / 1e6)


def random(side: int, count: int = 32) -> Movie:
    frames = np.random.default_rng(0).standard_normal((count, side, side)).astype(np.float32)
    return Movie(frames, np.arange(float(count)), Domain((side, side)))


def large(folder: Path) -> dict:
    """Counts of 16 bits in a file, trained on with every default and written denoised, by this process."""
    source, target = folder / "raw.npy", folder / "clean.h5"
    long.write(source, FRAMES)
    start = time.perf_counter()
    movie = load(source, **long.HOW)
    denoiser = denoise.train(movie, key=jax.random.key(0), progress=denoise.narrate())
    trained = time.perf_counter()
    print(f"trained in {trained - start:.0f} s; {denoiser.network}, {denoiser.noise}, {denoiser.reasons}", flush=True)

    def pieces():
        for number, piece in enumerate(denoise.stream(denoiser, movie)):
            yield piece
            print(f"piece {number}: {time.perf_counter() - start:.0f} s, {long.peak() / 1e9:.2f} GB", flush=True)

    write(target, pieces())
    seconds, last = time.perf_counter() - start, load(target, frames=slice(FRAMES - 1, FRAMES))
    error = float(np.sqrt(((np.asarray(last.frames[0]) - long.level(FRAMES - 1)) ** 2).mean()))
    return {
        "frames": FRAMES,
        "side": long.SIZE,
        "seconds of training": trained - start,
        "seconds in all": seconds,
        "peak memory [GB]": long.peak() / 1e9,
        "values put back": denoiser.posterior,
        "rmse of the last frame, of counts with 10": error,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", default="", help="Python interpreter with PyTorch; ours alone without it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="only a movie of 1,000 frames of 512², twenty minutes")
    options = parser.parse_args()
    path = HERE / "results" / "denoise_speed.json"
    if options.large:
        with tempfile.TemporaryDirectory() as folder:
            row = large(Path(folder)) | {"load": os.getloadavg()[0]}
        print(row)
        return keep(path, (json.loads(path.read_text()) if path.exists() else {}) | {"large": row})
    movie = random(96)
    found: dict = {"batches": {}, "load": os.getloadavg()[0], "cores": os.cpu_count()}
    for batch in (2, 4):
        mine, other = [], []
        for _ in range(options.rounds):
            mine.append(float(np.median(ours(movie, batch))))
            other += [float(np.median(theirs(options.torch, batch)))] if options.torch else []
        found["batches"][batch] = {"ms a step": mine, "PyTorch, ms a step": other}
        print(f"batch {batch} × {PATCH}²: {np.median(mine):.1f} ms a step, at best {min(mine):.1f} ms")
        if other:
            ratio = float(np.median([b / a for a, b in zip(mine, other)]))
            found["batches"][batch]["our speed over PyTorch's"] = ratio
            print(f"  PyTorch {np.median(other):.1f} ms, at best {min(other):.1f} ms; median speed ratio {ratio:.2f}")
    found["seconds a megapixel-frame"] = {}
    for side in SIDES:
        row = found["seconds a megapixel-frame"][side] = inference(side)
        print(f"{side}²: " + ", ".join(f"{way} {value:.2f}" for way, value in row.items()) + " s a megapixel-frame")
    kept = json.loads(path.read_text()) if path.exists() else {}
    keep(path, {name: kept[name] for name in ("large",) if name in kept} | found)


def keep(path: Path, found: dict) -> None:
    found["versions"] = {name: version(name) for name in ("operax", "jax", "jaxlib")}
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

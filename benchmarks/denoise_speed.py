"""Milliseconds of a training step and of a denoised megapixel, beside the same network in PyTorch.

Run ``python benchmarks/denoise_speed.py --torch PYTHON [--rounds 5]``. Ours and theirs take turns on the same cores; a
round gives one ratio of medians, the table the median of the ratios. Writes results/denoise_speed.json.
"""

import argparse
import json
import os
import subprocess
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np

from operax import Domain, Movie, denoise, noise
from operax.io import replacing

HERE = Path(__file__).parent
REACH, WIDTH, PATCH, STEPS = 10, 16, 64, 50


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
    command = [python, str(HERE / "denoise_torch.py"), *map(str, (REACH, WIDTH, batch, PATCH, STEPS + 10))]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[10:]


def inference(movie) -> float:
    """Seconds to denoise a frame of a million pixels."""
    denoiser = denoise.train(
        movie, noise.Gaussian(0.2), key=jax.random.key(0), network=denoise.BlindSpot(REACH, WIDTH), steps=1
    )
    jax.block_until_ready(denoiser(movie).frames)
    start = time.perf_counter()
    jax.block_until_ready(denoiser(movie).frames)
    return (time.perf_counter() - start) / (movie.frames.size / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", required=True, help="Python interpreter with PyTorch")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    frames = np.random.default_rng(0).standard_normal((32, 96, 96)).astype(np.float32)
    movie = Movie(frames, np.arange(32.0), Domain((96, 96)))
    found: dict = {"batches": {}, "load": os.getloadavg()[0], "cores": os.cpu_count()}
    for batch in (2, 4):
        rounds = [
            (float(np.median(ours(movie, batch))), float(np.median(theirs(options.torch, batch))))
            for _ in range(options.rounds)
        ]
        speed = float(np.median([b / a for a, b in rounds]))
        best = [float(min(side)) for side in zip(*rounds)]
        found["batches"][batch] = {"ms a step (ours, PyTorch)": rounds, "our speed over PyTorch's": speed}
        print(
            f"batch {batch} × {PATCH}²: best {best[0]:.1f} ms, PyTorch {best[1]:.1f} ms; median speed ratio {speed:.2f}"
        )
    found["seconds a megapixel-frame"] = min(inference(movie) for _ in range(2))
    print(f"inference, four turned copies: {found['seconds a megapixel-frame']:.1f} s a megapixel-frame")
    found["versions"] = {name: version(name) for name in ("operax", "jax", "jaxlib")}
    path = HERE / "results" / "denoise_speed.json"
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Denoisers on the synthetic LFP movie: decibels gained over the raw movie, and seconds.

Run ``python benchmarks/denoise.py [--size 64] [--frames 28] [--sigma 0.07] [--steps 600]``. Prints one table
and writes results/denoise.json beside this script, with versions and machine.
"""

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import jax

from operax import metrics, noise, synth
from operax.denoise import LowRank, TemporalMean, assess, train
from operax.io import replacing

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "optax", "numpy")
# Li fractions run from 0 to 1.
RANGE = 1.0


def seconds(call):
    start = time.perf_counter()
    movie = jax.block_until_ready(call())
    return movie, time.perf_counter() - start


def compare(size: int, frames: int, sigma: float, steps: int, seed: int) -> dict:
    making, training = jax.random.split(jax.random.key(seed))
    truth = synth.lfp_stxm(key=making, size=size, frames=frames, sigma=sigma)
    raw, clean = truth.noisy, truth.clean

    def quality(movie):
        return float(metrics.psnr(movie.frames, clean.frames, data_range=RANGE, inside=raw.domain.inside))

    measured = noise.estimate(raw)
    rows = {"raw": (raw, 0.0)}
    for width in (3, 5):
        rows[f"TemporalMean({width})"] = seconds(lambda width=width: TemporalMean(width, measured)(raw))
    rows["LowRank()"] = seconds(lambda: LowRank(None, measured)(raw))
    denoiser, spent = seconds(lambda: train(raw, measured, key=training, steps=steps))
    blind, inference = seconds(lambda: denoiser.blind(raw))
    rows["BlindSpot, mean"] = (blind, spent + inference)
    final, inference = seconds(lambda: denoiser(raw))
    rows["BlindSpot, as returned"] = (final, spent + inference)
    before = quality(raw)
    report = assess(denoiser, raw, final, measured)
    return {
        "movie": {"size": size, "frames": frames, "sigma": sigma, "seed": seed, "steps": steps},
        "raw psnr [dB]": before,
        "posterior": denoiser.posterior,
        "assessment": report.verdict,
        "rows": {
            name: {"gain [dB]": quality(movie) - before, "seconds": spent} for name, (movie, spent) in rows.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--frames", type=int, default=28)
    parser.add_argument("--sigma", type=float, default=0.07)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    found = compare(**vars(parser.parse_args()))
    print(f"raw {found['raw psnr [dB]']:.2f} dB; {found['movie']}; seconds include compilation")
    for name, row in found["rows"].items():
        print(f"{name:24s} {row['gain [dB]']:+7.2f} dB {row['seconds']:8.1f} s")
    print(f"noisy pixel put back: {found['posterior']}; {found['assessment']}")
    found["versions"] = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    found["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "backend": jax.default_backend(),
    }
    path = Path(__file__).parent / "results" / "denoise.json"
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=2) + "\n")
    print(f"written to {path.parent.name}/{path.name}")


if __name__ == "__main__":
    main()

"""Denoisers on movies with a known truth: decibels, bias, slope, calibration and seconds, ours beside others.

Run ``python benchmarks/denoise.py [--kinds "gauss 0.2,gauss 0.05,poisson,rows"] [--size 96] [--frames 32] [--draws 3]
[--steps 600] [--peers PYTHON]``. PYTHON is an interpreter that has the peers; CONTRIBUTING.md says how to make one.
Prints one table and writes results/denoise.json beside this script, with versions, machine and load.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from denoising import movies

from operax import Domain, Movie, denoise
from operax.io import replacing

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "numpy")
HERE = Path(__file__).parent
PEERS = {
    "gauss": ("BM4D", "MP-PCA (dipy)", "TV (scikit-image)", "NLM (scikit-image)", "Noise2Void (CAREamics)"),
    "poisson": ("BM4D, Anscombe", "BMND, Poisson"),
    "rows": ("BM4D", "BM4D, spectrum"),
}


def scores(estimate, clean) -> dict:
    """Errors of an estimate in decibels and in per cent of the clean range."""
    span = float(np.ptp(clean))
    error = np.asarray(estimate, float) - clean
    order = np.argsort(clean, axis=None)
    bins = [error.ravel()[g].mean() for g in np.array_split(order, 8)]
    centred = clean - clean.mean()
    return {
        "psnr [dB]": float(10 * np.log10(span**2 / np.mean(error**2))),
        "bias [%]": 100 * float(error.mean()) / span,
        "worst bin bias [%]": 100 * float(max(bins, key=abs)) / span,
        "slope": float(np.sum(centred * estimate) / np.sum(centred**2)),
    }


def ours(noisy, clean, steps, seed, network=None) -> dict:
    movie = Movie(noisy, np.arange(float(len(noisy))), Domain(noisy.shape[1:]))
    start = time.perf_counter()
    denoiser = denoise.train(movie, key=jax.random.key(seed), steps=steps, network=network)
    middle = time.perf_counter()
    final = jax.block_until_ready(denoiser(movie))
    end = time.perf_counter()
    report = denoise.assess(denoiser, movie, final, denoiser.noise)
    blind = np.asarray(denoiser.blind(movie).frames)
    z = report.spreads.binned_variance
    return scores(final.frames, clean) | {
        "seconds": end - start,
        "inference [s]": end - middle,
        "blind psnr [dB]": scores(blind, clean)["psnr [dB]"],
        "z variance": [float(z.min()), float(z.max())],
        "risk / true": float(report.risk) / float(np.mean((blind - clean) ** 2)),
        "network": str(denoiser.network),
        "choice": denoiser.choice,
        "posterior": denoiser.posterior,
    }


def baseline(method, noisy, clean) -> dict:
    movie = Movie(noisy, np.arange(float(len(noisy))), Domain(noisy.shape[1:]))
    start = time.perf_counter()
    result = jax.block_until_ready(method(movie).frames)
    return scores(result, clean) | {"seconds": time.perf_counter() - start}


def peer(python, name, noisy, clean, sigma, steps) -> dict:
    """One peer in its own process, told the true noise level."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, noisy=noisy, sigma=sigma, gain=movies.GAIN, steps=steps)
        command = [python, str(HERE / "denoising" / "peers.py"), name, str(source), str(target)]
        environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": str(os.cpu_count())}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
        with np.load(target, allow_pickle=False) as file:
            return scores(file["frames"], clean) | {"seconds": float(file["seconds"])}


def compare(kind, size, frames, draw, steps, python, skip) -> dict:
    clean = movies.front(frames, size, 0)
    noisy = movies.noisy(clean, kind, draw)
    rows = {"raw": scores(noisy, clean) | {"seconds": 0.0}}
    rows["ours"] = ours(noisy, clean, steps, draw)
    if kind == "rows":
        reach = min(10, (frames - 1) // 2)
        rows["ours, one blind pixel"] = ours(noisy, clean, steps, draw, denoise.BlindSpot(reach))
    rows["TemporalMean(3)"] = baseline(denoise.TemporalMean(3), noisy, clean)
    rows["LowRank()"] = baseline(denoise.LowRank(), noisy, clean)
    for name in PEERS[kind.split()[0]] if python else ():
        if name not in skip:
            rows[name] = peer(python, name, noisy, clean, float((noisy - clean).std()), steps)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="gauss 0.2,gauss 0.05,gauss 0.02,poisson,rows")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--peers", default="", help="Python interpreter with the peers installed")
    parser.add_argument("--skip", default="", help="peers to leave out, separated by semicolons")
    parser.add_argument("--out", default=str(HERE / "results" / "denoise.json"))
    options = parser.parse_args()
    skip = set(options.skip.split(";"))
    found: dict = {"movie": {"size": options.size, "frames": options.frames, "steps": options.steps}, "kinds": {}}
    for kind in options.kinds.split(","):
        draws = [
            compare(kind, options.size, options.frames, i, options.steps, options.peers, skip)
            for i in range(options.draws)
        ]
        found["kinds"][kind] = draws
        print(f"{kind}: medians of {len(draws)} noise draws; load {os.getloadavg()[0]:.1f}")
        for name in draws[0]:
            rows = [draw[name] for draw in draws]
            if any("failed" in row for row in rows):
                print(f"  {name:26s} failed: {rows[0].get('failed')}")
                continue
            middle = {k: float(np.median([row[k] for row in rows])) for k in scores(np.eye(2), np.eye(2))}
            seconds = float(np.median([row["seconds"] for row in rows]))
            print(
                f"  {name:26s}" + "".join(f"{k} {v:8.3f}  " for k, v in middle.items()) + f"{seconds:8.1f} s",
                flush=True,
            )
    found["versions"] = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    found["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "backend": jax.default_backend(),
    }
    path = Path(options.out)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=2) + "\n")
    print(f"written to {path.parent.name}/{path.name}")


if __name__ == "__main__":
    main()

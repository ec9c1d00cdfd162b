"""Denoisers on movies with a known truth: decibels, bias, slope, calibration and seconds, ours beside others.

Run ``python benchmarks/denoise.py [--kinds "gauss 0.2,gauss 0.05,poisson,rows"] [--size 96] [--frames 32]
[--draws 0,1,2] [--steps 400] [--only ours] [--peers PYTHON] [--movie front]``. PYTHON is an interpreter that has the
peers; CONTRIBUTING.md says how to make one. The movie is ``front``, ``spinodal``, or a quiet recording's file; laws
are fitted to ``spinodal``, from the first frame of every estimate. Rows found so far are kept in results/denoise.json
(denoise_MOVIE.json), with the load they were measured under, and a run adds to them; the table is of all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from denoising import movies
from timing import save

from operax import Domain, Movie, denoise

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "numpy")
SHOWN = ("psnr [dB]", "bias [%]", "worst bin bias [%]", "slope", "front [px]", "seconds")
LAWS = ("M error [%]", "mu error [%]", "D error [%]")
# The value of a pixel half lit, and how far from it pixels belong to the front.
HALF, NEAR = 0.62, 0.15
HERE = Path(__file__).parent
PEERS = {
    "gauss": (
        "BM4D",
        "MP-PCA (dipy)",
        "TV (scikit-image)",
        "NLM (scikit-image)",
        "Noise2Void (CAREamics)",
        "Noise2Void, volume (CAREamics)",
        "N2V2 (CAREamics)",
        "N2V (auto-denoise)",
        "UDVD, width 16 (PyTorch)",
        "SUPPORT, width 16 (PyTorch)",
    ),
    "poisson": ("BM4D, Anscombe", "BMND, Poisson"),
    "rows": ("BM4D", "BM4D, spectrum", "structN2V, rows (CAREamics)"),
    "blurred": ("BM4D", "BM4D, spectrum"),
}


def scores(estimate, clean) -> dict:
    """Errors of an estimate in decibels and in per cent of the clean range."""
    span = float(np.ptp(clean))
    error = np.asarray(estimate, float) - clean
    order = np.argsort(clean, axis=None)
    bins = [100 * float(error.ravel()[g].mean()) / span for g in np.array_split(order, 8)]
    centred = clean - clean.mean()
    front = np.abs(clean - HALF) < NEAR
    return {
        "psnr [dB]": float(10 * np.log10(span**2 / np.mean(error**2))),
        "bias [%]": 100 * float(error.mean()) / span,
        "worst bin bias [%]": max(bins, key=abs),
        "bins [%]": bins,
        "slope": float(np.sum(centred * estimate) / np.sum(centred**2)),
        # Mean distance by which contours of half light lie too far out.
        "front [px]": float(error[front].sum() / np.hypot(*np.gradient(clean, axis=(1, 2)))[front].sum()),
    }


def laws(noisy, estimate, clean) -> dict:
    """Errors of the laws of a spinodal movie fitted from an estimate of it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "movies.npz"
        np.savez(source, noisy=noisy, estimate=estimate, clean=clean)
        command = [sys.executable, "-m", "denoising.laws", str(source)]
        return json.loads(subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout)


def ours(noisy, clean, steps, seed, network=None) -> tuple[np.ndarray, dict]:
    movie = Movie(noisy, np.arange(float(len(noisy))), Domain(noisy.shape[1:]))
    start = time.perf_counter()
    denoiser = denoise.train(movie, key=jax.random.key(seed), steps=steps, network=network)
    return judged(denoiser, movie, clean, time.perf_counter() - start)


def judged(denoiser, movie, clean, training) -> tuple[np.ndarray, dict]:
    """Frames of a denoiser whose training took so many seconds, and what it says of them beside the truth."""
    start = time.perf_counter()
    final = jax.block_until_ready(denoiser(movie))
    inference = time.perf_counter() - start
    report = denoise.assess(denoiser, movie, final, denoiser.noise)
    blind = np.asarray(denoiser.blind(movie).frames)
    z, sigma = report.spreads, float(report.noise_variance) ** 0.5
    disc = denoise.respond(denoiser, movie, denoise.response.HEIGHT * sigma)
    return np.asarray(final.frames), {
        "seconds": training + inference,
        "inference [s]": inference,
        "blind psnr [dB]": scores(blind, clean)["psnr [dB]"],
        "z variance": [float(z.binned_variance.min()), float(z.binned_variance.max())],
        "mean z²": [float(z.binned_square.min()), float(z.binned_square.max())],
        "risk / true": float(report.risk) / float(np.mean((blind - clean) ** 2)),
        "variance / true": float(np.mean(final.variance) / np.mean((np.asarray(final.frames) - clean) ** 2)),
        "disc, gain": float(disc.gain),
        "disc, delay [frames]": float(disc.delay),
        "network": str(denoiser.network),
        "choice": denoiser.choice,
        "posterior": denoiser.posterior,
    }


def baseline(method, noisy) -> tuple[np.ndarray, dict]:
    movie = Movie(noisy, np.arange(float(len(noisy))), Domain(noisy.shape[1:]))
    start = time.perf_counter()
    result = jax.block_until_ready(method(movie).frames)
    return np.asarray(result), {"seconds": time.perf_counter() - start}


def peer(python, name, noisy, sigma, steps) -> tuple[np.ndarray | None, dict]:
    """One peer in its own process, told the true noise level; no frames if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, noisy=noisy, sigma=sigma, gain=movies.GAIN, steps=steps)
        command = [python, str(HERE / "denoising" / "peers.py"), name, str(source), str(target)]
        environment = {"OMP_NUM_THREADS": str(os.cpu_count())} | os.environ | {"PYTHONPATH": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            return None, {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
        with np.load(target, allow_pickle=False) as file:
            return file["frames"], {"seconds": float(file["seconds"])}


def methods(kind, clean, noisy, draw, options) -> dict:
    """What is compared, as functions that give frames, and what else is known of them."""
    found = {
        "raw": lambda: (noisy, {"seconds": 0.0}),
        "ours": lambda: ours(noisy, clean, options.steps, draw),
        "TemporalMean(3)": lambda: baseline(denoise.TemporalMean(3), noisy),
        "LowRank()": lambda: baseline(denoise.LowRank(), noisy),
    }
    if kind == "rows":
        pixel = denoise.BlindSpot(min(10, (options.frames - 1) // 2))
        found["ours, one blind pixel"] = lambda: ours(noisy, clean, options.steps, draw, pixel)
    sigma = float((noisy - clean).std())
    for name in PEERS[kind.split()[0]] if options.peers else ():
        found[name] = lambda name=name: peer(options.peers, name, noisy, sigma, options.steps)
    return found


def truth(movie, frames, size) -> np.ndarray:
    if movie == "front":
        return movies.front(frames, size, 0)
    if movie == "spinodal":
        return np.asarray(movies.spinodal(size, count=frames).frames, np.float32)
    return movies.recorded(movie, frames, size)


def table(kind, draws) -> None:
    """Medians over the draws of one kind of noise."""
    print(kind)
    for name in dict.fromkeys(name for draw in draws.values() for name in draw):
        rows = [draw[name] for draw in draws.values() if name in draw]
        done = [row for row in rows if "failed" not in row]
        if not done:
            print(f"  {name:26s} failed: {rows[0]['failed']}")
            continue
        # Rows of other authors' methods that were measured earlier lack some of the scores.
        shown = [k for k in SHOWN + LAWS if all(k in row for row in done)]
        middle = "".join(f"{k} {np.median([row[k] for row in done]):8.3f}  " for k in shown)
        # What noise does to a bin changes sign from draw to draw, what a method does stays.
        bins = [row["bins [%]"] for row in done if "bins [%]" in row]
        lasting = f"bins over draws {max(np.median(bins, axis=0), key=abs):6.2f}  " if bins else ""
        print(f"  {name:26s}{middle}{lasting}{len(done)} draws", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="gauss 0.2,gauss 0.05,gauss 0.02,poisson,blurred,rows")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--draws", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--peers", default="", help="Python interpreter with the peers installed")
    parser.add_argument("--only", default="", help="methods to run, separated by semicolons; all without it")
    parser.add_argument("--skip", default="", help="methods to leave out, separated by semicolons")
    parser.add_argument("--movie", default="front", help="front, spinodal, or a file of a quiet recording")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    name = "denoise" if options.movie == "front" else f"denoise_{Path(options.movie).stem}"
    path = Path(options.out or HERE / "results" / f"{name}.json")
    movie = {"size": options.size, "frames": options.frames, "steps": options.steps}
    clean = truth(options.movie, options.frames, options.size)
    found = json.loads(path.read_text()) if path.exists() else {"movie": movie, "kinds": {}}
    if found["movie"] != movie:
        raise SystemExit(f"{path} holds results of {found['movie']}, not of {movie}; give another --out, or delete it.")
    only, skip = ({name for name in names.split(";") if name} for names in (options.only, options.skip))
    for draw in options.draws.split(","):
        for kind in options.kinds.split(","):
            noisy = movies.noisy(clean, kind, int(draw))
            rows = found["kinds"].setdefault(kind, {}).setdefault(draw, {})
            for name, run in methods(kind, clean, noisy, int(draw), options).items():
                if name not in skip and (not only or name in only):
                    frames, rows[name] = run()
                    if frames is not None:
                        rows[name] = scores(frames, clean) | rows[name]
                        rows[name] |= laws(noisy, frames, clean) if options.movie == "spinodal" else {}
                    rows[name]["load"] = os.getloadavg()[0]
                    print(f"{kind}, draw {draw}, {name}: {rows[name]}", flush=True)
                    save(path, found, PACKAGES)
    for kind, draws in found["kinds"].items():
        table(kind, draws)


if __name__ == "__main__":
    main()

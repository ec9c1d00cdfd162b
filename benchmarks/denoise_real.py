"""A recorded stack whose noise runs along rows: what the chosen footprint leaves, and what a plain blind spot copies.

Run ``python benchmarks/denoise_real.py STACK [--networks chosen,pixel] [--steps 400]``; STACK is the Fe L-edge stack of
ALS beamline 11.0.2.2 (71214078_raw.zip of github.com/stetef/nano-XANES-microscopy-of-Fe). Adds to
results/denoise_real.json.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
from timing import save

import operax as ox
from operax import denoise
from operax.denoise import share

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "numpy")
PATH = Path(__file__).parent / "results" / "denoise_real.json"


def judged(raw, network, steps) -> dict:
    """What can be said of one training without the truth."""
    start = time.perf_counter()
    noise = ox.noise.estimate(raw)
    denoiser = denoise.train(raw, noise, key=jax.random.key(0), network=network, steps=steps)
    report = denoise.assess(denoiser, raw, denoiser(raw), noise)
    z = report.spreads.binned_square
    # A prediction that knows nothing of the noise leaves at least all of it.
    blind = denoiser.blind(raw)
    rest = np.asarray(raw.frames - blind.frames, float)[:, raw.domain.inside]
    left = float((rest**2).mean()) / float(report.noise_variance)
    # Noise like the recorded one, added: how much of it comes through to where it was added.
    spectrum = share.spectrum(raw, report.noise)
    made = share.alike(spectrum, noise.variance(blind.frames)[..., None], key=jax.random.key(1))[..., 0]
    louder = denoiser.blind(raw.replace(frames=raw.frames + share.PROBE * np.asarray(made, np.float32)))
    came = np.asarray(louder.frames - blind.frames, float) / share.PROBE
    copied = float((came * made)[:, raw.domain.inside].sum() / (made**2)[:, raw.domain.inside].sum())
    return {
        "network": str(denoiser.network),
        "choice": denoiser.choice,
        "blind residual over noise variance": left,
        "noise copied": copied,
        "residual": report.residual.verdict,
        "mean z²": [float(z.min()), float(z.max())],
        "slope": float(report.slope),
        "put back": denoiser.posterior,
        "verdict": report.verdict,
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack")
    parser.add_argument("--networks", default="chosen,pixel")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    raw = ox.load(options.stack)
    raw = raw.replace(frames=np.asarray(raw.frames, np.float32))
    found = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in options.networks.split(","):
        found[name] = judged(raw, {"chosen": None, "pixel": denoise.BlindSpot(10)}[name], options.steps)
        print(name, *(f"  {k}: {v}" for k, v in found[name].items()), sep="\n", flush=True)
        save(PATH, found, PACKAGES)


if __name__ == "__main__":
    main()

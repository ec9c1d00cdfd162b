"""Optical: simulated graphite in colour, and recorded dilutions of ink."""

from pathlib import Path

import imageio.v3 as imageio
import jax
import jax.numpy as jnp
import numpy as np

from operax import modalities as md
from operax import noise, synth
from operax.denoise import train
from operax.domain import Domain
from operax.modalities import optical
from operax.movie import Movie


def graphite(data: Path, steps: int, key) -> dict:
    """Simulated graphite in colour: particles found and phases told apart, before and after denoising."""
    making, training = jax.random.split(key)
    truth = synth.graphite_optical(key=making, size=128, sigma=0.12)
    model, there = noise.Gaussian(truth.sigma), truth.stage >= 0

    def particles(picture) -> float:
        mask = md.particle_mask(np.asarray(picture, float).mean(-1), smooth=0.7)
        return md.f_score(md.segment(mask), truth.labels)

    def yellow(contrast: Movie) -> Movie:
        """Blue to yellow in CIELAB, which rises with lithium."""
        colour = optical.lab(contrast.replace(frames=contrast.frames + 1, variance=None))
        return colour.replace(frames=colour.frames[..., 2])

    between = synth.graphite_colour(jnp.asarray(synth.GRAPHITE_LIMITS)) - 1
    limits = np.asarray(yellow(Movie(between[None], [0.0], Domain(2))).frames[0])

    rows = {}
    for name, movie in (
        ("raw", truth.noisy),
        # three channels of a signal of twice the noise take twice the steps
        ("train", train(truth.noisy, model, key=training, steps=2 * steps)(truth.noisy)),
        ("without noise", truth.clean),
    ):
        feature = yellow(optical.contrast(movie, truth.white))
        found = np.asarray(optical.by_threshold(feature, limits).frames).argmax(-1)
        rows[name] = {
            "F1, mean of frames": particles(np.asarray(movie.frames).mean(0)),
            "F1, single frames": float(np.mean([particles(frame) for frame in movie.frames])),
            "phase accuracy": float((found == truth.stage)[there].mean()),
            "rmse": float(np.sqrt(np.mean((np.asarray(movie.frames) - np.asarray(truth.clean.frames)) ** 2))),
        }
    return {"rows": rows}


def ink(data: Path, steps: int, key) -> dict:
    """Recorded ink dilutions: fraction from colour, each judged by a calibration without it."""
    known, feature = [], []
    for path in sorted((data / "colour_ink_dilution").glob("*/*_ink.jpg")):
        means = []
        for name in (path, path.with_name(path.name.replace("_ink", "_reference"))):
            pixels = imageio.imread(name).reshape(-1, 3)
            pixels = pixels[np.linspace(0, len(pixels) - 1, 2000).astype(int)]
            means.append(np.asarray(optical.linear(Movie(pixels[None], [0], Domain(2000))).frames).mean((0, 1)))
        depth = -np.log(means[0] / means[1])
        digits = path.parent.name.removeprefix("dilution_")
        known.append(1 / int(digits) if digits.isdigit() else 0.0)
        feature.append(depth[2] - depth[0])
    x, y = np.array(known), np.array(feature)
    found, covered = [], []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        curve = optical.calibrate(x[others], y[others])
        low, high = curve.band(y[i])
        found.append(float(curve(y[i])))
        covered.append(bool(low <= x[i] <= high))
    typical = optical.calibrate(x, y)([y[x == v].mean() for v in np.unique(x)])
    return {
        "rows": {
            "leave one out": {
                "covered by 95 %": float(np.mean(covered)),
                "monotone": float(np.all(np.diff(typical) > 0)),
                "relative error above 1/64": float(
                    np.median(np.abs(np.array(found) / np.maximum(x, 1e-9) - 1)[x >= 1 / 64])
                ),
            }
        }
    }

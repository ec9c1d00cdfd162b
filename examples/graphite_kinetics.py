"""Which graphite particles react faster? From a colour movie to the rate of every particle, with error bars.

python examples/graphite_kinetics.py

The movie is simulated, so that the rates found can be compared with those put in.
"""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.scipy.special import ndtr
from scipy.ndimage import binary_dilation

import operax as ox
import operax.modalities as md
from operax import laws
from operax.modalities import optical

NOISE = 0.12  # of white, where neighbouring stages differ by 0.2 to 0.3 in one channel
START, CURRENT = 0.03, 0.92  # share of lithium before the charge, and what enters in an hour
# Lithium is not even within a particle, so that one turns from stage to stage over this range (standard deviation).
TURN = 0.08
UNEVEN = 0.04  # standard deviation of the share of lithium, since particles do not all turn alike
BLOCK = (5, 1)  # frames within which what the equation misses is alike


def feature(colour):
    """Red plus green less blue rises from stage to stage, and its noise is that of the sum."""
    return jnp.asarray(colour) @ jnp.array([1.0, 1.0, -1.0])


def charged(light: ox.Movie, white: ox.Movie, labels: np.ndarray):
    """Stages of every particle, and the state of charge that they stand for, calibrated on the charge passed."""
    even = optical.contrast(light, white)
    even = even.replace(frames=even.frames + 1)
    # blur carries the colour of particles over their rim
    lamp = optical.background(even, ~binary_dilation(labels > 0, iterations=3), degree=0)
    even = optical.contrast(even, lamp.replace(frames=lamp.frames / lamp.frames.mean(0)))
    shade = even.replace(frames=feature(even.frames + 1), variance=even.variance.sum(-1))
    limits = feature(ox.synth.graphite_colour(jnp.asarray(ox.synth.GRAPHITE_LIMITS)))
    shares = optical.fractions(optical.by_threshold(shade, limits), labels, together=9)
    whole = jnp.einsum("tpq,tp->tq", shares.values, shares.pixels / shares.pixels.sum(1, keepdims=True))
    content = jnp.linalg.lstsq(whole, START + CURRENT * light.times)[0]
    return content, *optical.state_of_charge(shares, content)


def main(size: int = 96, particles: int = 36, steps: int = 250, path: str | Path = "graphite_kinetics.png"):
    """Simulate and save a movie, load and denoise it, find particles and stages, fit the rate of every particle."""
    truth = ox.synth.graphite_optical(key=jax.random.key(0), size=size, particles=particles, sigma=NOISE)
    with tempfile.TemporaryDirectory() as folder:
        ox.save(Path(folder) / "movie.tif", truth.noisy)
        raw = ox.load(Path(folder) / "movie.tif")
    denoiser = ox.denoise.LowRank(None, ox.noise.Gaussian(NOISE))  # quick, and three times as far off as training
    if steps:
        denoiser = ox.denoise.train(raw, ox.noise.Gaussian(NOISE), key=jax.random.key(1), steps=steps)
    light = denoiser(raw)
    labels = md.segment(md.particle_mask(np.asarray(raw.frames).mean((0, 3)), smooth=0.7))
    content, charge, std = charged(light, truth.white, labels)

    line = ox.Domain(charge.shape[1], 1.0)  # particles in a row, joined by the voltage alone
    seen = ox.Movie(charge, raw.times, line, variance=std**2 + UNEVEN**2)
    start = seen.replace(frames=seen.frames.at[0].set(START))

    def stages(c):
        red, gold = (ndtr((c - limit) / TURN) for limit in ox.synth.GRAPHITE_LIMITS)
        return content[0] + (content[1] - content[0]) * red + (content[2] - content[1]) * gold

    problem = ox.Problem(seen, start, observe=stages, start=ox.Given())
    level = laws.positive(3.0, factor=3)
    equation = ox.Intercalation(
        ox.kinetics.ButlerVolmer(level * laws.Known(lambda c: jnp.sqrt(jnp.clip(c * (1 - c), 1e-6)))),
        laws.RegularSolution(0.0) + laws.Unknown(0.0, 2.0) + laws.Legendre(1, 2.0),
        kappa=0.0,
        drive=lambda t: jnp.interp(t, raw.times, truth.voltage),  # as the potentiostat recorded it
        rate_field=ox.RateField(line, line.shape[0] - 1, 0.6, length=1e-3),  # neighbours are nothing to each other
    )
    best = ox.fit(equation, problem)
    posterior = ox.laplace(best, problem, key=jax.random.key(2), block=BLOCK)
    low, found, high = np.asarray(posterior.band(lambda e: e.rate_field()))

    number = [np.bincount(truth.labels[labels == i]).argmax() for i in range(1, labels.max() + 1)]
    put = truth.rates[np.array(number) - 1]
    put = put / np.exp(np.log(put).mean())  # rates are found relative to each other
    held = np.mean((low < put) & (put < high))
    print(f"{len(put)} particles; Li share of the stages {np.asarray(content).round(2)}; {best.result}")
    print(f"log k: error {np.log(found / put).std():.3f} of {np.log(put).std():.3f}, {held:.0%} in the band")
    print(ox.explained(best, problem))

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    left.imshow(np.clip(np.concatenate([m.frames[len(raw) // 2] for m in (raw, light)], 1), 0, 1))
    left.set(title="raw, denoised", xticks=[], yticks=[])
    for j, i in enumerate(np.argsort(put)[np.linspace(0, len(put) - 1, 4).astype(int)]):
        middle.fill_between(raw.times, (charge - 2 * std)[:, i], (charge + 2 * std)[:, i], color=f"C{j}", alpha=0.4)
        true = np.asarray(truth.lithium.frames)[:, truth.labels == number[i]].mean(1)
        middle.plot(raw.times, true, "--", color=f"C{j}")
    middle.set(xlabel="time [h]", ylabel="Li share", title="four particles by their stages; true, dashed")
    right.errorbar(put, found, (found - low, high - found), fmt=".")
    right.plot(np.sort(put), np.sort(put), "k--")
    right.set(xscale="log", yscale="log", xlabel="rate put in", ylabel="rate found, 95 % band")
    right.minorticks_off()
    for axis in (right.xaxis, right.yaxis):
        axis.set_ticks([0.25, 0.5, 1, 2, 4], labels=["¼", "½", "1", "2", "4"])
    figure.savefig(path)
    plt.close(figure)
    return put, (low, found, high), best


if __name__ == "__main__":
    main()

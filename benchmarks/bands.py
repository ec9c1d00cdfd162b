"""Bands of one movie by every method: laplace and ensemble against NUTS, and what a member of an ensemble costs.

Run ``python benchmarks/bands.py [--draws 1000] [--members 400] [--out FILE]``. The movies are those of `trials.LINE`:
one where laws are nearly linear in the movie over the band's width (σ = 0.02), and one where they are not (σ = 0.15).
Prints the standard deviations of D(c) and their ratios to those of NUTS, with the error of a ratio that the number of
independent draws leaves, and writes results/bands.json. The last line compares the processor time of 64 members fitted
side by side with that of 64 refits one by one.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from blackjax.diagnostics import effective_sample_size
from timing import RESULTS, save
from trials import LINE

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "blackjax", "numpy")
CASES = {"nearly linear": 0.02, "not linear": 0.15}
CHAINS = 2


def movie(sigma: float):
    noise = ox.noise.Gaussian(sigma)
    state_key, noise_key = jax.random.split(jax.random.key(4))
    clean = LINE.movie(LINE.law("rising", None), state_key)
    return LINE.inferred(clean.replace(frames=noise.sample(clean.frames, key=noise_key)), noise)


def independent(draws: np.ndarray, chains: int) -> np.ndarray:
    """How many independent draws a standard deviation rests on; squares may forget at another pace than draws."""
    squares = (draws - draws.mean(0)) ** 2
    return np.asarray(effective_sample_size(squares.reshape(chains, -1, draws.shape[1])))


def compared(sigma: float, draws: int, members: int) -> dict:
    problem = movie(sigma)
    best = ox.fit(LINE.unknown, problem, method=ox.LevenbergMarquardt(tolerance=1e-4))
    made = {
        "NUTS": lambda key: ox.sample(best, problem, key=key, draws=draws, warmup=300, chains=CHAINS),
        "laplace": lambda key: ox.laplace(best, problem, key=key, draws=4000),
        "ensemble": lambda key: ox.ensemble(best, problem, key=key, size=members, batch=members),
    }
    found, reference = {}, None
    for name, infer in made.items():
        begin = time.process_time()
        posterior = infer(jax.random.key(6))
        values = np.asarray(posterior(LINE.quantity))
        count = independent(values, CHAINS) if name == "NUTS" else np.full(values.shape[1], len(values))
        # of n independent normal draws the standard deviation is known to 1/√(2n)
        error = 1 / np.sqrt(2 * count)
        reference = reference or (values.std(0), values.mean(0), error)
        spread, mean, uncertain = reference
        found[name] = {
            "sd": values.std(0).tolist(),
            "ratio_to_NUTS": (values.std(0) / spread).round(3).tolist(),
            "error_of_ratio": np.hypot(error, uncertain).round(3).tolist(),
            "shift_of_mean_in_sd": ((values.mean(0) - mean) / spread).round(3).tolist(),
            "notes": posterior.notes,
            "processor_seconds": time.process_time() - begin,
        }
        said = " ".join(f"{r:5.2f} ± {e:.2f}" for r, e in zip(values.std(0) / spread, np.hypot(error, uncertain)))
        print(f"  {name:<9} sd / sd of NUTS: {said}   {'; '.join(posterior.notes)}", flush=True)
    return {"sigma": sigma, "names": LINE.names, "methods": found}


def throughput() -> dict:
    """Processor seconds of 64 members, side by side and as refits one by one; both compiled before."""
    problem = movie(CASES["nearly linear"])
    best = ox.fit(LINE.unknown, problem)
    noise = ox.noise.Gaussian(CASES["nearly linear"])
    others = [
        LINE.inferred(problem.data.replace(frames=noise.sample(problem.data.frames, key=key)), noise)
        for key in jax.random.split(jax.random.key(8), 64)
    ]

    def together():
        ox.ensemble(best, problem, key=jax.random.key(9), size=64, batch=64)

    def singly():
        for one in others:
            ox.refit(best, one)

    seconds = {}
    for name, work in (("together", together), ("singly", singly)):
        work()
        begin = time.process_time()
        work()
        seconds[name] = time.process_time() - begin
    seconds["ratio"] = seconds["singly"] / seconds["together"]
    print(
        f"64 members side by side {seconds['together']:.2f} s, one by one {seconds['singly']:.2f} s: "
        f"{seconds['ratio']:.1f} times faster",
        flush=True,
    )
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--members", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULTS / "bands.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    record: dict = {"settings": {"draws": chosen.draws, "members": chosen.members}, "cases": {}}
    for name, sigma in CASES.items():
        print(f"{name}, σ = {sigma}", flush=True)
        record["cases"][name] = compared(sigma, chosen.draws, chosen.members)
        save(chosen.out, record, PACKAGES)
    record["throughput_processor_seconds"] = throughput()
    save(chosen.out, record, PACKAGES)


if __name__ == "__main__":
    main()

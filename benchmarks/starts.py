"""What start states do to laws: bias and coverage over repeated noise, for starts taken from noisy frames and others.

Run ``python benchmarks/starts.py [--draws 30] [--sigma 0.03 0.1] [--size 24] [--frames 8]``. A Cahn–Hilliard movie with
three unknown numbers (log M, Ω, log κ) is fitted with start states given by the noisy frames, given by the exact
frames, and inferred (`PreRoll`). Prints one row a kind and noise level, and writes results/starts.json beside this
script, with versions and machine. ``z`` is (estimate - truth) / stated standard deviation: honest fits have mean z
of nought and standard deviation one.
"""

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import operax as ox
from operax.io import replacing

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
NUMBERS = {
    "log M": lambda e: jnp.log(e.mobility(jnp.array(0.5))),
    "Ω": lambda e: e.potential.omega(jnp.array(0.5)),
    "log κ": lambda e: jnp.log(e.kappa(jnp.array(0.5))),
}
KINDS = ("noisy", "exact", "pre-roll")


def equation(mobility, omega, kappa) -> ox.CahnHilliard:
    return ox.CahnHilliard(ox.laws.Degenerate(mobility), ox.laws.RegularSolution(omega), kappa)


def clean_movie(size: int, frames: int) -> tuple[ox.CahnHilliard, ox.Movie]:
    truth = equation(1.0, 3.0, 2e-3)
    domain = ox.Domain((size, size), 0.02, "periodic")
    seed = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    times = 0.02 + 3e-3 * np.arange(frames)
    run = ox.simulate(truth, seed, np.concatenate([[0.0], times]), domain)
    return truth, run[1:]


def one(kind: str, clean: ox.Movie, sigma: float, window: int, key) -> tuple[ox.Fit, ox.Posterior]:
    noise = ox.noise.Gaussian(sigma)
    noisy = clean.replace(frames=noise.sample(clean.frames, key=key))
    if kind == "pre-roll":
        problem = ox.Problem(noisy, None, noise)
    else:
        states = clean if kind == "exact" else noisy
        problem = ox.Problem(noisy, states, noise, window=window, start=ox.Given())
    unknown = equation(ox.laws.positive(1.0, factor=2), ox.laws.Unknown(2.8, 0.4), ox.laws.positive(2e-3, factor=2))
    best = ox.fit(unknown, problem)
    return best, ox.laplace(best, problem, key=key, draws=400)


def row(kind: str, sigma: float, chosen, truth, clean) -> dict:
    z, chi2, start = [], [], time.perf_counter()
    for key in jax.random.split(jax.random.key(int(1e4 * sigma)), chosen.draws):
        best, posterior = one(kind, clean, sigma, chosen.window, key)
        chi2.append(float(best.chi2))
        z.append([
            (float(number(best.equation)) - float(number(truth))) / float(posterior(number).std())
            for number in NUMBERS.values()
        ])  # fmt: skip
    z = np.array(z)
    return {
        "start": kind,
        "sigma": sigma,
        "mean_z": z.mean(0).round(3).tolist(),
        "sd_z": z.std(0, ddof=1).round(3).tolist(),
        "covered_90": (np.abs(z) < 1.645).mean(0).round(3).tolist(),
        "chi2": float(np.mean(chi2)),
        "seconds_a_fit": (time.perf_counter() - start) / chosen.draws,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.01, 0.03, 0.07, 0.1])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--window", type=int, default=2, help="frames of a window whose start is given")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    truth, clean = clean_movie(chosen.size, chosen.frames)
    names = "  ".join(f"{name:>7}" for name in NUMBERS)
    print(f"{'start':<9} {'sigma':>5}   mean z: {names}     sd z: {names}   covered by 90 %    χ²   s a fit")
    rows = []
    for sigma in chosen.sigma:
        for kind in chosen.kinds:
            found = row(kind, sigma, chosen, truth, clean)
            rows.append(found)
            columns = (
                "  ".join(f"{x:{form}}" for x in found[name])
                for name, form in (("mean_z", "7.2f"), ("sd_z", "7.2f"), ("covered_90", "4.2f"))
            )
            middle = "           ".join(columns)
            last = f"{found['chi2']:5.2f}  {found['seconds_a_fit']:6.1f}"
            print(f"{kind:<9} {sigma:5.3f}           {middle}  {last}", flush=True)
    record = {
        "settings": vars(chosen),
        "rows": rows,
        "numbers": list(NUMBERS),
        "versions": {name: version(name) for name in PACKAGES},
        "machine": {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
    }
    with replacing(Path(__file__).parent / "results" / "starts.json") as path:
        path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

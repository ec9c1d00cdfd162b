"""Do the error bars hold? Ranks and coverage of laplace, propagate and ensemble over repeated movies.

Run ``python benchmarks/calibrate.py [--size 200] [--members 60] [--cases "prior 0.03" ...] [--methods laplace ...]``.
Each experiment draws a start state and noise, and for the ``prior`` cases the law too, and asks for D(c) at three
compositions. Prints a table a case and method and writes results/calibrate.json after each. ``given raw starts`` is
the plain Laplace band with the first noisy frame taken as exact: the mistake the others avoid.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from timing import save

import operax as ox
from operax import laws

PIXELS, FRAMES, MODES = 24, 6, 4
COMPOSITIONS = jnp.array([0.3, 0.5, 0.7])
NAMES = ("D(0.3)", "D(0.5)", "D(0.7)")
DOMAIN = ox.Domain((PIXELS,), 1.0)
UNKNOWN = ox.Diffusion(laws.positive(2.0, factor=1.5) * laws.Exp(laws.Legendre(1, 0.4)))
SMOOTH = ox.denoise.TemporalMean(3, ox.noise.Gaussian(0.05))  # only its mean is used
# Coordinates of two laws that differ, in the prior's units: one rises with c, one falls.
TRUTHS = {"rising": (0.5, 1.0), "falling": (-0.5, -1.0)}
CASES = ("prior 0.03", "prior 0.07", "rising 0.03", "falling 0.07")
PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")


def start_state(key):
    """Smooth random compositions between about 0.1 and 0.9."""
    x = (jnp.arange(PIXELS) + 0.5) / PIXELS
    amplitudes = jax.random.normal(key, (MODES,)) / jnp.arange(1, MODES + 1) ** 0.5
    waves = jnp.cos(jnp.pi * x[:, None] * jnp.arange(1, MODES + 1)) @ amplitudes
    return 0.5 + 0.38 * jnp.tanh(waves)


def maker(law: str, sigma: float, given):
    """Experiments: a truth, and the problem of a noisy movie of it."""
    noise = ox.noise.Gaussian(sigma)
    coordinates, rebuild = jax.flatten_util.ravel_pytree(UNKNOWN)

    def make(key):
        law_key, state_key, noise_key = jax.random.split(key, 3)
        drawn = jax.random.normal(law_key, coordinates.shape) if law == "prior" else jnp.array(TRUTHS[law])
        truth = rebuild(drawn)
        movie = ox.simulate(truth, start_state(state_key), jnp.arange(float(FRAMES)), DOMAIN, dt=0.125)
        raw = movie.replace(frames=noise.sample(movie.frames, key=noise_key))
        if given is None:
            # one cutoff for all, so that all experiments run the same program
            return truth, ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=0.9))
        return truth, ox.Problem(raw, given(raw), noise, start=ox.Given())

    return make


def methods(members: int) -> dict:
    """Name: (what start states are given, what makes a posterior of a problem)."""

    def laplace(problem, key):
        return ox.laplace(ox.fit(UNKNOWN, problem), problem, key=key, draws=999)

    def ensemble(problem, key):
        return ox.ensemble(UNKNOWN, problem, key=key, size=members, batch=members)

    def propagate(problem, key):
        best = ox.fit(UNKNOWN, problem)
        return ox.propagate(best, problem, SMOOTH, problem.data, key=key, draws=999)

    def sample(problem, key):
        return ox.sample(ox.fit(UNKNOWN, problem), problem, key=key, draws=100, warmup=60, chains=1)

    return {
        "laplace": (None, laplace),
        "ensemble": (None, ensemble),
        "propagate": (SMOOTH, propagate),
        "given raw starts": (lambda raw: raw, laplace),
        "sample": (None, sample),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--members", type=int, default=60)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--methods", nargs="+", default=["laplace", "ensemble", "propagate", "given raw starts"])
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    for case in chosen.cases:
        law, sigma = case.split()
        for name in chosen.methods:
            given, infer = methods(chosen.members)[name]
            begin = time.perf_counter()
            found = ox.calibrate(
                maker(law, float(sigma), given),
                infer,
                lambda e: e.diffusivity(COMPOSITIONS),
                key=jax.random.key(11),
                size=chosen.size,
                names=NAMES,
            )
            print(f"\n{case}, {name} ({time.perf_counter() - begin:.0f} s)\n{found}", flush=True)
            rows.append(
                {
                    "case": case,
                    "method": name,
                    "names": NAMES,
                    "experiments": len(found.ranks),
                    "lost": found.lost,
                    "levels": found.levels,
                    "covered": found.covered.tolist(),
                    "limits": found.interval().tolist(),
                    "rank_p": found.p_values().tolist() if len(found.ranks) >= 20 else None,
                    "rms_z": np.sqrt(np.mean(found.z**2, 0)).tolist(),
                    "ranks": ((found.ranks + 0.5) / (found.draws[:, None] + 1)).round(4).tolist(),
                }
            )
            save("calibrate", {"settings": vars(chosen), "rows": rows}, PACKAGES)


if __name__ == "__main__":
    main()

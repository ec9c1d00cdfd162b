"""A large fit: 20 numbers of laws from 100 frames of 256² pixels, and the same once more from a checkpoint.

Run ``python benchmarks/large.py [--size 256] [--frames 100] [--cores 2]``. A Cahn–Hilliard movie with noise of 0.02 in
one window, the start state given; unknown are a mobility of ten numbers and a potential of ten, begun off the truth; κ
is known, which fixes the gauge. Every checkpoint is kept; the fit is then resumed from the last but two and must end
with the same bits.

Prints time and memory, and writes results/large.json.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import timing

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--out", default=timing.RESULTS / "large.json")
    chosen = parser.parse_args()
    timing.pin(chosen.cores)
    import jax
    import jax.numpy as jnp
    import numpy as np

    import operax as ox
    from operax import laws

    jax.config.update("jax_enable_x64", True)
    truth = ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.6), 2e-3)
    unknown = ox.CahnHilliard(
        laws.Degenerate(laws.positive(1.3, factor=2)) * laws.Exp(laws.Legendre(9, 0.3)),
        laws.RegularSolution(laws.Unknown(2.45, 0.3)) + laws.Legendre(9, 0.3),
        2e-3,  # the gauge
    )
    domain = ox.Domain((chosen.size, chosen.size), 0.01, "periodic")
    seed = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    moments = np.append(0.0, 0.03 + 1e-3 * np.arange(chosen.frames))
    clean = ox.simulate(truth, seed, moments, domain, dt=2.5e-4)[1:]
    noise = ox.noise.Gaussian(0.02)
    raw = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(2)))
    problem = ox.Problem(raw, clean, noise, start=ox.Given())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with tempfile.TemporaryDirectory() as folder:
        path, kept = Path(folder) / "fit.h5", []

        def keep(now):
            kept.append(Path(folder) / f"{now.step}.h5")
            shutil.copy(path, kept[-1])
            print(f"step {now.step}: loss {now.loss:.6g}, {time.perf_counter() - wall:.0f} s", flush=True)

        wall, busy = time.perf_counter(), time.process_time()
        best = ox.fit(unknown, problem, progress=keep, checkpoint=path)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        again = ox.fit(unknown, problem, checkpoint=kept[-min(3, len(kept))])
    c = jnp.linspace(0.2, 0.8, 25)
    off = jnp.linalg.norm(best.equation.diffusivity(c) - truth.diffusivity(c)) / jnp.linalg.norm(truth.diffusivity(c))
    same = all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves((best.equation, best.normal)),
                                             jax.tree.leaves((again.equation, again.normal)))
    )  # fmt: skip
    record = {
        "settings": {"size": chosen.size, "frames": chosen.frames, "cores": chosen.cores},
        "numbers": sum(leaf.size for leaf in jax.tree.leaves(unknown)),
        "minutes": wall / 60,
        "processor_minutes": busy / 60,
        "load_of_the_machine": os.getloadavg(),
        "peak_memory_gb": memory,
        "peak_memory_before_gb": before,
        "steps": len(kept),
        "steps_a_frame": [int(plan.steps) for plan in best.plans],
        "result": best.result,
        "chi2": float(best.chi2),
        "relative_error_of_D": float(off),
        "resumed_ends_with_the_same_bits": same,
    }
    for name, value in record.items():
        print(f"{name}: {value}")
    timing.save(chosen.out, record, PACKAGES)


if __name__ == "__main__":
    main()

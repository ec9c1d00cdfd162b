"""Energies of the PFHub spinodal benchmark (1a periodic, 1b no-flux) at two resolutions, against a spectral solution.

Run ``python benchmarks/pfhub.py [--pixels 200 400] [--dt 0.2]``. Prints one row a run and time, and writes
results/pfhub.json beside this script, with versions and machine. The reference is a pseudo-spectral run on 200²
points with steps of 0.02; the stencils here are of second order, so that their distance to it falls fourfold where the
pixels are halved. ``extrapolated`` is 4/3 of the finest minus 1/3 of the one before, the stencils' limit.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
import timing

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
SIDE = 200.0
# https://pages.nist.gov/pfhub/benchmarks/benchmark1.ipynb defines the problem and gives no energies. The start of 1a is
# discontinuous across the period, so its pixels are at i L/N; those of 1b are at (i + ½) L/N.
TIMES = (1.0, 5.0, 10.0, 20.0)
REFERENCE = {
    "periodic": {200: (318.856, 316.394, 297.961, 213.157), 400: (318.858, 316.407, 297.967, 213.033)},
    "no-flux": {200: (318.838, 317.019, 304.125, 209.423)},
}


def potential(c):
    """μ of f = 5 (c − 0.3)² (0.7 − c)²."""
    return 10 * (c - 0.3) * (0.7 - c) * (1 - 2 * c)


def energies(boundary: str, pixels: int, dt: float) -> dict:
    domain = ox.Domain((pixels, pixels), SIDE / pixels, boundary)
    x, y = (np.mgrid[:pixels, :pixels] + (0.0 if boundary == "periodic" else 0.5)) * SIDE / pixels
    c0 = 0.5 + 0.01 * (
        np.cos(0.105 * x) * np.cos(0.11 * y)
        + (np.cos(0.13 * x) * np.cos(0.087 * y)) ** 2
        + np.cos(0.025 * x - 0.15 * y) * np.cos(0.07 * x - 0.02 * y)
    )
    equation = ox.CahnHilliard(5.0, potential, 2.0)
    start = time.perf_counter()
    run = ox.simulate(equation, c0, (0.0, *TIMES), domain, dt=dt)
    run.frames.block_until_ready()
    seconds = time.perf_counter() - start
    # the energy of `CahnHilliard` has f(½) = 0, that of the benchmark 0.008 a unit area more
    found = [float(equation.energy(c, domain)) + 0.008 * SIDE**2 for c in run.frames]
    mean = np.asarray(run.frames).mean((1, 2))
    return {
        "boundary": boundary,
        "pixels": pixels,
        "dt": dt,
        "energies": found[1:],
        "falls": bool((np.diff(found) < 0).all()),
        "drift": float(np.abs(mean / mean[0] - 1).max()),
        "seconds_with_compilation": round(seconds, 1),
    }


def distances(found, boundary: str, pixels: int) -> dict:
    """Relative distance in per cent to the reference on as fine a grid as there is one."""
    table = REFERENCE[boundary]
    reference = table.get(pixels, table[200])
    return {f"t={t:g}": round(100 * (e / r - 1), 4) for t, e, r in zip(TIMES, found, reference)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, nargs="+", default=[200, 400])
    parser.add_argument("--dt", type=float, default=0.2)
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/pfhub.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    print(f"{'boundary':>9} {'pixels':>6} {'dt':>5}   per cent off the reference at t = 1, 5, 10, 20       drift")
    for boundary in REFERENCE:
        coarsest, finest = chosen.pixels[0], chosen.pixels[-1]
        for pixels, dt in [(n, chosen.dt) for n in chosen.pixels] + [(coarsest, chosen.dt / 2)]:
            row = energies(boundary, pixels, dt)
            row["per_cent_off"] = distances(row["energies"], boundary, pixels)
            rows.append(row)
            off = " ".join(f"{x:9.4f}" for x in row["per_cent_off"].values())
            print(f"{boundary:>9} {pixels:>6} {dt:>5}   {off}   {row['drift']:14.1e}", flush=True)
        if finest == 2 * coarsest:
            coarse, fine = (
                next(
                    r["energies"]
                    for r in rows
                    if r["boundary"] == boundary and r["pixels"] == n and r["dt"] == chosen.dt
                )
                for n in (coarsest, finest)
            )
            limit = [(4 * b - a) / 3 for a, b in zip(coarse, fine)]
            off = distances(limit, boundary, finest)
            rows.append({"boundary": boundary, "pixels": "extrapolated", "energies": limit, "per_cent_off": off})
            print(f"{boundary:>9} {'limit':>6} {'':>5}   " + " ".join(f"{x:9.4f}" for x in off.values()), flush=True)
    out = chosen.out or timing.RESULTS / "pfhub.json"
    timing.save(out, {"settings": {"pixels": chosen.pixels, "dt": chosen.dt}, "runs": rows}, PACKAGES)


if __name__ == "__main__":
    main()

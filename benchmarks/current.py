"""Current-driven reaction: how well the current is kept, and what solving for its voltage costs.

Run ``python benchmarks/current.py [--size 64]``. Prints one row for each kinetics and geometry and writes
results/current.json beside this script, with versions and machine. ``error`` is the largest |I − I_set|/|I| over
currents from 0.001 to 0.3 of either sign, rough states between 0.02 and 0.98 and k(x) over a factor of about ten;
``cost`` is the time of a rate under the current over that of one under a voltage, median of pairs in one process.
"""

import argparse
import statistics
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import timing

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
CURRENTS = [sign * size for size in (1e-3, 1e-2, 0.1, 0.3) for sign in (1, -1)]
EXCHANGE = ox.kinetics.SiteLimited(2.0)
KINETICS = {
    "Butler–Volmer 0.3": ox.kinetics.ButlerVolmer(EXCHANGE, 0.3),
    "Butler–Volmer 0.5": ox.kinetics.ButlerVolmer(EXCHANGE, 0.5),
    "Marcus": ox.kinetics.Marcus(EXCHANGE, 8.3),
    "coupled ion–electron": ox.kinetics.CoupledIonElectron(2.0, 8.3),
}


def geometries(size: int) -> dict[str, ox.Domain]:
    across = np.hypot(*(np.mgrid[:size, :size] - 0.48 * size))
    return {
        "periodic": ox.Domain((size, size), 0.1, "periodic"),
        "no-flux": ox.Domain((size, size), 0.1),
        "masked": ox.Domain((size, size), 0.1, inside=across < 0.45 * size),
    }


def one(kinetics, domain: ox.Domain, repeats: int) -> dict:
    rng = np.random.default_rng(0)
    c = jnp.asarray(np.where(domain.inside, rng.uniform(0.02, 0.98, domain.shape), 0.0))
    field = ox.RateField(domain, 20, 0.6)
    k = np.asarray(eqx.tree_at(lambda f: f.coordinates, field, jnp.asarray(rng.normal(size=20)))())

    def rate(drive, c):
        return ox.Intercalation(kinetics, ox.laws.RegularSolution(3.0), 1e-2, drive, 0.1, k).rate(0.0, c, domain)

    unknown = ox.laws.Unknown(0.0, 1.0)
    driven = jax.jit(lambda x, c: rate(ox.Current(eqx.tree_at(lambda u: u.coordinate, unknown, x)), c))
    held = jax.jit(lambda x, c: rate(eqx.tree_at(lambda u: u.coordinate, unknown, x), c))
    inside = domain.inside
    errors = [abs(float(driven(jnp.asarray(x), c)[inside].mean()) - x) / abs(x) for x in CURRENTS]
    held(jnp.asarray(-0.5), c).block_until_ready()
    ratios = []
    for _ in range(repeats):
        seconds = []
        for run in (driven, held):
            begin = time.perf_counter()
            run(jnp.asarray(0.1), c).block_until_ready()
            seconds.append(time.perf_counter() - begin)
        ratios.append(seconds[0] / seconds[1])
    spread = float(k[inside].max() / k[inside].min())
    return {"error": max(errors), "cost": statistics.median(ratios), "spread_of_k": spread}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=101)
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/current.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    print(f"{'kinetics':>22} {'geometry':>9} {'error':>9} {'cost':>6}")
    for name, kinetics in KINETICS.items():
        for place, domain in geometries(chosen.size).items():
            row = {"kinetics": name, "geometry": place, **one(kinetics, domain, chosen.repeats)}
            rows.append(row)
            print(f"{name:>22} {place:>9} {row['error']:9.1e} {row['cost']:6.2f}", flush=True)
    out = chosen.out or timing.RESULTS / "current.json"
    timing.save(out, {"settings": {"size": chosen.size, "repeats": chosen.repeats}, "rows": rows}, PACKAGES)


if __name__ == "__main__":
    main()

"""Laws of the demo movie over fresh noise and fresh starts: error in units of the stated width, and seconds.

Run ``python benchmarks/laws.py [--movies 8] [--size 40] [--frames 16]``. Prints one row a movie and writes
results/laws.json beside this script, with versions and machine. ``z`` is (median - truth) / standard deviation
at compositions over the visited range; honest bands have root-mean-square z of about one.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import timing

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
COMPOSITIONS = jnp.linspace(0.1, 0.9, 9)
MIDDLE = jnp.array(0.5)
LAWS = {
    "M": lambda e: e.mobility(COMPOSITIONS),
    "mu": lambda e: e.potential(COMPOSITIONS) - e.potential(MIDDLE),
    "D": lambda e: e.diffusivity(COMPOSITIONS),
}


def one(seed: int, size: int, frames: int) -> dict:
    making, drawing = jax.random.split(jax.random.key(seed))
    truth = ox.synth.lfp_stxm(key=making, size=size, frames=frames)
    equation = ox.CahnHilliard(
        mobility=ox.laws.Degenerate(ox.laws.Exp(ox.laws.Unknown(0.0, 1.0) + ox.laws.Legendre(2, 0.5))),
        potential=ox.laws.RegularSolution(2.5) + ox.laws.Legendre(4, 1.0),
        kappa=2e-3,
    )
    problem = ox.Problem(truth.noisy, None, truth.noise)
    start = time.perf_counter()
    best = ox.fit(equation, problem)
    seconds = time.perf_counter() - start
    posterior = ox.laplace(best, problem, key=drawing)
    inside = truth.clean.domain.inside
    errors = ox.fitted(best, problem).frames - truth.clean.frames
    row = {
        "seed": seed,
        "result": best.result,
        "chi2": float(best.chi2),
        "rmse_of_fitted_movie": float(jnp.sqrt(jnp.mean(errors[:, inside] ** 2))),
        "seconds": seconds,
    }
    for name, law in LAWS.items():
        draws, expected = np.asarray(posterior(law)), np.asarray(law(truth.equation))
        known = draws.std(0) > 1e-9  # mu is zero at one half by definition
        z = (np.median(draws, 0) - expected)[known] / draws.std(0)[known]
        low, high = np.quantile(draws[:, known], (0.025, 0.975), axis=0)
        row[name] = {
            "z": z.round(3).tolist(),
            "relative_width": float(np.median(draws.std(0)[known] / np.abs(expected[known]))),
            "covered_95": float(np.mean((low < expected[known]) & (expected[known] < high))),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=8)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--frames", type=int, default=16)
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    print(f"{'seed':>4} {'chi2':>6} {'rmse':>7} {'s':>6}   rms z of M, mu, D      covered by 95 %")
    for seed in range(chosen.movies):
        row = one(seed, chosen.size, chosen.frames)
        rows.append(row)
        z = "  ".join(f"{np.sqrt(np.mean(np.square(row[name]['z']))):5.2f}" for name in LAWS)
        covered = "  ".join(f"{row[name]['covered_95']:4.2f}" for name in LAWS)
        print(
            f"{seed:>4} {row['chi2']:6.3f} {row['rmse_of_fitted_movie']:7.4f} {row['seconds']:6.1f}   {z}    {covered}",
            flush=True,
        )
    pooled = {name: [x for row in rows for x in row[name]["z"]] for name in LAWS}
    overall = {
        name: {
            "rms_z": float(np.sqrt(np.mean(np.square(z)))),
            "largest_z": float(np.abs(z).max()),
            "covered_95": float(np.mean([row[name]["covered_95"] for row in rows])),
        }
        for name, z in pooled.items()
    }
    for name, figures in overall.items():
        print(name, {key: round(value, 2) for key, value in figures.items()})
    timing.save(timing.RESULTS / "laws.json", {"settings": vars(chosen), "movies": rows, "overall": overall}, PACKAGES)


if __name__ == "__main__":
    main()

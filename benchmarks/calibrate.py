"""Do the error bars hold? Ranks and coverage of laplace, propagate, ensemble and sample over repeated movies.

Run ``python benchmarks/calibrate.py [--size 200] [--trials line plane] [--cases "prior 0.03" ...] [--methods ...]
[--folder FOLDER]``. The experiments are those of `trials.py`. For ``prior`` cases the law is drawn too, and ranks are
those of simulation-based calibration; for a named law the bands are those of one truth over repeated starts and noise.
``given raw starts`` is the plain Laplace band with noisy frames taken as exact start states: the mistake the
others avoid. ``propagate given`` makes the same fits and carries the noise of these frames.

Prints a table a case and method and writes results/calibrate.json after each, next to what the file holds. With a
folder a run that was stopped goes on.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
from timing import RESULTS, circumstances, save
from trials import TRIALS, as_recorded

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "blackjax", "numpy")
CASES = {
    "line": ("prior 0.03", "prior 0.07", "rising 0.03", "falling 0.07"),
    "long": ("rising 0.03", "falling 0.07"),
    "plane": ("prior 0.03", "prior 0.07", "even 0.03", "even 0.07", "steep 0.03", "steep 0.07"),
}


def methods(members: int) -> dict:
    """Name: (what start states are given, what makes a posterior of an equation and a problem)."""

    def laplace(equation, problem, key):
        return ox.laplace(ox.fit(equation, problem), problem, key=key, draws=999)

    def ensemble(equation, problem, key):
        return ox.ensemble(equation, problem, key=key, size=members, batch=members)

    def propagate(equation, problem, key):
        best = ox.fit(equation, problem)
        return ox.propagate(best, problem, None, problem.data, key=key, draws=999, pairs=4)

    def propagate_given(equation, problem, key):
        best = ox.fit(equation, problem)
        return ox.propagate(best, problem, as_recorded, problem.data, key=key, draws=999, pairs=4)

    def sample(equation, problem, key):
        return ox.sample(ox.fit(equation, problem), problem, key=key, draws=100, warmup=60, chains=1)

    return {
        "laplace": (None, laplace),
        "ensemble": (None, ensemble),
        "propagate": (None, propagate),
        "given raw starts": (as_recorded, laplace),
        "propagate given": (as_recorded, propagate_given),
        "sample": (None, sample),
    }


def row(found: ox.inference.Calibrated) -> dict:
    many = len(found.ranks) >= 20
    return {
        "names": found.names,
        "experiments": len(found.ranks),
        "draws_of_each": float(found.draws.mean()),
        "lost": found.lost,
        "levels": found.levels,
        "pooled_with_limits": found.pooled.round(4).tolist(),
        "covered": found.covered.round(4).tolist(),
        "limits": found.interval().round(4).tolist(),
        "rank_p": found.p_values().tolist() if many else None,
        "rank_counts": found.counts()[0].tolist() if many else None,
        "mean_z": found.z.mean(0).round(3).tolist(),
        "rms_z": np.sqrt(np.mean(found.z**2, 0)).round(3).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--members", type=int, default=39)
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--cases", nargs="+", help="a law and a noise level each, default all of the trial")
    parser.add_argument("--methods", nargs="+", choices=methods(2), default=["laplace", "given raw starts"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "calibrate.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for name in chosen.trials:
        trial = TRIALS[name]
        for case in chosen.cases or CASES[name]:
            for method in chosen.methods:
                law, sigma = case.split()
                states, infer = methods(chosen.members)[method]
                begin = time.process_time()
                kept = chosen.folder and chosen.folder / f"{name}-{case}-{method}".replace(" ", "-")
                found = ox.calibrate(
                    trial.maker(law, float(sigma), states),
                    lambda problem, key, infer=infer, trial=trial: infer(trial.unknown, problem, key),
                    trial.quantity,
                    key=jax.random.key(11),
                    size=chosen.size,
                    names=trial.names,
                    folder=kept,
                )
                seconds = time.process_time() - begin
                print(f"\n{name}, {case}, {method} ({seconds:.0f} s)\n{found}", flush=True)
                noted(chosen.out, {"trial": name, "case": case, "method": method}, row(found))


def noted(path: Path, what: dict, found: dict) -> None:
    """Put one row into the file, in the place of an older one of the same case and method."""
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    kept = [r for r in before if any(r[name] != value for name, value in what.items())]
    rows = sorted([*kept, what | found | circumstances(PACKAGES)], key=lambda r: [r[name] for name in what])
    save(path, {"rows": rows}, PACKAGES)


if __name__ == "__main__":
    main()

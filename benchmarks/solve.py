"""Work and precision of forward Cahn–Hilliard solves, ours beside other packages, and our step beside its floor.

Run ``python benchmarks/solve.py [--quick] [--cases NAME ...] [--rounds 5]``. Each case runs in a process of its own,
pinned to one or two cores. A solver's time at an error is read off its work–precision curve, log–log. Prints tables
and writes results/solve.json. Packages that are not installed are named and left out; see CONTRIBUTING.md.

The start is 0.5 (or 0, cubic potential) plus noise of 0.01, spun up to ``start``; ``window`` is what is timed. Errors
are root-mean-square, relative to the spread of c, against the same spatial scheme in 20 times finer steps.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import peers
import timing

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "diffrax", "numpy", *peers.NAMES)
TARGETS = (1e-3, 2e-4, 5e-5)
OURS = (1, 2, 3, 5, 8, 12, 20)
ORDER_ONE = (125, 500, 2000, 8000)  # 8000 steps of 1e-6 are mosaix-pde's default
REPEATED = 1.5  # seconds of a single run up to which it is timed in every round


class Case(NamedTuple):
    """One problem in one process."""

    shape: tuple[int, ...]
    start: float = 0.05
    window: float = 0.008
    constant: bool = False  # constant mobility and cubic potential instead of c(1 - c) and a regular solution
    dtype: str = "float64"
    cores: int = 1
    rivals: tuple[str, ...] = ("mosaix-pde", "evoxels")
    budget: float = 20.0  # seconds of a single run; what would take longer is extrapolated and marked


CASES = {
    "128²": Case((128, 128)),
    "128², two cores": Case((128, 128), cores=2),
    "64²": Case((64, 64), rivals=("mosaix-pde", "evoxels", "py-pde")),
    "256²": Case((256, 256)),
    "512²": Case((512, 512)),
    "64³": Case((64, 64, 64)),
    "128² early": Case((128, 128), start=0.02),
    "128² late": Case((128, 128), start=0.5),
    "128² constant M": Case((128, 128), constant=True, rivals=("mosaix-pde", "exponax")),
    "128² float32": Case((128, 128), dtype="float32"),
}
QUICK = {
    "32²": Case((32, 32), start=0.04, budget=0.3),
    "32² constant M": Case((32, 32), start=0.04, constant=True, rivals=("mosaix-pde", "exponax"), budget=0.3),
}


class Point(NamedTuple):
    """One run of one solver."""

    steps: float
    error: float
    seconds: tuple[float, ...]


def equation(case):
    import operax as ox

    if case.constant:
        return ox.CahnHilliard(1.0, peers.cubic, peers.KAPPA)
    return ox.CahnHilliard(ox.laws.Degenerate(1.0), ox.laws.RegularSolution(peers.OMEGA), peers.KAPPA)


def ours(case, solved):
    """End state from (start, number of steps), one compiled program for each number."""
    import equinox as eqx
    import jax
    import numpy as np

    import operax as ox

    domain = ox.Domain(case.shape, peers.SPACING, "periodic")
    times = np.array([0.0, case.window])

    @eqx.filter_jit
    def run(c, steps):
        return ox.simulate(solved, c, times, domain, dt=case.window / steps).frames[-1]

    return lambda c, steps: jax.block_until_ready(run(c, int(steps)))


def started(case):
    import numpy as np

    import operax as ox

    domain = ox.Domain(case.shape, peers.SPACING, "periodic")
    noise = 0.01 * np.random.default_rng(0).standard_normal(case.shape)
    c = (0.0 if case.constant else 0.5) + noise
    return np.asarray(ox.simulate(equation(case), c, [0.0, case.start], domain, dt=2e-4).frames[-1])


def solvers(case):
    """(name, run, numbers of steps, reference run or None for our own reference) of everything that is installed."""
    import jax

    entries = [("operax", ours(case, equation(case)), OURS, None)]
    m, mu = (peers.constant, peers.cubic) if case.constant else (peers.degenerate, peers.regular_solution)
    largest = 1.0 if case.constant else 0.25
    rivals = [name for name in case.rivals if peers.installed(name)]
    if "mosaix-pde" in rivals:
        for splitting in (2 * largest, 0.52 * largest):
            run = peers.mosaix(case.shape, m, mu, case.window, splitting)
            entries.append((f"mosaix-pde A={splitting:g}", waited(run), ORDER_ONE, None))
    if "evoxels" in rivals:
        reference = ours(case, peers.Rate(peers.evoxels_rate(case.shape, "float64"), equation(case)))
        entries.append(("evoxels", waited(peers.evoxels(case.shape, case.window, case.dtype)), ORDER_ONE, reference))
    if "exponax" in rivals:
        run = waited(peers.exponax(case.shape, case.window))
        entries.append(("exponax", run, OURS, run))
    if "py-pde" in rivals:
        run = peers.py_pde(case.shape, case.window)
        entries.append(("py-pde", run, (1e3, 1e4, 1e5), lambda c, _: run(c, 1e7)))
    return entries, jax.devices()[0].platform


def waited(run):
    import jax

    return lambda c, steps: jax.block_until_ready(run(c, steps))


def in_double(case: Case):
    """The start and the end of every solver's spatial scheme, in double precision whatever the case takes."""
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    case = case._replace(dtype="float64")
    start, entries = started(case), solvers(case)[0]
    plain = ours(case, equation(case))
    ends = {name: reference or plain for name, _, _, reference in entries}
    found = {run: np.asarray(run(start, 20 * OURS[-1])) for run in set(ends.values())}
    return start, {name: found[run] for name, run in ends.items()}


def child(case: Case, rounds: int) -> dict:
    """All curves of a case, in this process."""
    timing.pin(case.cores)
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    # a process of its own: what is traced in one precision does not serve the other
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        start, ends = pool.submit(in_double, case).result()
    c = jax.numpy.asarray(start, case.dtype)
    entries, platform = solvers(case)
    points, works, now = {}, {}, timing.clock(case.cores)
    for name, run, numbers, _ in entries:
        exact = ends[name]
        run(c, numbers[0])  # compiles what serves every number of steps
        last = 0.0
        for steps in numbers:
            if last * 4 > case.budget:
                break
            start_of_run = now()
            end = np.asarray(run(c, steps))
            last = now() - start_of_run
            error = float(np.linalg.norm(end - exact) / np.linalg.norm(exact - exact.mean()))
            if not math.isfinite(error):
                continue
            points[name, steps] = [error, [last]]
            if last < REPEATED or name == "operax":  # ours compiles in the run above
                works[name, steps] = lambda run=run, steps=steps: run(c, steps)
    for key, taken in timing.in_turn(works, rounds, now).items():
        points[key][1] = taken
    curves = {name: [] for name, *_ in entries}
    for (name, steps), (error, taken) in points.items():
        curves[name].append((steps, error, taken))
    return {"curves": curves, "device": platform}


def time_at(curve, target: float, one_round: int | None = None) -> tuple[float, bool]:
    """Seconds at an error, and whether the curve had to be carried on beyond its finest point."""
    points = sorted((Point(*p) for p in curve), key=lambda p: p.steps)
    times = [
        p.seconds[min(one_round, len(p.seconds) - 1)] if one_round is not None else statistics.median(p.seconds)
        for p in points
    ]
    if points[0].error <= target:
        return times[0], False
    for (a, ta), (b, tb) in zip(zip(points, times), zip(points[1:], times[1:]), strict=False):
        if b.error <= target:
            return _loglog(target, (a.error, ta), (b.error, tb)), False
    if len(points) < 2 or points[-1].error >= points[-2].error:
        return math.inf, True  # no number of steps reaches it
    return _loglog(target, (points[-2].error, times[-2]), (points[-1].error, times[-1])), True


def _loglog(x, first, second):
    (x0, y0), (x1, y1) = first, second
    slope = (math.log(y1) - math.log(y0)) / (math.log(x1) - math.log(x0))
    return math.exp(math.log(y0) + slope * (math.log(x) - math.log(x0)))


def summary(curves: dict) -> dict:
    """For every solver and target: seconds, ratio to ours (median over rounds), extrapolated or not."""
    rounds = min(len(p[2]) for p in curves["operax"])
    table = {}
    for name, curve in curves.items():
        table[name] = {}
        for target in TARGETS:
            value, beyond = time_at(curve, target)
            ratios = [time_at(curve, target, i)[0] / time_at(curves["operax"], target, i)[0] for i in range(rounds)]
            table[name][f"{target:g}"] = {
                "seconds": value, "over_operax": statistics.median(ratios), "extrapolated": beyond,
            }  # fmt: skip
    return table


def show(name: str, table: dict) -> None:
    print(f"\n{name:<22}" + "".join(f"  at {float(t):<7.0e}  /ours " for t in next(iter(table.values()))))
    for solver, row in table.items():
        cells = "".join(
            f"{1e3 * cell['seconds']:9.1f} ms{'*' if cell['extrapolated'] else ' '}{cell['over_operax']:7.1f}"
            for cell in row.values()
        )
        print(f"{solver:<22}{cells}", flush=True)


def run_in_process(name: str, *, quick: bool, rounds: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, __file__, "--child", name, "--rounds", str(rounds), "--out", str(out)]
        subprocess.run(command + ["--quick"] * quick, check=True)
        return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny grids, one round; give --out too")
    parser.add_argument("--cases", nargs="*", help="only these; the others keep their figures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/solve.json")
    chosen = parser.parse_args()
    cases = QUICK if chosen.quick else CASES
    rounds = 1 if chosen.quick else chosen.rounds
    if chosen.child:
        chosen.out.write_text(json.dumps(child(cases[chosen.child], rounds)))
        return
    missing = [name for name in peers.NAMES if not peers.installed(name)]
    print("not installed: " + (", ".join(missing) or "none"))
    path = chosen.out or timing.RESULTS / "solve.json"
    before = json.loads(path.read_text())["cases"] if chosen.cases and path.exists() else {}
    record = {"targets": TARGETS, "missing": missing, "cases": before}
    for name in chosen.cases or cases:
        found = run_in_process(name, quick=chosen.quick, rounds=rounds)
        found["times"] = summary(found["curves"])
        show(name, found["times"])
        record["cases"][name] = cases[name]._asdict() | {"rounds": rounds} | found
        timing.save(path, record, PACKAGES)
    print("\n* carried on along its last slope beyond the finest run")


if __name__ == "__main__":
    main()

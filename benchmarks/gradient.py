"""Derivatives of a Cahn–Hilliard run by the coefficients of its laws: time in forward solves, error, memory of a fit.

Run ``python benchmarks/gradient.py [--quick] [--sizes 64 128] [--rounds 5]``. Ten coefficients: six of the chemical
potential (Legendre polynomials on a regular solution), four of the logarithm of the mobility. The Jacobian is that of
the last frame, by ``jax.jacfwd``; the gradient is that of the sum of squares, by ``jax.grad``. mosaix-pde takes its own
`PDEModel.solve` with the adjoints it documents. Errors are against ours in 20 times finer steps. Prints tables and
writes results/gradient.json. Times are processor seconds of one pinned core.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import peers
import timing

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "diffrax", "numpy", "mosaix-pde")
WINDOW = 0.004
OURS, THEIRS = 20, 400  # steps of comparable error
POTENTIAL, MOBILITY = 6, 3  # degrees; the mobility has a constant too
STEP_LIMITS = (1, 4)


def problem(size):
    """(equation at a point off the prior's centre, start, domain)."""
    import jax
    import numpy as np

    import operax as ox

    unknown = ox.CahnHilliard(
        ox.laws.Exp(ox.laws.Unknown(-1.5, 1.0) + ox.laws.Legendre(MOBILITY)),
        ox.laws.RegularSolution(peers.OMEGA) + ox.laws.Legendre(POTENTIAL),
        peers.KAPPA,
    )
    rng = np.random.default_rng(1)
    unknown = jax.tree.map(lambda leaf: 0.05 * rng.standard_normal(leaf.shape), unknown)
    domain = ox.Domain((size, size), peers.SPACING, "periodic")
    truth = ox.CahnHilliard(ox.laws.Degenerate(1.0), ox.laws.RegularSolution(peers.OMEGA), peers.KAPPA)
    noise = 0.5 + 0.01 * np.random.default_rng(0).standard_normal((size, size))
    return unknown, np.asarray(ox.simulate(truth, noise, [0.0, 0.05], domain, dt=2e-4).frames[-1]), domain


def physical(equation):
    """(constant and Legendre coefficients of log M, Legendre coefficients of μ), as mosaix-pde takes them."""
    import jax.numpy as jnp
    import numpy as np

    constant, series = equation.mobility.exponent.first, equation.mobility.exponent.second
    scale = [
        law.std * np.sqrt(2 / (n * (n + 1)))
        for law in (series, equation.potential.second)
        for n in [np.arange(1, law.degree + 1)]
    ]
    level = constant.mean + constant.std * constant.coordinate
    return (
        jnp.concatenate([level[None], series.coordinates * scale[0]]),
        jnp.concatenate([jnp.zeros(1), equation.potential.second.coordinates * scale[1]]),
    )


def ours(domain, steps):
    import jax
    import numpy as np

    import operax as ox

    def run(equation, c):
        return ox.simulate(equation, c, np.array([0.0, WINDOW]), domain, dt=WINDOW / steps).frames[-1]

    return derivatives(jax, run, run)


def mosaix(size, steps):
    """Its Jacobian goes through `ForwardMode`, its gradient through `RecursiveCheckpointAdjoint`, its defaults."""
    import diffrax
    import jax
    import jax.numpy as jnp
    import mosaix_pde

    model = peers.mosaix_model((size, size))

    def with_adjoint(adjoint):
        def run(equation, c):
            log_mobility, potential = physical(equation)
            laws = {
                "kappa": peers.KAPPA,
                "D": mosaix_pde.DiffusionLegendrePolynomials(log_mobility),
                "mu": mosaix_pde.ChemicalPotentialLegendrePolynomials(potential, peers.regular_solution),
            }
            dt = WINDOW / steps * (1 + 1e-12)
            return model.solve(
                laws, c, jnp.array([0.0, WINDOW]), {"A": 0.5}, adjoint, dt, max_steps=steps + 1
            )[-1]  # fmt: skip

        return run

    return derivatives(jax, with_adjoint(diffrax.ForwardMode()), with_adjoint(diffrax.RecursiveCheckpointAdjoint()))


def derivatives(jax, forward, backward):
    def matrix(equation, c):
        leaves = jax.tree.leaves(jax.jacfwd(forward)(equation, c))
        return jax.numpy.concatenate([leaf.reshape(c.size, -1) for leaf in leaves], axis=1)

    def gradient(equation, c):
        return jax.grad(lambda equation: (backward(equation, c) ** 2).sum())(equation)

    works = {"forward": forward, "jacobian": matrix, "gradient": gradient}
    return {name: jax.jit(work) for name, work in works.items()}


def table(size: int, rounds: int) -> dict:
    import jax
    import numpy as np

    equation, c, domain = problem(size)
    packages = {"operax": ours(domain, OURS)}
    if peers.installed("mosaix-pde"):
        packages["mosaix-pde"] = mosaix(size, THEIRS)
    exact = np.asarray(ours(domain, 20 * OURS)["jacobian"](equation, c))
    works = {
        (package, name): lambda work=work: jax.block_until_ready(work(equation, c))
        for package, some in packages.items()
        for name, work in some.items()
    }
    times = timing.in_turn(works, rounds, timing.clock(1))
    rows = {}
    for package, some in packages.items():
        error = np.asarray(some["jacobian"](equation, c)) - exact
        forward = times[package, "forward"]
        rows[package] = {
            "forward_seconds": float(np.median(forward)),
            "jacobian_over_forward": timing.median_ratio(times[package, "jacobian"], forward),
            "gradient_over_forward": timing.median_ratio(times[package, "gradient"], forward),
            "jacobian_seconds": float(np.median(times[package, "jacobian"])),
            "jacobian_relative_error": float(np.linalg.norm(error) / np.linalg.norm(exact)),
        }
        print(f"{size}² {package:<12}" + "".join(f"{value:14.3g}" for value in rows[package].values()), flush=True)
    return rows


def fit_step(size: int, frames: int, steps: int) -> dict:
    """One evaluation of the normal equations of a 20-parameter fit, in this process: seconds and peak memory."""
    import jax
    import numpy as np

    import operax as ox
    from operax.inference.linearise import linearise
    from operax.physics.plan import StepPlan

    _, c, domain = problem(size)
    unknown = ox.CahnHilliard(
        ox.laws.Exp(ox.laws.Unknown(-1.5, 1.0) + ox.laws.Legendre(7)),
        ox.laws.RegularSolution(peers.OMEGA) + ox.laws.Legendre(11),
        ox.laws.positive(peers.KAPPA, factor=2),
    )
    movie = np.broadcast_to(c, (frames, *c.shape)) + 0.01 * np.random.default_rng(0).standard_normal((frames, *c.shape))
    raw = ox.Movie(movie, np.linspace(0, 0.02, frames), domain)
    fit = ox.Problem(raw, None, ox.noise.Gaussian(0.01), window=None, start=ox.Given())
    plan = StepPlan((1,) * (frames - 1), jax.numpy.asarray(steps), jax.numpy.asarray([0.0, 2.6e-4]))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(unknown))
    work = jax.jit(linearise)
    now = timing.clock(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = timing.seconds(lambda: jax.block_until_ready(work(unknown, fit.starts.guess, (fit,), (plan,))), now)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kB on Linux
    return {
        "size": size, "frames": frames, "parameters": parameters, "steps_a_frame": steps,
        "peak_gb": peak, "before_gb": before, "seconds_with_compilation": seconds,
    }  # fmt: skip


def child(chosen) -> None:
    timing.pin(1)
    import jax

    jax.config.update("jax_enable_x64", True)
    if chosen.child == "memory":
        found = fit_step(chosen.sizes[0], chosen.frames, chosen.steps)
    else:
        found = {str(size): table(size, chosen.rounds) for size in chosen.sizes}
    chosen.out.write_text(json.dumps(found))


def in_process(*arguments) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        subprocess.run([sys.executable, __file__, "--out", str(out), *map(str, arguments)], check=True)
        return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny grids, one round")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/gradient.json")
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen)
        return
    sizes, rounds = ([16], 1) if chosen.quick else (chosen.sizes, chosen.rounds)
    print("size package        forward s  jac/forward grad/forward    jacobian s    jac error")
    record = {
        "settings": {"window": WINDOW, "steps": {"operax": OURS, "mosaix-pde": THEIRS}, "rounds": rounds},
        "derivatives": in_process("--child", "derivatives", "--sizes", *sizes, "--rounds", rounds),
        "memory": [],
    }
    path = chosen.out or timing.RESULTS / "gradient.json"
    timing.save(path, record, PACKAGES)
    size, frames = (16, 5) if chosen.quick else (256, 50)
    for steps in STEP_LIMITS:
        found = in_process("--child", "memory", "--sizes", size, "--frames", frames, "--steps", steps)
        record["memory"].append(found)
        print("fit step: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()), flush=True)
        timing.save(path, record, PACKAGES)


if __name__ == "__main__":
    main()

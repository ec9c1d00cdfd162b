"""Is the right physics picked, and is wrong physics found out? Candidate equations over repeated noise at σ = 0.07.

Run ``python benchmarks/mechanisms.py [--draws 40] [--families transport kinetics] [--quick]``. Every draw takes one of
the true equations in turn, fresh noise, and goes through `compare` with all candidates: Cahn–Hilliard, Allen–Cahn and
diffusion on a movie of phase separation, relaxation or mixing; Butler–Volmer and Marcus kinetics on a line of host
whose voltage is stepped, hard (they differ) and softly (they hardly do, so that "cannot tell" is the right answer).
`explained` is asked of every fit: it should pass the true equation and find the others out.

Prints a row a truth and writes results/mechanisms.json after each draw.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from timing import RESULTS, save

import operax as ox
from operax import laws

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
SIGMA = 0.07
SQUARE = ox.Domain((16, 16), 0.02, "periodic")
LINE = ox.Domain((48,), 1.0)


def phases(rate_or_mobility, omega, kappa, kind):
    return kind(rate_or_mobility, laws.RegularSolution(omega), kappa)


def steps(size):
    """Voltage in three steps of ``size``, inserting, resting, inserting harder."""
    return lambda t: jnp.where(t < 2.0, -size, jnp.where(t < 4.0, 0.5 * size, -1.5 * size))


HARD, SOFT = steps(6.0), steps(0.6)


def host(kinetics, drive):
    return ox.Intercalation(kinetics, laws.RegularSolution(1.0), 0.5, drive, mobility=0.2)


TRANSPORT = {
    "truths": {
        "Cahn–Hilliard": phases(laws.Degenerate(1.0), 3.0, 2e-3, ox.CahnHilliard),
        "Allen–Cahn": phases(12.0, 3.0, 2e-3, ox.AllenCahn),
        "diffusion": ox.Diffusion(0.15),
    },
    "candidates": {
        "Cahn–Hilliard": phases(
            laws.Degenerate(laws.positive(1.3, factor=2)), laws.Unknown(2.7, 0.4), laws.positive(1.5e-3, factor=2),
            ox.CahnHilliard,
        ),
        "Allen–Cahn": phases(
            laws.positive(10.0, factor=3), laws.Unknown(2.7, 0.4), laws.positive(1.5e-3, factor=2), ox.AllenCahn
        ),
        "diffusion": ox.Diffusion(laws.positive(0.2, factor=3) * laws.Exp(laws.Legendre(1, 0.5))),
    },
    "domain": SQUARE,
    "times": 0.02 + 4e-3 * np.arange(10),
    "modes": 36.0,
}  # fmt: skip


def kinetics_family(drive, truths):
    bare = {"Butler–Volmer": ox.kinetics.ButlerVolmer, "Marcus": lambda j0: ox.kinetics.Marcus(j0, 4.0)}
    return {
        "truths": {name: host(bare[name](laws.Degenerate(level)), drive) for name, level in truths.items()},
        "candidates": {
            name: host(made(laws.Degenerate(laws.positive(0.2, factor=5))), drive) for name, made in bare.items()
        },
        "domain": LINE,
        "times": 0.3 * np.arange(1, 21),
        "modes": 0.4,
    }


FAMILIES = {
    "transport": TRANSPORT,
    "kinetics, hard": kinetics_family(HARD, {"Butler–Volmer": 0.02, "Marcus": 0.05}),
    "kinetics, soft": kinetics_family(SOFT, {"Butler–Volmer": 0.2, "Marcus": 0.2}),
}


def start_of(name: str, domain: ox.Domain):
    if domain.ndim == 1:
        return 0.3 + 0.1 * jnp.cos(2 * jnp.pi * domain.centres()[0] / 48)
    rough = 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    if name != "diffusion":
        return 0.5 + rough
    x, y = jnp.meshgrid(*domain.centres(), indexing="ij")
    waves = [jnp.cos(2 * jnp.pi * (i * x + j * y) / 0.32) for i, j in ((1, 0), (0, 1), (1, 1), (2, 1))]
    return 0.5 + 0.15 * sum(waves) + rough


def one(family: dict, truth: str, clean: ox.Movie, key) -> dict:
    noise = ox.noise.Gaussian(SIGMA)
    raw = clean.replace(frames=noise.sample(clean.frames, key=key))
    problem = ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=family["modes"]))
    begin = time.process_time()
    found = ox.compare(family["candidates"], problem)
    passed = {name: ox.explained(fit, problem).passed for name, fit in zip(found.names, found.fits)}
    best = found.names[int(np.argmax(found.evidence))]
    return {
        "truth": truth,
        "best": best,
        "undecided": "cannot tell" in found.verdict,
        "evidence": dict(zip(found.names, found.evidence.tolist())),
        "unseen_chi2": dict(zip(found.names, found.unseen.tolist())),
        "residual_passed": passed,
        "verdict": found.verdict,
        "processor_seconds": time.process_time() - begin,
    }


def summary(draws: list[dict]) -> dict:
    wrong = [passed for d in draws for name, passed in d["residual_passed"].items() if name != d["truth"]]
    return {
        "draws": len(draws),
        "picked": float(np.mean([d["best"] == d["truth"] and not d["undecided"] for d in draws])),
        "cannot_tell": float(np.mean([d["undecided"] for d in draws])),
        "wrong_picked": float(np.mean([d["best"] != d["truth"] and not d["undecided"] for d in draws])),
        "true_equation_passes": float(np.mean([d["residual_passed"][d["truth"]] for d in draws])),
        "wrong_equations_found_out": float(1 - np.mean(wrong)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--quick", action="store_true", help="one draw of the kinetics alone")
    parser.add_argument("--out", default=str(RESULTS / "mechanisms.json"))
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.draws, chosen.families = 1, ["kinetics, hard"]
    jax.config.update("jax_enable_x64", True)
    record = {"settings": vars(chosen), "families": {}}
    for name in chosen.families:
        family, draws = FAMILIES[name], []
        clean = {
            truth: ox.simulate(e, start_of(truth, family["domain"]), np.append(0.0, family["times"]), family["domain"])[
                1:
            ]
            for truth, e in family["truths"].items()
        }
        for number, key in enumerate(jax.random.split(jax.random.key(7), chosen.draws)):
            truth = list(clean)[number % len(clean)]
            draws.append(one(family, truth, clean[truth], key))
            record["families"][name] = {"summary": summary(draws), "draws": draws}
            save(chosen.out, record, PACKAGES)
            print(
                f"{name} {number + 1}: {truth}: {draws[-1]['verdict']} ({draws[-1]['processor_seconds']:.0f} s)",
                flush=True,
            )
        print(name, {key: round(value, 3) for key, value in summary(draws).items()}, flush=True)


if __name__ == "__main__":
    main()

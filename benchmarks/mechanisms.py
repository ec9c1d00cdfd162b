"""Does the evidence find the mechanism that made a movie, and does it own up where the movie cannot tell?

Run ``python benchmarks/mechanisms.py [--families transport fast slow] [--draws 40] [--sigma 0.07]``. Every draw is a
movie of fresh start and fresh noise, made by the candidates of its family in turn, fitted by all of them and judged by
`operax.compare`.

- transport: Cahn–Hilliard, Allen–Cahn and diffusion, each with its own start pattern.
- fast, slow: Butler–Volmer, Marcus and coupled ion–electron kinetics in a host of one phase, filled and emptied by one
  period of a sine of voltage: of 8 kT/e, where the rates of two of them level off, and of half a kT/e, where those of
  Butler–Volmer and Marcus are one straight line, so that nothing may be said of these two.

A draw counts as found if the verdict names the mechanism that made it, and as undecided if it says "cannot tell" and
the true one is among those left.

Prints a row a family and writes results/mechanisms.json after every draw; draws that the file holds are kept.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from timing import RESULTS, save

import operax as ox
from operax import laws
from operax.inference.evidence import DECISIVE
from operax.physics import kinetics

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy")
PIXELS, SIDE = 24, 0.4
DOMAIN = ox.Domain((PIXELS, PIXELS), SIDE / PIXELS, "periodic")
FRAMES = 14


class Mechanism(NamedTuple):
    """What makes movies, and what is fitted to them."""

    truth: ox.physics.AbstractEquation
    unknown: ox.physics.AbstractEquation
    start: Callable
    times: np.ndarray  # the first of them after the start


class Family(NamedTuple):
    mechanisms: Mapping[str, Mechanism]
    start: Callable  # of a problem


def pattern(mean: float, spread: float, shortest: float) -> Callable:
    """Smooth random compositions: white noise without waves much shorter than this, held within the spread."""

    def draw(key):
        k = 2 * jnp.pi * jnp.fft.fftfreq(PIXELS, SIDE / PIXELS)
        filter_ = jnp.exp(-0.5 * (k[:, None] ** 2 + k**2) * (shortest / (2 * jnp.pi)) ** 2)
        field = jnp.fft.ifft2(jnp.fft.fft2(jax.random.normal(key, DOMAIN.shape)) * filter_).real
        return mean + spread * jnp.tanh((field - field.mean()) / field.std())

    return draw


def seeds(key):
    """The uniform state out of which phases separate."""
    return 0.5 + 0.05 * jax.random.normal(key, DOMAIN.shape)


def transport() -> Family:
    regular = laws.RegularSolution(laws.Unknown(2.6, 0.3))
    kappa = laws.positive(2e-3, factor=2)
    frames = np.arange(FRAMES)
    return Family(
        {
            "Cahn–Hilliard": Mechanism(
                ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.6), 2e-3),
                ox.CahnHilliard(laws.Degenerate(laws.positive(1.0, factor=3)), regular, kappa),
                seeds,
                0.07 + 2.5e-3 * frames,
            ),
            "Allen–Cahn": Mechanism(
                ox.AllenCahn(20.0, laws.RegularSolution(2.6), 2e-3),
                ox.AllenCahn(laws.positive(20.0, factor=3), regular, kappa),
                pattern(0.5, 0.15, 0.15),
                5e-3 + 2.5e-3 * frames,
            ),
            "diffusion": Mechanism(
                ox.Diffusion(0.3),
                ox.Diffusion(laws.positive(0.3, factor=3) * laws.Exp(laws.Legendre(2, 0.5))),
                pattern(0.25, 0.2, 0.15),
                5e-4 + 5e-4 * frames,
            ),
        },
        ox.PreRoll(cutoff=40.0),
    )


def insertion(voltage: float, j0: float, k0: float) -> Family:
    times = 0.5 + np.arange(FRAMES)

    def host(kinetic, omega):
        drive = jax.tree_util.Partial(_sine, voltage)
        return ox.Intercalation(kinetic, laws.RegularSolution(omega), 1e-4, drive)

    def mechanism(kind, scale, level, *known):
        unknown = [laws.positive(size, factor=1.3) for size in known]
        return Mechanism(
            host(kind(scale(level), *known), 1.0),
            host(kind(scale(laws.positive(level, factor=5)), *unknown), laws.Unknown(1.0, 0.3)),
            pattern(0.5, 0.3, 0.2),
            times,
        )

    reorganisation = 8.0
    return Family(
        {
            "Butler–Volmer": mechanism(kinetics.ButlerVolmer, kinetics.SiteLimited, j0),
            "Marcus": mechanism(kinetics.Marcus, kinetics.SiteLimited, 3 * j0, reorganisation),
            "coupled ion–electron": mechanism(kinetics.CoupledIonElectron, laws.as_law, k0, reorganisation),
        },
        ox.PreRoll(cutoff=40.0),
    )


def _sine(voltage, t):
    return -voltage * jnp.sin(2 * jnp.pi * t / FRAMES)


FAMILIES = {
    "transport": transport,
    "fast": lambda: insertion(8.0, 4e-3, 0.27),
    "slow": lambda: insertion(0.5, 0.3, 20.0),
}


def draw(family: Family, name: str, number: int, sigma: float) -> dict:
    made = family.mechanisms[name]
    start_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(31), number))
    clean = ox.simulate(made.truth, made.start(start_key), np.concatenate([[0.0], made.times]), DOMAIN)[1:]
    noise = ox.noise.Gaussian(sigma)
    raw = clean.replace(frames=noise.sample(clean.frames, key=noise_key))
    problem = ox.Problem(raw, None, noise, start=family.start)
    begin = time.process_time()
    found = ox.compare({other: m.unknown for other, m in family.mechanisms.items()}, problem)
    return {
        "true": name,
        "evidence": dict(zip(found.names, (found.evidence - found.evidence.max()).round(2).tolist())),
        "unseen": dict(zip(found.names, found.unseen.round(4).tolist())),
        "results": {n: f.result for n, f in zip(found.names, found.fits)},
        "verdict": found.verdict,
        "processor_seconds": time.process_time() - begin,
    }


def outcome(one: dict) -> str:
    left = [name for name, below in one["evidence"].items() if below > -DECISIVE]
    if one["true"] not in left:
        return "wrong"
    return "found" if len(left) == 1 else "undecided"


def summary(draws: list[dict]) -> dict:
    outcomes = [outcome(one) for one in draws]
    results = [result for one in draws for result in one["results"].values()]
    return {
        "draws": len(draws),
        **{kind: outcomes.count(kind) for kind in ("found", "undecided", "wrong")},
        "fits_converged": f"{sum(r.startswith('converged') for r in results)} of {len(results)}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--sigma", type=float, default=0.07)
    parser.add_argument("--out", type=Path, default=RESULTS / "mechanisms.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    record = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for name in chosen.families:
        family = FAMILIES[name]()
        row = record.setdefault(name, {"sigma": chosen.sigma, "each": []})
        for number in range(len(row["each"]), chosen.draws):
            true = list(family.mechanisms)[number % len(family.mechanisms)]
            row["each"].append(draw(family, true, number, chosen.sigma))
            row |= summary(row["each"])
            one = row["each"][-1]
            print(name, number, true, outcome(one), one["evidence"], one["unseen"],
                  f"{one['processor_seconds']:.0f} s", flush=True)  # fmt: skip
            save(chosen.out, record, PACKAGES)
        print(name, {key: value for key, value in row.items() if key != "each"}, flush=True)


if __name__ == "__main__":
    main()

"""What a step of our solver costs: over its bare parts, with pixels, and with frames.

Run ``python benchmarks/steps.py [--quick] [--rounds 9]``. The bare parts of an ETDRK4 step are four pairs of real
Fourier transforms and four evaluations of the two laws at every pixel; what is above them is stencils, weights and
loops. Prints tables and writes results/steps.json. Times are processor seconds of one pinned core, medians.
"""

import argparse
from pathlib import Path

import peers
import timing

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "diffrax", "numpy")
STEPS = 20  # in every run that is timed
DT = 2e-4


def prepared(size: int):
    """(equation, a state with pattern, domain)."""
    import numpy as np

    import operax as ox

    domain = ox.Domain((size, size), peers.SPACING, "periodic")
    equation = ox.CahnHilliard(ox.laws.Degenerate(1.0), ox.laws.RegularSolution(peers.OMEGA), peers.KAPPA)
    x, y = domain.centres()
    wave = np.sin(2 * np.pi * x / 0.32)[:, None] * np.cos(2 * np.pi * y / 0.16)[None]
    return equation, 0.5 + 0.2 * wave, domain


def run(size: int, frames: int):
    """A run of `STEPS` steps between frames, all in one program."""
    import jax
    import numpy as np

    import operax as ox

    equation, c, domain = prepared(size)
    times = DT * STEPS * np.arange(frames)
    solve = jax.jit(lambda c: ox.simulate(equation, c, times, domain, dt=DT).frames)
    return lambda: jax.block_until_ready(solve(c))


def bare(size: int):
    """(transforms, laws) of as many steps as `run` takes between two frames."""
    import jax
    import jax.numpy as jnp

    equation, c, _ = prepared(size)

    def transforms(_, c):
        for _ in range(4):
            c = jnp.fft.irfft2(jnp.fft.rfft2(c), s=c.shape)
        return c

    def laws(_, c):
        for _ in range(4):  # each needs the one before, and stays where the laws are made for
            c = 0.5 + 0.01 * (equation.mobility(c) + equation.potential(c))
        return c

    def looped(part):
        work = jax.jit(lambda c: jax.lax.fori_loop(0, STEPS, part, c))
        return lambda: jax.block_until_ready(work(c))

    return looped(transforms), looped(laws)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny grids, one round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="where the figures go instead of results/steps.json")
    chosen = parser.parse_args()
    rounds = 1 if chosen.quick else chosen.rounds
    floor_size, sizes, counts = (
        (16, (16, 32), (2, 3)) if chosen.quick else (256, (64, 128, 256, 512), (2, 5, 9, 17, 33))
    )
    timing.pin(1)
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    now = timing.clock(1)

    transforms, laws = bare(floor_size)
    times = timing.in_turn({"step": run(floor_size, 2), "transforms": transforms, "laws": laws}, rounds, now)
    parts = [a + b for a, b in zip(times["transforms"], times["laws"], strict=True)]
    floor = {name: float(np.median(values)) / STEPS for name, values in times.items()}
    floor |= {"size": floor_size, "over_parts": timing.median_ratio(times["step"], parts)}
    print(f"step at {floor_size}²: " + ", ".join(f"{name} {value:.3g}" for name, value in floor.items()), flush=True)

    times = timing.in_turn({size: run(size, 2) for size in sizes}, rounds, now)
    pixels = {size: float(np.median(values)) / STEPS for size, values in times.items()}
    exponent = float(np.polyfit(np.log([n**2 for n in pixels]), np.log(list(pixels.values())), 1)[0])
    for size, value in pixels.items():
        print(f"{size:>4}²  {1e3 * value:8.3f} ms a step  {1e9 * value / size**2:7.1f} ns a pixel")
    print(f"seconds ~ pixels^{exponent:.3f}", flush=True)

    times = timing.in_turn({count: run(64, count) for count in counts}, rounds, now)
    frames = {count: float(np.median(values)) for count, values in times.items()}
    for count, value in frames.items():
        print(f"{count:>4} frames of 64²  {1e3 * value:8.2f} ms  {1e3 * value / (count - 1):7.2f} ms an interval")
    record = {
        "settings": {"steps": STEPS, "dt": DT, "rounds": rounds},
        "floor": floor, "seconds_a_step": pixels, "exponent": exponent, "seconds_of_frames": frames,
    }  # fmt: skip
    timing.save(chosen.out or timing.RESULTS / "steps.json", record, PACKAGES)


if __name__ == "__main__":
    main()

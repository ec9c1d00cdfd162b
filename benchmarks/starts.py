"""What start states do to laws: bias, coverage and error of laws over repeated noise, for every kind of start state.

Run ``python benchmarks/starts.py [--pairs 15] [--sigma 0.01 0.03 0.07 0.1] [--kinds ...] [--quick]``. One
Cahn–Hilliard movie, five unknown numbers (M with a shape in c, Ω, κ), from a first guess 30 % off. Start states are
given (taken as exact) from noisy, denoised or exact frames, a window of `WINDOW` frames each or one window for the
whole movie, or inferred with the laws (`PreRoll`), its modes and prior resolved on noisy, denoised or exact frames.

Noise is drawn in pairs, z and -z: what is linear in the noise cancels in the mean of a pair, so that a bias of a
tenth of a standard deviation is seen with a few dozen draws. Every draw is fitted from the first guess. ``z`` is
(estimate - truth) / stated standard deviation, the latter from each draw's own curvature.

Then two equations that did not make the movie are fitted to it, to see at which noise `explained` finds them out.

Prints a row a kind and noise level and writes results/starts.json after each. Rows that the file holds already,
of as many draws, are kept, so that an interrupted run goes on.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from timing import RESULTS, save

import operax as ox
from operax import laws
from operax.inference.adequate import IMPROBABLE

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "numpy", "scikit-image")
SIDE, EARLIEST, INTERVAL, WINDOW = 0.4, 0.07, 2.5e-3, 4
# Given starts are kept this far from 0 and 1: ideal mixing has a logarithm there.
EDGE = 0.05
# Pixels and frames of the movies that a wrong equation is fitted to, and the wavenumber at which their start modes
# fade: every draw runs one program.
LARGER, CUTOFF = (32, 28), 36.0
AT = jnp.array([0.2, 0.5, 0.8])
HALF = jnp.array(0.5)
NUMBERS = {
    "log M(.2)": lambda e: jnp.log(e.mobility(AT[0])),
    "log M(.5)": lambda e: jnp.log(e.mobility(AT[1])),
    "log M(.8)": lambda e: jnp.log(e.mobility(AT[2])),
    "Ω": lambda e: e.potential.omega(HALF),
    "log κ": lambda e: jnp.log(e.kappa(HALF)),
    "D(.5)": lambda e: e.diffusivity(HALF),
}
LAWS = ("M", "mu", "D")
# kind: (frames that states come from, start, one window)
KINDS = {
    "inferred, noisy": ("noisy", ox.PreRoll(), True),
    "given noisy": ("noisy", ox.Given(), False),
    "given noisy, one window": ("noisy", ox.Given(), True),
    "given exact": ("exact", ox.Given(), False),
    "given denoised": ("denoised", ox.Given(), False),
    "inferred, denoised": ("denoised", ox.PreRoll(), True),
    "inferred, exact": ("exact", ox.PreRoll(), True),
    "given exact, one window": ("exact", ox.Given(), True),
}


def physics(mobility, omega, kappa) -> ox.CahnHilliard:
    return ox.CahnHilliard(laws.Degenerate(mobility), laws.RegularSolution(omega), kappa)


TRUTH = physics(1.0, 2.6, 2e-3)
# Priors are wide: what they pull at a law that lies beside their centre is no fault of a start state.
UNKNOWN = physics(
    laws.positive(1.3, factor=5) * laws.Exp(laws.Legendre(2, 0.6)),
    laws.Unknown(2.45, 1.0),
    laws.positive(1.5e-3, factor=5),
)

# What is fitted though it did not make the movie: M constant, or nothing conserved.
WRONG = {
    "constant mobility": ox.CahnHilliard(laws.positive(0.2, factor=3), UNKNOWN.potential, UNKNOWN.kappa),
    "Allen–Cahn": ox.AllenCahn(laws.positive(10.0, factor=3), UNKNOWN.potential, UNKNOWN.kappa),
}


def clean_movie(size: int, frames: int) -> ox.Movie:
    domain = ox.Domain((size, size), SIDE / size, "periodic")
    seed = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    times = EARLIEST + INTERVAL * np.arange(frames)
    return ox.simulate(TRUTH, seed, np.concatenate([[0.0], times]), domain)[1:]


def visited_errors(equation, clean) -> dict[str, float]:
    """Relative L2 error of each law over the compositions of the movie."""
    c = jnp.linspace(clean.frames.min(), clean.frames.max(), 101)
    found, true = curves(equation, c), curves(TRUTH, c)
    return {name: float(jnp.linalg.norm(found[name] - true[name]) / jnp.linalg.norm(true[name])) for name in LAWS}


@jax.jit
def curves(equation, c) -> dict[str, jax.Array]:
    mu = equation.potential(c) - equation.potential(HALF)
    return {"M": equation.mobility(c), "mu": mu, "D": equation.diffusivity(c)}


def problem_of(kind: str, raw: ox.Movie, clean: ox.Movie, noise, cutoff: float | None) -> ox.Problem:
    source, start, whole = KINDS[kind]
    states = {"noisy": raw, "exact": clean}.get(source)
    if states is None:
        # a frame read by its own start's denoiser is scored here: what happens without the guard is the point
        states = ox.denoise.NonLocalMeans(noise)(raw).replace(reads=(0,))
    if isinstance(start, ox.PreRoll):
        start = ox.PreRoll(cutoff=cutoff)
    else:
        states = states.replace(frames=jnp.clip(states.frames, EDGE, 1 - EDGE))
    return ox.Problem(raw, states, noise, window=None if whole else WINDOW, start=start)


def cutoff_of(problem: ox.Problem) -> float | None:
    """A cutoff that gives the modes this problem chose, so that all draws run one program."""
    if problem.starts.lead == 0:
        return None
    amplitude = np.sqrt(np.asarray(problem.starts.modes**2).mean((1, 2)))
    domain = problem.data.domain
    k = ox.physics.transforms.smooth_modes(domain, np.pi / min(domain.spacing))[1][: len(amplitude)]
    # amplitude exp(-(k/k_c)²/2), the level apart
    return float((-np.polyfit(k[1:] ** 2, np.log(amplitude[1:]), 1)[0] * 2) ** -0.5)


@jax.jit
def values(equation) -> jax.Array:
    return jnp.stack([number(equation) for number in NUMBERS.values()])


@jax.jit
def slopes(equation) -> jax.Array:
    """How every number answers to the unknowns."""
    theta, rebuild = jax.flatten_util.ravel_pytree(equation)
    return jax.jacfwd(lambda t: values(rebuild(t)))(theta)


def z_of(best: ox.Fit) -> tuple[np.ndarray, np.ndarray]:
    """(estimate - truth) / standard deviation of every number, and the standard deviations."""
    slope, covariance = np.asarray(slopes(best.equation), float), np.linalg.inv(np.asarray(best.normal.schur(), float))
    spread = np.sqrt(np.einsum("ni,ij,nj->n", slope, covariance, slope))
    return np.asarray(values(best.equation) - values(TRUTH), float) / spread, spread


def row(kind: str, sigma: float, clean: ox.Movie, pairs: int) -> dict:
    noise, begin = ox.noise.Gaussian(sigma), time.process_time()
    draws = noise.sample(jnp.zeros((pairs, *clean.frames.shape)), key=jax.random.key(int(1e4 * sigma)))
    movies = [clean.replace(frames=clean.frames + sign * z) for z in draws for sign in (1, -1)]
    cutoff = cutoff_of(problem_of(kind, movies[0], clean, noise, None))
    problems = [problem_of(kind, movie, clean, noise, cutoff) for movie in movies]
    fits = [ox.fit(UNKNOWN, problem, method=ox.LevenbergMarquardt(tolerance=1e-3)) for problem in problems]
    z, spread = (np.array(x) for x in zip(*map(z_of, fits)))
    errors = [visited_errors(f.equation, clean) for f in fits]
    mean = z.mean(0)
    # draws of a pair are not independent: the error of the mean is that between pairs
    paired = z.reshape(pairs, 2, -1).mean(1)
    found = {
        "start": kind,
        "sigma": sigma,
        "modes": int(problems[0].starts.modes.shape[0]),
        "cutoff": cutoff,
        "draws": len(fits),
        "not_converged": sum(not f.result.startswith("converged") for f in fits),
        "mean_z": mean.round(3).tolist(),
        "error_of_mean_z": (paired.std(0, ddof=1) / pairs**0.5).round(3).tolist() if pairs > 1 else None,
        "rms_z": np.sqrt((z**2).mean(0)).round(3).tolist(),
        "covered_90": (np.abs(z) < 1.645).mean(0).round(3).tolist(),
        "stated_sd": spread.mean(0).tolist(),
        "law_error": {name: float(np.sqrt(np.mean([e[name] ** 2 for e in errors]))) for name in errors[0]},
        "chi2": float(np.mean([f.chi2 for f in fits])),
        "wrongly_rejected": float(np.mean([not ox.explained(f, p).passed for f, p in zip(fits, problems)])),
        "rmse_of_fitted_movie": _trajectory(fits, problems, clean),
        "processor_seconds": time.process_time() - begin,
    }
    return found


def _trajectory(fits, problems, clean) -> float | None:
    """Error of the fitted movie, where every frame has one."""
    if len(problems[0].windows) > 1 or problems[0].starts.lead == 0:
        return None
    squares = [jnp.mean((ox.fitted(f, p).frames - clean.frames) ** 2) for f, p in zip(fits, problems)]
    return float(jnp.sqrt(jnp.mean(jnp.stack(squares))))


def wrong(sigma: float, draws: int) -> list[dict]:
    """How often `explained` finds out equations that did not make a movie larger than the others, starts inferred."""
    clean, noise, rows = clean_movie(*LARGER), ox.noise.Gaussian(sigma), []
    for name, equation in WRONG.items():
        chances = []
        for key in jax.random.split(jax.random.key(int(1e4 * sigma)), draws):
            raw = clean.replace(frames=noise.sample(clean.frames, key=key))
            problem = problem_of("inferred, noisy", raw, clean, noise, CUTOFF)
            chances.append(ox.explained(ox.fit(equation, problem), problem).pvalue)
        found = sum(chance < IMPROBABLE for chance in chances)
        rows.append({"equation": name, "sigma": sigma, "draws": draws, "found_out": found, "p": chances})
        print(f"{name}, σ = {sigma:g}: found out in {found} of {draws}, median p {np.median(chances):.1g}", flush=True)
    return rows


def noiseless(clean: ox.Movie) -> dict:
    """Errors of constants and laws where the movie has no noise, start states inferred."""
    problem = problem_of("inferred, exact", clean, clean, ox.noise.Gaussian(1e-3), None)
    best = ox.fit(UNKNOWN, problem, method=ox.LevenbergMarquardt(tolerance=1e-3))
    constants = {n: float(NUMBERS[n](best.equation) - NUMBERS[n](TRUTH)) for n in ("log M(.5)", "Ω", "log κ")}
    constants["Ω"] /= 2.6
    found = {"relative_error_of_constants": constants, "law_error": visited_errors(best.equation, clean)}
    print("noiseless:", {k: f"{v:.1e}" for part in found.values() for k, v in part.items()}, flush=True)
    return found


def told(found: dict) -> str:
    numbers = "  ".join(
        " ".join(f"{x:{form}}" for x in found[name]) for name, form in (("mean_z", "6.2f"), ("rms_z", "4.2f"))
    )
    laws_ = " ".join(f"{100 * x:6.2f}" for x in found["law_error"].values())
    fitted = found["rmse_of_fitted_movie"]
    last = f"{found['chi2']:5.2f} {np.mean(found['covered_90']):5.2f}"
    movie = "" if fitted is None else f"{found['sigma'] / fitted:6.1f}"
    return f"{found['start']:<24} {found['sigma']:5.2f}  {numbers}  {laws_}  {last} {movie}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.01, 0.03, 0.07, 0.1])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--frames", type=int, default=28)
    parser.add_argument("--wrong", type=int, default=6, help="movies that wrong equations are fitted to")
    parser.add_argument("--quick", action="store_true", help="two pairs of a toy movie, no noiseless row")
    parser.add_argument("--out", default=str(RESULTS / "starts.json"))
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.pairs, chosen.sigma, chosen.size, chosen.frames = 1, [0.03], 16, 8
        chosen.kinds = ["given noisy", "inferred, noisy"]
    jax.config.update("jax_enable_x64", True)
    clean = clean_movie(chosen.size, chosen.frames)
    print(
        "mean z, root mean square z of",
        ", ".join(NUMBERS),
        "; error of M, μ, D in %; χ²; covered by 90 %; cut of noise",
    )
    settings = {name: value for name, value in vars(chosen).items() if name not in ("out", "kinds", "sigma", "wrong")}
    before = json.loads(Path(chosen.out).read_text()) if Path(chosen.out).exists() else {}
    before = before if before.get("settings") == settings else {}
    record = {"settings": settings, "numbers": list(NUMBERS), "rows": before.get("rows", [])}
    if "noiseless" in before:
        record["noiseless"] = before["noiseless"]
    elif not chosen.quick and any(isinstance(KINDS[kind][1], ox.PreRoll) for kind in chosen.kinds):
        record["noiseless"] = noiseless(clean)
    held = {(found["start"], found["sigma"]) for found in record["rows"]}
    record["wrong"] = before.get("wrong", [])
    for kind in chosen.kinds:
        for sigma in chosen.sigma:
            if (kind, sigma) in held:
                continue
            record["rows"].append(row(kind, sigma, clean, chosen.pairs))
            print(told(record["rows"][-1]), f"{record['rows'][-1]['processor_seconds']:6.0f} s", flush=True)
            save(chosen.out, record, PACKAGES)
    for sigma in set(chosen.sigma) - {found["sigma"] for found in record["wrong"]} if chosen.wrong else ():
        record["wrong"] += wrong(sigma, chosen.wrong)
        save(chosen.out, record, PACKAGES)


if __name__ == "__main__":
    main()

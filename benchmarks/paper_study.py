"""How much denoising shrinks the error bars of learned laws: five pipelines on movies with known laws.

Run ``python benchmarks/paper_study.py [--pairs 4] [--cases "gauss 0.1" ...] [--pipelines raw ...]
[--page docs/study.md] [--quick]``. A Cahn–Hilliard box of 24², 16 frames, six unknown numbers of M and μ_h.

- raw: noisy frames are exact start states of windows of four frames;
- denoised: the same with start states by a network trained on that movie, which skips the frames of the window;
- joint: network and laws trained together (`fit_joint`), from that network on;
- inferred: start states are unknowns (`PreRoll`), no network;
- denoised, inferred: the same with the network's frames for first guess and prior, the way of ``operax run``.

Raw frames judge in all of them. Noise comes in pairs z, -z: what it does to the laws in first order cancels in the
mean of a pair's errors, which is the bias. ``--carried`` asks `propagate` for the first order, the spread over repeated
noise with the weights of networks held, at the first draw of each case. Stated standard deviations and bands are those
of `laplace`.

Writes results/paper_study.json after every fit, and goes on from it; then prints the table and makes the page.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from starts import TRUTH
from study import experiments, page, pipelines, scores
from timing import RESULTS, save

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "numpy", "scikit-image")
CASES = [f"{kind} {sigma}" for sigma in (0.1, 0.05, 0.2, 0.02) for kind in experiments.KINDS]
GRID = 41
DRAWS = 999
# One frame of this noise is kept for the figure.
SHOWN, FRAME = 0.1, 8


def grid(clean: ox.Movie) -> np.ndarray:
    """Compositions that the clean movie visits."""
    return np.linspace(float(clean.frames.min()), float(clean.frames.max()), GRID)


def curves(e, c) -> dict[str, jax.Array]:
    return {"D": e.diffusivity(c), "mu": experiments.potential(e, c)}


def record(found, clean: ox.Movie, key, show: bool) -> dict:
    """Everything the study asks of one fit."""
    movie, best, problem, _ = found
    posterior = ox.laplace(best, problem, key=key, draws=DRAWS)
    drawn = np.asarray(posterior(experiments.numbers))
    times = [int(np.argmin(np.abs(np.asarray(clean.times) - t))) for t in np.asarray(movie.times)]
    shown = clean[np.array(times)]
    laws = {
        name: np.asarray(y).round(6).tolist() for name, y in curves(best.equation, jnp.asarray(grid(clean))).items()
    }
    low, high = np.quantile(drawn, [0.05, 0.95], 0)
    frame = {"frame": np.asarray(movie.frames[times.index(FRAME)]).round(3).tolist()} if show else {}
    return frame | {
        "result": best.result,
        "chi2": float(best.chi2),
        "scored": problem.scored,
        "estimate": np.asarray(experiments.numbers(best.equation)).tolist(),
        "sd": drawn.std(0).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "laws": laws,
        "image": scores.image(movie, shown),
        "physics": scores.physics(movie, shown),
    }


def carried(found, c: np.ndarray) -> dict:
    """What the noise of raw pixels does to the laws in first order, through the denoiser and the fit."""
    _, best, problem, maker = found
    spread = ox.propagate(best, problem, maker, problem.data, key=jax.random.key(0), pairs=2).found["covariance"]
    theta, rebuild = jax.flatten_util.ravel_pytree(best.equation)
    asked = {"sd": experiments.numbers} | {
        name: (lambda e, name=name: curves(e, jnp.asarray(c))[name]) for name in ("D", "mu")
    }
    slopes = {name: jax.jacfwd(lambda t, f=f: f(rebuild(t)))(theta) for name, f in asked.items()}
    return {name: np.sqrt(np.einsum("ij,jk,ik->i", j, spread, j)).round(6).tolist() for name, j in slopes.items()}


def attempted(name, raw, noise, cutoff, denoiser, clean, key, show, carry) -> dict:
    begin = time.process_time()
    fit_key, draw_key = jax.random.split(key)
    # a movie that a pipeline cannot fit counts against it
    try:
        ended = pipelines.outcome(name, raw, noise, cutoff, denoiser, fit_key)
        found = {"carried": carried(ended, grid(clean))} if carry else record(ended, clean, draw_key, show)
    except RuntimeError as error:
        found = {"lost": str(error)}
    return found | {"seconds": time.process_time() - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--cases", nargs="+", default=CASES, help="a kind of noise and a level each")
    parser.add_argument("--pipelines", nargs="+", choices=pipelines.NAMES, default=list(pipelines.NAMES))
    parser.add_argument("--carried", action="store_true", help="what noise does in first order, to the first draws")
    parser.add_argument("--quick", action="store_true", help="one pair at one noise, raw and inferred")
    parser.add_argument("--page", type=Path, help="Markdown page to write, with figures/study_*.png beside it")
    parser.add_argument("--out", type=Path, default=RESULTS / "paper_study.json")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.pairs, chosen.cases, chosen.pipelines = 1, ["gauss 0.05"], ["raw", "inferred"]
    jax.config.update("jax_enable_x64", True)
    clean = experiments.clean()
    c = grid(clean)
    truth = {name: np.asarray(y).tolist() for name, y in curves(TRUTH, jnp.asarray(c)).items()}
    about = {
        "size": experiments.SIZE,
        "frames": experiments.FRAMES,
        "frame": FRAME,
        "compositions": c.tolist(),
        "truth": truth,
        "names": list(experiments.NAMES),
        "true": np.asarray(experiments.numbers(TRUTH)).tolist(),
    }
    parts = {"fits": [], "carried": []} | (json.loads(chosen.out.read_text()) if chosen.out.exists() else {})
    parts = {name: parts[name] for name in ("fits", "carried")}
    rows = parts["carried" if chosen.carried else "fits"]
    held = {(f["kind"], f["sigma"], f["pair"], f["sign"], f["pipeline"]) for f in rows}
    for number in range(chosen.pairs):
        for case in chosen.cases:
            kind, sigma = case.split()[0], float(case.split()[1])
            noise = experiments.model(kind, sigma)
            cutoff = pipelines.cutoff(experiments.pair(kind, sigma, clean, 0)[0], noise)
            for sign, raw in zip((1, -1), experiments.pair(kind, sigma, clean, number)):
                key = jax.random.key(number)
                denoiser = functools.cache(functools.partial(pipelines.trained, raw, noise, key))
                for name in chosen.pipelines:
                    what = {"kind": kind, "sigma": sigma, "pair": number, "sign": sign, "pipeline": name}
                    if tuple(what.values()) in held or (chosen.carried and sign < 0):
                        continue
                    show = (number, sign, sigma) == (0, 1, SHOWN)
                    done = attempted(name, raw, noise, cutoff, denoiser, clean, key, show, chosen.carried)
                    rows.append(what | done)
                    print(page.line(rows[-1], about), flush=True)
                    save(chosen.out, about | parts, PACKAGES)
    found = page.rows(about | parts)
    print(page.table(found))
    if chosen.page:
        page.write(chosen.page, about | parts, found, clean)


if __name__ == "__main__":
    main()

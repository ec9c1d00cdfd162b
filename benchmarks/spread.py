"""Do methods agree on how far laws may be off? Beside repeated noise, NUTS, and with the denoiser trained again.

Run ``python benchmarks/spread.py [--parts "repeated line" "repeated plane" retrained ...] [--draws 200]``.
The experiments are `LINE` and `PLANE` of `trials.py`.

- repeated: standard deviations of `propagate` beside the spread of estimates over fresh noise. The denoiser's weights
  are held: on the line it takes the mean of neighbouring pixels, on the plane it is a network trained on the first
  movie. Estimates are also regressed on what the derivative foretells of them: the slope and what is left over tell
  the ratio of the two to a few per cent with far fewer draws.
- retrained: a bootstrap (`ensemble(remake=)`) with the network trained again in each member beside one with its weights
  held, the noise of each member being the same.
- near linear, curved: standard deviations of `laplace` and `ensemble` over those of NUTS, where D is known well and
  where it is known to some 40 %.
- side by side: processor seconds of 64 members fitted in one program, and of single fits, on the cores given.
- workers: seconds of 64 members on one and on two spawned processes of Dask, a core each, which have compiled before.

Writes results/spread.json after each part and keeps the parts it holds already.
"""

import argparse
import contextlib
import functools
import itertools
import json
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from timing import RESULTS, in_turn, median_ratio, save, seconds
from trials import EDGE, LINE, PLANE, Trial

import operax as ox

PACKAGES = ("operax", "jax", "jaxlib", "flax", "equinox", "blackjax", "numpy")
# Frames that the network reads to either side, beyond those its windows are judged on.
REACH = 2
# The first movies of repeated noise that `propagate` is asked of.
ASKED = 4


def neighbours(movie: ox.Movie) -> ox.Movie:
    """A denoiser for a line: the mean with both neighbours, within a frame; at closed ends the pixel itself."""
    y = jnp.pad(movie.frames, ((0, 0), (1, 1)), mode="edge")
    return movie.replace(frames=0.25 * y[:, :-2] + 0.5 * y[:, 1:-1] + 0.25 * y[:, 2:])


def trained(raw: ox.Movie, sigma: float, key):
    """A network for start states that has not read what their windows are judged on, kept away from 0 and 1."""
    network = ox.denoise.BlindSpot(REACH, 16, skip=PLANE.window - 1)
    noise = ox.noise.Gaussian(sigma)
    denoiser = ox.denoise.train(raw, noise, key=key, network=network, steps=200, batch=2)
    return jax.tree_util.Partial(_within, denoiser)


def _within(denoiser, movie: ox.Movie) -> ox.Movie:
    states = denoiser(movie)
    return states.replace(frames=jnp.clip(states.frames, EDGE, 1 - EDGE))


def problem_of(trial: Trial, raw: ox.Movie, sigma: float, denoiser) -> ox.Problem:
    first = 0 if trial is LINE else REACH
    window = len(raw) if trial.window is None else trial.window
    windows = [range(i, min(i + window, len(raw))) for i in range(first, len(raw) - 1, window - 1)]
    return ox.Problem(raw, denoiser(raw), ox.noise.Gaussian(sigma), window=windows, start=ox.Given())


def movies(trial: Trial, law: str, sigma: float, count: int):
    """The same movie with fresh noise, again and again."""
    state_key, noise_key = jax.random.split(jax.random.key(7))
    clean = trial.movie(trial.law(law, None), state_key)
    sample = ox.noise.Gaussian(sigma).sample
    return clean, [clean.replace(frames=sample(clean.frames, key=k)) for k in jax.random.split(noise_key, count)]


def repeated(trial: Trial, law: str, sigma: float, count: int) -> dict:
    """Standard deviations that `propagate` states over those of estimates from repeated noise."""
    clean, raws = movies(trial, law, sigma, count)
    denoiser = neighbours if trial is LINE else trained(raws[0], sigma, jax.random.key(3))
    first = problem_of(trial, raws[0], sigma, denoiser)
    fits = [ox.fit(trial.unknown, first)]
    fits += [ox.refit(fits[0], problem_of(trial, raw, sigma, denoiser)) for raw in raws[1:]]
    estimates = np.stack([np.asarray(ravel_pytree(f.equation)[0]) for f in fits])
    stated, slopes = [], []
    for raw, best in list(zip(raws, fits))[:ASKED]:
        problem = problem_of(trial, raw, sigma, denoiser)
        found = ox.propagate(best, problem, denoiser, raw, key=jax.random.key(1), pairs=2).found
        stated.append(np.sqrt(np.diag(np.asarray(found["covariance"]))))
        slopes.append(np.asarray(found["influence"]).reshape(estimates.shape[1], -1))
    stated = np.sqrt(np.mean(np.square(stated), 0))
    # the derivative varies with the noise it is taken at: its mean over a few movies is nearer to that at none
    noise = np.stack([np.asarray(raw.frames - clean.frames).ravel() for raw in raws])
    mean = np.mean(slopes, 0)
    foretold = noise @ mean.T
    exact = sigma * np.linalg.norm(mean, axis=1)
    inside = np.sqrt(np.var(estimates, axis=0, ddof=1))
    slope = np.array([np.polyfit(f, e, 1)[0] for f, e in zip(foretold.T, estimates.T)])
    rest = estimates - estimates.mean(0) - slope * (foretold - foretold.mean(0))
    regressed = np.sqrt(slope**2 * exact**2 + rest.var(0, ddof=2))
    return {
        "law": law,
        "sigma": sigma,
        "draws": count,
        "stated_over_measured": (stated / inside).round(4).tolist(),
        "error_of_measured": (2 * (count - 1)) ** -0.5,
        "stated_over_regressed": (stated / regressed).round(4).tolist(),
        "left_over": (rest.std(0, ddof=2) / inside).round(3).tolist(),
        "measured_sd": inside.tolist(),
    }


def retrained(law: str, sigma: float, members: int) -> dict:
    """Spread of a bootstrap with the network trained again in each member, and with its weights held."""
    _, (raw,) = movies(PLANE, law, sigma, 1)
    denoiser = trained(raw, sigma, jax.random.key(3))
    problem = problem_of(PLANE, raw, sigma, denoiser)
    best = ox.fit(PLANE.unknown, problem)

    def held(movie, key):
        return problem_of(PLANE, movie, sigma, denoiser)

    def again(movie, key):
        return problem_of(PLANE, movie, sigma, trained(movie, sigma, key))

    tables = {}
    for name, remake in (("held", held), ("retrained", again)):
        found = ox.ensemble(best, problem, key=jax.random.key(5), size=members, remake=remake, tolerance=0.02)
        numbers = np.asarray(found.found["member"]).tolist()
        tables[name] = dict(zip(numbers, np.asarray(found(PLANE.quantity))))
    both = sorted(set(tables["held"]) & set(tables["retrained"]))
    held_, again_ = (np.stack([tables[name][n] for n in both]) for name in ("held", "retrained"))
    width = held_.std(0, ddof=1)
    return {
        "law": law,
        "sigma": sigma,
        "members": len(both),
        "names": PLANE.names,
        "held_sd": width.tolist(),
        "retrained_sd": again_.std(0, ddof=1).tolist(),
        # the noise of a member is the same in both, so the difference is what training adds
        "sd_of_difference_over_held": ((again_ - held_).std(0, ddof=1) / width).round(3).tolist(),
        "mean_difference_over_held": ((again_ - held_).mean(0) / width).round(3).tolist(),
    }


def beside_nuts(law: str, sigma: float, draws: int, members: int) -> dict:
    """Standard deviations of `laplace` and `ensemble` over those of NUTS."""
    _, (raw,) = movies(LINE, law, sigma, 1)
    problem = LINE.inferred(raw, ox.noise.Gaussian(sigma))
    best = ox.fit(LINE.unknown, problem)
    keys = jax.random.split(jax.random.key(9), 3)
    exact = ox.sample(best, problem, key=keys[0], draws=draws, warmup=300, chains=4)
    others = {
        "laplace": ox.laplace(best, problem, key=keys[1], draws=4000),
        "ensemble": ox.ensemble(best, problem, key=keys[2], size=members, batch=min(members, 400)),
    }
    reference = np.asarray(exact(LINE.quantity))
    found = {
        "law": law,
        "sigma": sigma,
        "names": LINE.names,
        "nuts": exact.notes,
        "nuts_sd": reference.std(0).tolist(),
        "relative_sd": (reference.std(0) / reference.mean(0)).round(3).tolist(),
    }
    for name, posterior in others.items():
        drawn = np.asarray(posterior(LINE.quantity))
        found |= {
            f"{name}_over_nuts": (drawn.std(0) / reference.std(0)).round(3).tolist(),
            f"{name}_mean_off_in_sd": ((drawn.mean(0) - reference.mean(0)) / reference.std(0)).round(3).tolist(),
            f"{name}_notes": posterior.notes,
        }
    return found


def side_by_side(trial: Trial, law: str, sigma: float, members: int, fits: int) -> dict:
    """Processor seconds of a member fitted beside others, fitted by itself, and of a fit from the first guess."""
    _, raws = movies(trial, law, sigma, fits + 1)
    noise = ox.noise.Gaussian(sigma)
    problem, *others = (trial.inferred(raw, noise) for raw in raws)
    best = ox.fit(trial.unknown, problem)

    def together(batch, key):
        return ox.ensemble(best, problem, key=jax.random.key(key), size=members, batch=batch)

    works = {
        "side by side": (members, lambda key: together(members, key)),
        "one by one": (members, lambda key: together(1, key)),
        "single fits": (fits, lambda key: [ox.fit(trial.unknown, one) for one in others]),
    }
    found = {"law": law, "sigma": sigma, "members": members, "cores": len(os.sched_getaffinity(0))}
    for name, (count, work) in works.items():
        work(0)  # compiles
        found[f"{name} [s]"] = seconds(lambda work=work: work(1), time.process_time) / count
    return found | {"times_faster": found["single fits [s]"] / found["side by side [s]"]}


def workers(trial: Trial, law: str, sigma: float, members: int, batch: int, rounds: int) -> dict:
    """Seconds of an ensemble on one and on two processes, in turn; what these compile is not counted."""
    from distributed import Client, LocalCluster

    _, (raw,) = movies(trial, law, sigma, 1)
    problem = trial.inferred(raw, ox.noise.Gaussian(sigma))
    best = ox.fit(trial.unknown, problem)
    keys = itertools.count()

    def work(client):
        # a key of its own each time: Dask would remember what it has computed
        executor = client.get_executor()
        return ox.ensemble(best, problem, key=jax.random.key(next(keys)), size=members, batch=batch, executor=executor)

    single = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    with contextlib.ExitStack() as stack:
        works = {}
        for count in (1, 2):
            cluster = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0", env=single)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
            for core, worker in enumerate(cluster.workers.values()):
                client.run(_pin, core, workers=[worker.worker_address])
            works[count] = functools.partial(work, client)
        times = in_turn(works, rounds, time.perf_counter)
    return {
        "law": law,
        "sigma": sigma,
        "members": members,
        "batch": batch,
        "seconds": {str(count): seconds_ for count, seconds_ in times.items()},
        "times_faster": median_ratio(times[1], times[2]),
    }


def _pin(core: int) -> None:
    """Keep this process, all of its threads, to one core: without it one worker would use some of the other."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {core})


PARTS = {
    "workers": lambda chosen: workers(PLANE, "even", 0.05, 64, 8, 5),
    "side by side, line": lambda chosen: side_by_side(LINE, "rising", 0.03, 64, 32),
    "side by side, plane": lambda chosen: side_by_side(PLANE, "even", 0.05, 64, 6),
    "repeated line": lambda chosen: repeated(LINE, "rising", 0.03, chosen.draws),
    "near linear": lambda chosen: beside_nuts("rising", 0.005, chosen.nuts, chosen.members),
    "curved": lambda chosen: beside_nuts("falling", 0.07, chosen.nuts, chosen.members),
    "repeated plane": lambda chosen: repeated(PLANE, "even", 0.05, chosen.draws),
    "retrained": lambda chosen: retrained("even", 0.05, chosen.trainings),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--draws", type=int, default=200, help="movies with fresh noise")
    parser.add_argument("--nuts", type=int, default=500, help="draws of each of four chains")
    parser.add_argument("--members", type=int, default=400)
    parser.add_argument("--trainings", type=int, default=12)
    parser.add_argument("--out", type=Path, default=RESULTS / "spread.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    record = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for part in chosen.parts:
        if part not in record:
            begin = time.process_time()
            record[part] = PARTS[part](chosen) | {"processor_seconds": time.process_time() - begin}
            save(chosen.out, record, PACKAGES)
        print(part, json.dumps(record[part], indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

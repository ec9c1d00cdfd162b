"""Work that says after every step how far it is, and can be killed at any time: python unbroken.py WORK FOLDER."""

import itertools
import sys
from pathlib import Path

import jax
import numpy as np

import operax as ox
from operax.cli import main

jax.config.update("jax_enable_x64", True)


def movie(rows=10, columns=8, frames=8):
    """A cosine that diffuses away, with noise."""
    rng = np.random.default_rng(0)
    domain, t = ox.Domain((rows, columns), 1.0 / rows), 0.4 * np.arange(frames)
    profile = 0.5 + 0.4 * np.cos(np.pi * domain.centres()[0]) * np.exp(-0.05 * np.pi**2 * t[:, None])
    clean = np.repeat(profile[:, :, None], columns, 2)
    return ox.Movie(clean + 0.02 * rng.normal(size=clean.shape), t, domain, units=("mm", "s", "1"))


def problem():
    equation = ox.Diffusion(ox.laws.Exp(ox.laws.Unknown(-2.0, 2.0) + ox.laws.Legendre(3)))
    return equation, ox.Problem(movie().mean("column"), noise=ox.noise.Gaussian(0.01))


def said(number) -> None:
    print(f"step {number}", flush=True)


def save(folder: Path) -> None:
    """Movies whose values are all the number of the save, one after the other into one file, for ever."""
    like = movie(64, 64)
    for number in itertools.count(1):
        ox.save(folder / "movie.h5", like.replace(frames=np.full(like.frames.shape, float(number))))
        said(number)


def train(folder: Path) -> dict:
    network = ox.denoise.BlindSpot(reach=1, width=4)
    # the module hides behind the verb of its name
    sys.modules["operax.denoise.train"].INTERVAL = 0.0
    denoiser = ox.denoise.train(
        movie(),
        ox.noise.Gaussian(0.02),
        key=jax.random.key(0),
        network=network,
        steps=300,
        progress=lambda step, steps, risk: said(step),
        checkpoint=folder / "training.npz",
    )
    return {f"{i}": leaf for i, leaf in enumerate(jax.tree.leaves(denoiser))}


def fit(folder: Path) -> dict:
    best = ox.fit(*problem(), progress=lambda now: said(now.step), checkpoint=folder / "fit.h5")
    return {f"{i}": leaf for i, leaf in enumerate(jax.tree.leaves((best.equation, best.starts, best.log_density)))}


def ensemble(folder: Path) -> dict:
    posterior = ox.ensemble(
        *problem(), key=jax.random.key(1), size=10, batch=1, folder=folder, progress=lambda done, size: said(done)
    )
    return {f"{i}": leaf for i, leaf in enumerate(jax.tree.leaves(posterior.draws))}


def sample(folder: Path) -> dict:
    equation, judge = problem()
    posterior = ox.sample(ox.fit(equation, judge), judge, key=jax.random.key(2), draws=10, warmup=20, chains=1)
    return {f"{i}": leaf for i, leaf in enumerate(jax.tree.leaves(posterior.draws))}


def run(folder: Path) -> dict:
    import operax.denoise  # noqa: F401 - imports the module that is changed next

    sys.modules["operax.denoise.train"].INTERVAL = 0.0
    if not (folder / "movie.h5").exists():
        ox.save(folder / "movie.h5", movie())
    (folder / "a.toml").write_text(
        '[input]\npath = "movie.h5"\n[prepare]\nprofile = "column"\n[denoise]\nmethod = "blindspot"\nsteps = 150\n'
        '[fit]\nequation = "diffusion"\ndiffusivity = {value = 0.01, factor = 10}\ndraws = 50\n'
    )
    words = ["--log-level", "debug", "run", str(folder / "a.toml"), "--out", str(folder / "run"), "--resume"]
    assert main(words) == 0
    draws, _ = ox.io.read_arrays(folder / "run" / "fit.h5")
    return {**draws, "denoised": ox.load(folder / "run" / "denoised.h5").frames}


if __name__ == "__main__":
    work, where = sys.argv[1], Path(sys.argv[2])
    found = {"save": save, "train": train, "fit": fit, "ensemble": ensemble, "sample": sample, "run": run}[work](where)
    np.savez(where / "ended.npz", **{name: np.asarray(value) for name, value in found.items()})

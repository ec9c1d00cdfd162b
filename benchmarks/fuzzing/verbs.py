"""Hostile command lines, configs and run folders for every verb of the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from operax import io
from operax.cli import app, main
from operax.domain import Domain
from operax.movie import Movie

from .mutate import config, damaged, hostile, line

CONFIG = """[input]
path = "movie.h5"
boundary = "no-flux"
[prepare]
profile = "column"
frames = [0, 5]
step = 1
[denoise]
method = "temporal-mean"
width = 3
[fit]
equation = "diffusion"
diffusivity = {value = 0.03, factor = 3}
window = 3
start = {lead = 0.5, cutoff = 20}
steps = 3
draws = 20
residual_scale = true
[report]
title = "a title"
[run]
seed = 1
"""
MODALITIES = ("stxm", "optical", "neutron", "simulated")


def movie() -> Movie:
    """A cosine that diffuses away, with noise: small, but with everything that a fit needs."""
    rows, columns, frames = 8, 4, 5
    rng = np.random.default_rng(0)
    domain, t = Domain((rows, columns), 1.0 / rows), 0.4 * np.arange(frames)
    profile = 0.5 + 0.4 * np.cos(np.pi * domain.centres()[0]) * np.exp(-0.05 * np.pi**2 * t[:, None])
    frames = np.repeat(profile[:, :, None], columns, 2) + 0.02 * rng.normal(size=(frames, rows, columns))
    return Movie(frames, t, domain, units=("mm", "s", "1"))


# Verbs that look at a finished run, and verbs that compute.
LATER, HEAVY = ("report", "cite"), ("run", "fit", "denoise")


def prepare(folder: Path, verb: str) -> None:
    """A movie and its config; for verbs that come later the folder of a finished run, too.

    Verbs that compute have done so once, so that libraries are loaded and no case is charged with that.
    """
    if not (folder / "movie.h5").exists():
        io.save(folder / "movie.h5", movie())
        (folder / "config.toml").write_text(CONFIG)
    if verb in (*LATER, *HEAVY) and not (folder / "run").exists():
        assert main(["run", str(folder / "config.toml"), "--out", str(folder / "run")]) == 0
    if verb in HEAVY:
        shutil.rmtree(folder / "run")


def options(verb: str) -> list[str]:
    """Every option of a verb."""
    import typer

    command = typer.main.get_command(app.app).commands[verb]
    return [name for parameter in command.params for name in parameter.opts if name.startswith("-")]


def info(folder: Path, rng) -> list[str]:
    return line(["info", "movie.h5"], options("info"), rng)


def demo(folder: Path, rng) -> list[str]:
    # the end is always wrong, whatever it is taken for: a demo that starts takes a minute
    wrong = [["--seed", "x"], ["--out", "movie.h5"], ["--nonsense"], ["word"], ["--out", "full"]][rng.integers(5)]
    (folder / "full").mkdir(exist_ok=True)
    (folder / "full" / "thesis.txt").write_text("years of work")
    words = line(["demo", "--quick"], [o for o in options("demo") if o != "--force"], rng)
    return [*[w for w in words if w != "--force"], *wrong, "--seed", "x"]


def init(folder: Path, rng) -> list[str]:
    base = ["init", str(rng.choice(MODALITIES)), "-o", "new.toml"]
    return line(base, options("init"), rng)


def denoise(folder: Path, rng) -> list[str]:
    base = ["denoise", "movie.h5", "-o", "clean.h5", "--method", "temporal-mean", "--width", "3", "--frames", "0,5"]
    return line(base, options("denoise"), rng, most=6)


def fit(folder: Path, rng) -> list[str]:
    base = ["fit", "movie.h5", "--equation", "diffusion", "--diffusivity", "{value=0.03, factor=3}", "--steps", "3"]
    return line([*base, "--profile", "column", "--draws", "20", "--out", "new"], options("fit"), rng, most=6)


def run(folder: Path, rng) -> list[str]:
    (folder / "config.toml").write_bytes(config(CONFIG, rng))
    base = ["run", "config.toml", "--out", "new"]
    return base if rng.integers(3) else line(base, options("run"), rng)


def report(folder: Path, rng) -> list[str]:
    # what a report is made of; the rest of the folder is not read again
    files = [folder / "run" / name for name in ("run.json", "config.toml", "fit.h5", "denoised.h5", "denoising.h5")]
    hit, fate = files[rng.integers(len(files))], rng.integers(8)
    if fate == 0:
        hit.unlink()
    elif fate == 1:
        hit.write_text(hostile(rng), errors="replace")
    elif fate == 2:
        shutil.copy(files[rng.integers(len(files))], folder / "other")
        shutil.move(folder / "other", hit)
    else:
        hit.write_bytes(damaged(hit.read_bytes(), rng))
    return ["report", "run"] if rng.integers(4) else line(["report", "run"], options("report"), rng)


def cite(folder: Path, rng) -> list[str]:
    words = report(folder, rng)
    return ["cite", *words[1:]]


VERBS: dict[str, Callable[[Path, np.random.Generator], list[str]]] = {
    made.__name__: made for made in (info, demo, init, run, fit, denoise, cite, report)
}

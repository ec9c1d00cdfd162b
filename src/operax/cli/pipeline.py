"""The stages of an analysis: load, denoise, reduce, fit, posterior, report; each a plain function."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from .. import denoise as denoisers
from .. import inference, io
from .. import noise as noises
from ..denoise.denoiser import check
from ..movie import Movie
from ..synth import Truth
from . import build, pages, results
from . import config as configs
from .folder import Folder, begin, fingerprint, recorded, reusable
from .recorded import cast, given_states, in_words, noise_of
from .recorded import recorded as read
from .reduce import Noise, Recorded, composition
from .stages import Tick, stage

# Streams of random numbers apart from those of denoising and of draws.
SECOND, LEARNT = 1, 2
TRAINING, DESCENT = "checkpoints/training-{}.npz", "checkpoints/fit.h5"


@dataclass(frozen=True)
class Outcome:
    """What a run found; ``None`` for what it was not asked for.

    Parameters
    ----------
    raw, denoised
        The prepared movie before and after.
    denoising
        What can be said of the denoised movie.
    problem, posterior
        The fit.
    report
        Path of report.html.
    """

    raw: Movie
    denoised: Movie | None
    denoising: denoisers.DenoiseReport | None
    problem: inference.Problem | None
    posterior: inference.Posterior | None
    report: Path


def denoise(
    raw: Movie, part, noise: Noise | None, *, key, tick: Tick, run: Folder | None = None, number: int = 0
) -> tuple[Movie, denoisers.DenoiseReport]:
    """The denoised movie, and what can be said of it; in a run folder a training is kept, and goes on from there."""
    assert noise is not None  # where it is not known there is nothing to denoise, see `recorded`
    if isinstance(part, configs.BlindSpot):
        # the network's weights are float32; in float64 it would only be slower
        single = cast(raw, jnp.float32)
        checkpoint = None if run is None else run / TRAINING.format(number)
        denoiser = denoisers.train(single, noise, key=key, steps=part.steps, progress=tick, checkpoint=checkpoint)
        if run is not None:
            denoisers.save(run / f"denoiser-{number}.npz", denoiser)
        clean = denoiser(single)
        return cast(clean, raw.frames.dtype), denoisers.assess(denoiser, single, clean, noise)
    if isinstance(part, configs.TemporalMean):
        clean = denoisers.TemporalMean(part.width, noise)(raw)
    else:
        clean = denoisers.LowRank(part.rank, noise)(raw)
    return clean, denoisers.assess(None, raw, clean, noise)


def denoised_only(config: configs.Config) -> tuple[Movie, denoisers.DenoiseReport]:
    """Load and denoise without a run folder."""
    with stage("load"):
        raw = read(config)
    key, _ = jax.random.split(jax.random.key(config.run.seed))
    with stage("denoise", value="risk") as tick:
        return denoise(raw.movies[0], config.denoise, raw.noises[0], key=key, tick=tick)


def problem_of(config: configs.Config, raw: Movie, states: Movie | None) -> inference.Problem:
    """What judges the fit: the raw movie, averaged to a profile where [prepare] says so.

    Raises
    ------
    ValueError
        If the movie is an energy stack, or `Problem` refuses it.
    """
    part, axis = config.fit, config.prepare.profile
    assert part is not None
    if raw.axis != "time":
        raise ValueError(f"a fit needs frames over time, this movie runs along {raw.axis}; leave [fit] out.")
    data = raw if axis is None else raw.mean(axis)
    if states is not None and axis is not None and states.domain.ndim == raw.domain.ndim:
        states = states.mean(axis)
    noise = None
    if data.variance is None or (axis is not None and config.instrument is not None and config.noise is None):
        # measured on the profile itself: pixels of correlated noise do not average as independent ones
        data = data.replace(variance=None)
        noise = noises.estimate(data)
    elif config.noise is not None and config.instrument is None and axis is None:
        noise = noise_of(raw, config)  # counting noise is judged at the predicted value
    return inference.Problem(data, states, noise, window=part.window, start=build.start(part))


def execute(
    config: configs.Config,
    path: Path,
    command: str,
    *,
    truth: Truth | None = None,
    resume: bool = False,
    remember: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run an analysis into a run folder.

    Nothing is written before the input has been read and found fit for all that is asked of it.

    Parameters
    ----------
    config
        What to do.
    path
        The run folder, see `folder.choose`.
    command
        Name of the command, for run.json.
    truth
        Where a synthetic movie came from, for the report.
    remember
        Further facts for run.json.
    resume
        Go on where an earlier run of the same config in this folder was stopped.

    Raises
    ------
    ValueError, OSError
        If the input cannot be used.
    RuntimeError
        If training or the fit fails; run.json then says so.
    """
    denoise_key, draw_key = jax.random.split(jax.random.key(config.run.seed))
    with stage("load"):
        raw = read(config)
        states = given_states(config)
        if isinstance(config.denoise, configs.BlindSpot):
            check(raw.movies[0])
        shown = raw.movies[0]
        if config.instrument is not None:
            shown, _ = composition(config.instrument, raw, None, key=jax.random.fold_in(denoise_key, LEARNT))
        if config.fit is not None:
            problem_of(config, shown, states)
            equation = build.equation(config.fit)
        inputs = [fingerprint(p) for p in configs.named_files(config)]
    kept = reusable(path, config, inputs) if resume else frozenset()
    run = begin(path, config, inputs, command, keep=kept)
    denoising = problem = posterior = clean = None
    with recorded(run):
        run.note(
            **(remember or {}),
            noise=[in_words(noise) for noise in raw.noises],
            denoised="taken from the earlier run" if "denoised.h5" in kept else "made in this run",
        )
        if config.denoise is not None:
            clean, denoising = _cleaned(config, raw, run, denoise_key, done="denoised.h5" in kept)
            states = clean.movies[0]
        if config.instrument is not None:
            with stage("reduce", run):
                shown, states = _reduced(config, raw, clean, run, denoise_key)
        if config.fit is not None:
            problem = problem_of(config, shown, states)
            posterior = _fitted(config, problem, equation, run, draw_key)
        with stage("report", run):
            report = pages.write(config, run, raw, clean, shown, states, denoising, problem, posterior, truth)
    return Outcome(raw.movies[0], states, denoising, problem, posterior, report)


def _cleaned(config, raw: Recorded, run: Folder, key, *, done: bool):
    """All recorded movies denoised, and what can be said of the first."""
    if done:
        return _kept(run.path, raw)
    cleaned = []
    for number, (movie, noise) in enumerate(zip(raw.movies, raw.noises)):
        own = key if number == 0 else jax.random.fold_in(key, SECOND)
        with stage("denoise", run, value="risk") as tick:
            cleaned.append(denoise(movie, config.denoise, noise, key=own, tick=tick, run=run, number=number))
    # the first is written last: where it is, all are
    for number, (movie, _) in reversed(list(enumerate(cleaned))):
        results.write_denoising(run / _named("denoising", number), cleaned[number][1])
        io.save(run / _named("denoised", number), movie)
    return dataclasses.replace(raw, movies=tuple(movie for movie, _ in cleaned)), cleaned[0][1]


def _named(kind: str, number: int) -> str:
    return f"{kind}.h5" if number == 0 else f"{kind}-{number}.h5"


def _kept(path: Path, raw: Recorded) -> tuple[Recorded, denoisers.DenoiseReport]:
    """The denoised movies that a run folder holds, and what can be said of the first."""
    count, dtype = len(raw.movies), raw.movies[0].frames.dtype
    movies = tuple(cast(io.load(path / _named("denoised", n)), dtype) for n in range(count))
    return dataclasses.replace(raw, movies=movies), results.read_denoising(path / "denoising.h5")


def _reduced(config, raw, clean, run: Folder | None, key) -> tuple[Movie, Movie | None]:
    """Compositions of raw and denoised frames; written to the run folder."""
    shown, states = composition(config.instrument, raw, clean, key=jax.random.fold_in(key, LEARNT))
    if run is not None:
        io.save(run / "composition.h5", shown)
        if states is not None:
            io.save(run / "composition-denoised.h5", states)
    return shown, states


def _fitted(config: configs.Config, problem, equation, run: Folder, key) -> inference.Posterior:
    part = config.fit
    assert part is not None
    with stage("fit", run, value="-log posterior") as tick:
        best = inference.fit(
            equation,
            problem,
            method=build.method(part),
            progress=lambda now: tick(now.step, part.steps, now.loss),
            checkpoint=run / DESCENT,
        )
    run.note(fit=best.result, chi2=float(best.chi2))
    run.log(f"fit: {best.result}; reduced chi2 {float(best.chi2):.4g}")
    with stage("posterior", run):
        posterior = inference.laplace(best, problem, key=key, draws=part.draws, residual_scale=part.residual_scale)
        results.write_posterior(run / "fit.h5", posterior)
        io.save(run / "predicted.h5", inference.fitted(best, problem))
    return posterior


def rerender(path: str | os.PathLike, *, truth: Truth | None = None) -> Path:
    """Make report.html and the figures of a finished run again from its saved results.

    Raises
    ------
    FileNotFoundError
        If the folder holds no run.
    ValueError
        If the run did not finish, or its input has changed since.
    """
    where = Path(path)
    if not (where / "run.json").exists():
        raise FileNotFoundError(f"{os.fspath(path)!r} is no run folder, it holds no run.json.")
    state = remembered(where)
    if state.get("state") != "finished":
        raise ValueError(
            f"{os.fspath(path)}: the run has not finished ({state.get('state')}: "
            f"{state.get('error', 'no error')}); run it again."
        )
    config = configs.read(where / "config.toml")
    for entry in state["inputs"]:
        if fingerprint(entry["path"])["sha256"] != entry["sha256"]:
            raise ValueError(f"{entry['path']}: has changed since the run; run the analysis again.")
    run = Folder(where, state)
    with stage("report", run):
        raw, denoising, posterior, problem, clean = read(config), None, None, None, None
        states, shown = given_states(config), raw.movies[0]
        if config.denoise is not None:
            clean, denoising = _kept(where, raw)
            states = clean.movies[0]
        if config.instrument is not None:
            shown, states = _reduced(config, raw, clean, None, jax.random.split(jax.random.key(config.run.seed))[0])
        if config.fit is not None:
            problem = problem_of(config, shown, states)
            posterior = results.read_posterior(where / "fit.h5", build.equation(config.fit))
        return pages.write(config, run, raw, clean, shown, states, denoising, problem, posterior, truth)


def remembered(path: Path) -> dict[str, Any]:
    """What run.json says.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        state = json.loads((path / "run.json").read_text("utf-8"))
        [(entry["path"], entry["sha256"]) for entry in state["inputs"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path / 'run.json'}: is damaged ({error}); run the analysis again.") from error
    return state

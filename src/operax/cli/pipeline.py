"""The stages of an analysis: load, prepare, denoise, fit, posterior, report; each a plain function."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import denoise as denoisers
from .. import inference, io
from .. import noise as noises
from ..denoise.denoiser import check
from ..modalities import neutron
from ..movie import Movie
from ..report import denoise_report
from ..report import report as fit_report
from ..synth import Truth
from . import build, results
from . import config as configs
from .folder import Folder, begin, fingerprint, recorded, reusable
from .stages import Tick, stage

Noise = noises.Gaussian | noises.PoissonGaussian


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


def prepared(config: configs.Config) -> Movie:
    """The movie that [input] and [prepare] describe, in the precision of the session.

    Raises
    ------
    ValueError
        If the file does not settle what it holds, has colour, or a cut lies outside of it.
    """
    found, part = config.input, config.prepare
    inside = None
    if found.mask is not None:
        image = io.load(found.mask, axes="yx", spacing=1.0, times=[0.0], units=("px", "frame", "1"))
        inside = np.asarray(image.frames[0] > 0)
    movie = io.load(
        found.path,
        axes=found.axes,
        spacing=found.spacing,
        times=found.times,
        boundary=found.boundary,
        units=None if found.units is None else (found.units[0], found.units[1], found.units[2]),
        channel=found.channel,
        inside=inside,
        dataset=found.dataset,
    )
    if movie.channels_ndim:
        raise ValueError(
            f"{found.path}: is a colour movie of {movie.frames.shape[-1]} channels, one value a pixel is "
            "needed: pick one with `channel` (a number, or 'grey' where all are equal)."
        )
    cuts = {"row": part.rows, "column": part.columns}
    for axis, cut in cuts.items():
        if cut is not None and axis not in movie.domain.axes:
            raise ValueError(f"`{axis}s` cannot be cut, the movie has the axes {', '.join(movie.axes)}.")
    whole, movie = movie, _cut(movie, cuts)
    if part.convert is not None:
        reference = _reference(part.convert.reference, whole, movie)
        movie = neutron.water_content(movie, reference=reference, attenuation=part.convert.attenuation)
    window = _within("frames", part.frames, len(movie))
    if window != slice(0, len(movie)) or part.step > 1:
        movie = movie[slice(window.start, window.stop, part.step)]
    if config.noise is not None:
        movie = movie.replace(variance=jnp.full(movie.frames.shape, config.noise.std**2))
    return cast(movie, jnp.result_type(float))


def _cut(movie: Movie, cuts: Mapping[str, list[int] | None]) -> Movie:
    axes = zip(movie.domain.axes, movie.domain.shape)
    return movie.crop(*(_within(f"{axis}s", cuts.get(axis), count) for axis, count in axes))


def _reference(stated, whole: Movie, movie: Movie) -> int | Movie:
    """The reference of Beer-Lambert: a frame number, or a frame with the mean of a region in every pixel."""
    if not isinstance(stated, configs.Region):
        return 0 if stated == "first" else stated
    region = _cut(whole, {"row": stated.rows, "column": stated.columns})
    if stated.frame >= len(whole):
        raise ValueError(f"`frame` of the reference must be one of {len(whole)} frames, got {stated.frame}.")
    level = region.frames[stated.frame].mean()
    return movie[:1].replace(frames=jnp.full((1, *movie.domain.shape), level), variance=None)


def _within(name: str, cut: list[int] | None, count: int) -> slice:
    if cut is None:
        return slice(0, count)
    if not 0 <= cut[0] < cut[1] <= count:
        raise ValueError(f"`{name}` must be [first, end) with 0 <= first < end <= {count}, got [{cut[0]}, {cut[1]}].")
    return slice(cut[0], cut[1])


def cast(movie: Movie, dtype) -> Movie:
    """The movie with frames and variance in another precision; times keep theirs, none may fall together."""
    variance = None if movie.variance is None else movie.variance.astype(dtype)
    return movie.replace(frames=movie.frames.astype(dtype), variance=variance)


def noise_of(raw: Movie, config: configs.Config) -> Noise:
    """The noise of one pixel: as [noise] says, or measured from the movie."""
    return noises.estimate(raw) if config.noise is None else noises.Gaussian(config.noise.std)


def denoise(raw: Movie, part, noise: Noise, *, key, tick: Tick) -> tuple[Movie, denoisers.DenoiseReport]:
    """The denoised movie, and what can be said of it."""
    if isinstance(part, configs.BlindSpot):
        # the network's weights are float32; in float64 it would only be slower
        single = cast(raw, jnp.float32)
        denoiser = denoisers.train(single, noise, key=key, steps=part.steps, progress=tick)
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
        raw = prepared(config)
        noise = noise_of(raw, config)
    key, _ = jax.random.split(jax.random.key(config.run.seed))
    with stage("denoise", value="risk") as tick:
        return denoise(raw, config.denoise, noise, key=key, tick=tick)


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
        raise ValueError(f"a fit needs frames over time, this movie runs along {raw.axis}; only denoise it.")
    data = raw if axis is None else raw.mean(axis)
    if states is not None and axis is not None and states.domain.ndim == raw.domain.ndim:
        states = states.mean(axis)
    # measured on the profile itself: pixels of correlated noise do not average as independent ones
    noise = noises.estimate(data) if data.variance is None else None
    return inference.Problem(data, states, noise, window=part.window, start=build.start(part))


def given_states(config: configs.Config) -> Movie | None:
    """The movie named by ``states`` in [input], if one is."""
    path = config.input.states
    return None if path is None else cast(io.load(path), jnp.result_type(float))


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
        Take the denoised movie of an earlier run in this folder, if it is the same that would be made now.

    Raises
    ------
    ValueError, OSError
        If the input cannot be used.
    RuntimeError
        If training or the fit fails; run.json then says so.
    """
    with stage("load"):
        raw = prepared(config)
        noise = noise_of(raw, config)
        states = given_states(config)
        if isinstance(config.denoise, configs.BlindSpot):
            check(raw)
        if config.fit is not None:
            problem_of(config, raw, states)
            equation = build.equation(config.fit)
        named = (config.input.path, config.input.mask, config.input.states)
        inputs = [fingerprint(p) for p in named if p is not None]
    kept = resume and config.denoise is not None and reusable(path, config, inputs)
    run = begin(path, config, inputs, command, keep=("denoised.h5", "denoising.h5") if kept else ())
    denoise_key, draw_key = jax.random.split(jax.random.key(config.run.seed))
    denoising = problem = posterior = None
    with recorded(run):
        run.note(
            **(remember or {}),
            noise=str(_rounded(noise)),
            denoised="taken from the earlier run" if kept else "made in this run",
        )
        if kept:
            states, denoising = _denoised(path, raw)
        elif config.denoise is not None:
            with stage("denoise", run, value="risk") as tick:
                states, denoising = denoise(raw, config.denoise, noise, key=denoise_key, tick=tick)
            io.save(run / "denoised.h5", states)
            results.write_denoising(run / "denoising.h5", denoising)
        if config.fit is not None:
            problem = problem_of(config, raw, states)
            posterior = _fitted(config, problem, equation, run, draw_key)
        with stage("report", run):
            report = _report(config, run, raw, states, noise, denoising, problem, posterior, truth)
    return Outcome(raw, states, denoising, problem, posterior, report)


def _fitted(config: configs.Config, problem, equation, run: Folder, key) -> inference.Posterior:
    part = config.fit
    assert part is not None
    with stage("fit", run, value="-log posterior") as tick:
        best = inference.fit(
            equation,
            problem,
            method=build.method(part),
            progress=lambda now: tick(now.step, part.steps, now.loss),
        )
    run.note(fit=best.result, chi2=float(best.chi2))
    run.log(f"fit: {best.result}; reduced chi2 {float(best.chi2):.4g}")
    with stage("posterior", run):
        posterior = inference.laplace(best, problem, key=key, draws=part.draws, residual_scale=part.residual_scale)
        results.write_posterior(run / "fit.h5", posterior)
        io.save(run / "predicted.h5", inference.fitted(best, problem))
    return posterior


def _denoised(path: Path, raw: Movie) -> tuple[Movie, denoisers.DenoiseReport]:
    movie = cast(io.load(path / "denoised.h5"), raw.frames.dtype)
    return movie, results.read_denoising(path / "denoising.h5")


def _report(config, run, raw, states, noise, denoising, problem, posterior, truth) -> Path:
    title = config.report.title or f"operax: {Path(config.input.path).name}"
    settings = config.model_dump(exclude_none=True)
    notes = [f"Noise of one pixel: {_rounded(noise)}."]
    if config.fit is None:
        return denoise_report(
            raw,
            states,
            noise,
            denoising,
            run / "report.html",
            truth=None if truth is None else truth.clean,
            notes=notes,
            settings=settings,
            title=title,
            figures_folder=run / "figures",
        )
    axis = config.prepare.profile
    if states is not None and axis is not None and states.domain.ndim == raw.domain.ndim:
        states = states.mean(axis)
    if axis is not None:
        notes.append(f"The fit is of the profile averaged over every {axis}; the noise of the profile is its own.")
    if config.fit.start == "given":
        notes.append("Start states were taken as exact: noise in them biases the laws, and the bands leave it out.")
    return fit_report(
        posterior,
        problem,
        run / "report.html",
        states=states,
        truth=None if truth is None else truth.equation,
        denoising=denoising,
        notes=notes,
        settings=settings,
        title=title,
        figures_folder=run / "figures",
    )


def _rounded(noise: Noise) -> str:
    """A noise model in words."""
    if isinstance(noise, noises.Gaussian):
        return f"Gaussian, standard deviation {float(jnp.mean(noise.std)):.4g}"
    gain, offset, read = (float(jnp.mean(v)) for v in (noise.gain, noise.offset, noise.read_std))
    return f"Poisson-Gaussian, gain {gain:.4g}, offset {offset:.4g}, read noise {read:.4g}"


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
    state = json.loads((where / "run.json").read_text("utf-8"))
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
        raw, denoising, posterior, problem = prepared(config), None, None, None
        states = given_states(config)
        if config.denoise is not None:
            states, denoising = _denoised(where, raw)
        if config.fit is not None:
            problem = problem_of(config, raw, states)
            posterior = results.read_posterior(where / "fit.h5", build.equation(config.fit))
        return _report(config, run, raw, states, noise_of(raw, config), denoising, problem, posterior, truth)

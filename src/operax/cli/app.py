"""The commands of `operax`; what they do is imported when they run, so that help appears at once."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from . import options as opt
from .errors import INTERRUPTED, guarded
from .init import Modality
from .say import set_level

app = typer.Typer(pretty_exceptions_enable=False)


def main(args: Sequence[str] | None = None) -> int:
    """Run the `operax` command and give its exit code.

    0 done, 2 bad input or usage, 1 a training, fit or solve that failed, 130 interrupted by Ctrl-C.
    Results go to standard output; progress, warnings and errors to standard error.

    Parameters
    ----------
    args
        Words after `operax`; by default those of the shell, and Ctrl-C then ends the process at once.
    """
    given = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in given
    command = typer.main.get_command(app)
    left = [word for word in given if word != "--debug"]
    set_level("info")  # a call before may have been quiet
    code = guarded(lambda: command.main(left, prog_name="operax", standalone_mode=False), debug=debug)
    if code == INTERRUPTED and args is None:
        # a compiled computation cannot be stopped, and an ordinary end of the process would wait for it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


@app.callback(invoke_without_command=True)
def operax(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    log_level: Annotated[
        str, typer.Option(help="What to say on the way: error, warning, info (stages) or debug (every step).")
    ] = "info",
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """From a noisy operando movie to the physical laws that made it, with error bars.

    Exit codes: 0 done, 2 bad input or usage, 1 a training or fit that failed, 130 interrupted.
    """
    del debug  # taken out by `main`, wherever on the line it stands
    set_level("error" if quiet else log_level)
    if version:
        typer.echo(f"operax {metadata.version('operax')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    out: opt.Out = None,
    seed: opt.Seed = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A tiny movie and short training, to see it run.")] = False,
    force: opt.Force = False,
) -> None:
    """Denoise and fit a synthetic movie of LiFePO4 particles, and compare with the truth (three minutes)."""
    from .folder import choose
    from .session import double_precision

    path = choose(out, "demo", force=force)
    with double_precision():
        from . import demo as demos

        outcome, made = demos.run(path, seed=seed, quick=quick)
        demos.summary(outcome, made, Console())
    _say("report", outcome.report)


@app.command()
def info(file: opt.File, dataset: opt.Dataset = None) -> None:
    """Say what is inside a file, and what would still have to be told to read it."""
    from .. import io

    found = io.info(file, dataset=opt.part(dataset))
    if found.problem and not found.shape:
        raise ValueError(found.problem)
    typer.echo(str(found))
    if found.problem:
        raise typer.Exit(2)


@app.command()
def init(
    modality: Annotated[Modality, typer.Argument(help="What recorded the movie.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; by default <modality>.toml.")] = None,
    movie: Annotated[Path | None, typer.Option("--input", "-i", help="The movie, to be named in the config.")] = None,
    size: Annotated[int, typer.Option(min=16, max=512, help="Rows and columns of the simulated movie.")] = 40,
    seed: opt.Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write a config with a comment on every key, to be edited and given to `run`."""
    from .init import write

    path = Path(f"{modality}.toml") if output is None else output
    for file in write(modality, path, movie, force=force, size=size, seed=seed):
        _say("written", file)


@app.command()
def denoise(
    file: opt.File,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the movie: .h5 or .tif.")],
    method: Annotated[str, typer.Option(help="blindspot, temporal-mean or low-rank.")] = "blindspot",
    steps: Annotated[int | None, typer.Option(help="Training steps of blindspot.")] = None,
    width: Annotated[int | None, typer.Option(help="Frames that temporal-mean averages, odd.")] = None,
    rank: Annotated[int | None, typer.Option(help="Components that low-rank keeps; chosen if not given.")] = None,
    run_folder: Annotated[Path | None, typer.Option("--run", help="Keep a run folder with a report, too.")] = None,
    dataset: opt.Dataset = None,
    axes: opt.Axes = None,
    spacing: opt.Spacing = None,
    times: opt.Times = None,
    units: opt.Units = None,
    channel: opt.Channel = None,
    boundary: opt.Boundary = None,
    mask: opt.Mask = None,
    rows: opt.Rows = None,
    columns: opt.Columns = None,
    frames: opt.Frames = None,
    step: opt.Step = None,
    noise_std: opt.NoiseStd = None,
    seed: opt.Seed = 0,
    force: opt.Force = False,
    resume: opt.Resume = False,
) -> None:
    """Denoise a movie with a network trained on it alone, or with a classical method."""
    from .. import io
    from . import config as configs
    from .folder import check_output, choose
    from .session import double_precision

    check_output(output)
    if resume and run_folder is None:
        raise ValueError("`--resume` goes on in a run folder; name it with `--run`.")
    config = configs.given(
        {
            "input": opt.input_table(file, dataset, axes, spacing, times, units, channel, boundary, mask),
            "prepare": opt.prepare_table(rows, columns, frames, step),
            "noise": {"std": noise_std},
            "denoise": {"method": method, "steps": steps, "width": width, "rank": rank},
            "run": {"seed": seed},
        }
    )
    path = None if run_folder is None else choose(run_folder, file.stem, force=force)
    with double_precision():
        from . import pipeline

        if path is None:
            movie, denoising = pipeline.denoised_only(config)
        else:
            outcome = pipeline.execute(config, path, "denoise", resume=resume)
            assert outcome.denoised is not None
            assert outcome.denoising is not None
            movie, denoising = outcome.denoised, outcome.denoising
            _say("report", outcome.report)
        io.save(output, movie)
        _say("denoised", output)
        _say("trust", denoising.verdict)


@app.command()
def fit(
    file: opt.File,
    equation: Annotated[str, typer.Option(help="diffusion, cahn-hilliard or allen-cahn.")],
    diffusivity: Annotated[
        str | None, typer.Option(help="D(c) of diffusion, as in a config: '{value=1e-3, factor=10}'.")
    ] = None,
    source: Annotated[float | None, typer.Option(help="Source of diffusion, a number per time.")] = None,
    mobility: Annotated[str | None, typer.Option(help="M(c) of cahn-hilliard, as in a config.")] = None,
    rate: Annotated[str | None, typer.Option(help="R(c) of allen-cahn, as in a config.")] = None,
    drive: Annotated[str | None, typer.Option(help="Driving force of allen-cahn: 0.1 or '{mean=0, std=1}'.")] = None,
    potential: Annotated[
        str | None,
        typer.Option(help="Chemical potential, as in a config: '{law=\"regular-solution\", omega=3.0}'."),
    ] = None,
    kappa: Annotated[str | None, typer.Option(help="Gradient coefficient: 2e-3 or '{value=2e-3, factor=3}'.")] = None,
    states: Annotated[Path | None, typer.Option(help="Denoised movie to start from.")] = None,
    profile: Annotated[str | None, typer.Option(help="Axis to average away: row or column.")] = None,
    window: Annotated[int | None, typer.Option(help="Frames predicted from one start; all if not given.")] = None,
    start: Annotated[
        str | None, typer.Option(help="given: take start frames as exact; else they are inferred.")
    ] = None,
    lead: Annotated[float | None, typer.Option(help="Time before the first frame where inferred starts lie.")] = None,
    cutoff: Annotated[
        float | None, typer.Option(help="Largest wavenumber of inferred starts, radians per length.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Most steps of the optimiser.")] = None,
    draws: Annotated[int | None, typer.Option(help="Number of posterior draws.")] = None,
    residual_scale: Annotated[
        bool, typer.Option("--residual-scale", help="Widen bands where the equation misfits.")
    ] = False,
    dataset: opt.Dataset = None,
    axes: opt.Axes = None,
    spacing: opt.Spacing = None,
    times: opt.Times = None,
    units: opt.Units = None,
    channel: opt.Channel = None,
    boundary: opt.Boundary = None,
    mask: opt.Mask = None,
    rows: opt.Rows = None,
    columns: opt.Columns = None,
    frames: opt.Frames = None,
    step: opt.Step = None,
    noise_std: opt.NoiseStd = None,
    seed: opt.Seed = 0,
    out: opt.Out = None,
    force: opt.Force = False,
    resume: opt.Resume = False,
) -> None:
    """Fit the laws of an equation to a movie; the same as `run` with a config of these keys."""
    from . import config as configs

    begin: Any = start
    if lead is not None or cutoff is not None:
        if start is not None:
            raise ValueError("`--lead` and `--cutoff` describe inferred starts; leave `--start` out.")
        begin = {key: value for key, value in (("lead", lead), ("cutoff", cutoff)) if value is not None}
    config = configs.given(
        {
            "input": opt.input_table(file, dataset, axes, spacing, times, units, channel, boundary, mask, states),
            "prepare": {**opt.prepare_table(rows, columns, frames, step), "profile": profile},
            "noise": {"std": noise_std},
            "fit": {
                "equation": equation,
                "diffusivity": opt.table("diffusivity", diffusivity),
                "source": source,
                "mobility": opt.table("mobility", mobility),
                "rate": opt.table("rate", rate),
                "drive": opt.table("drive", drive),
                "potential": opt.table("potential", potential),
                "kappa": opt.table("kappa", kappa),
                "window": window,
                "start": begin,
                "steps": steps,
                "draws": draws,
                "residual_scale": residual_scale,
            },
            "run": {"seed": seed},
        }
    )
    _execute(config, out, file.stem, "fit", force=force, resume=resume)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The config, a TOML file; `operax init` writes one.")],
    out: opt.Out = None,
    over: opt.Set = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random, over that of the config.")] = None,
    force: opt.Force = False,
    resume: opt.Resume = False,
) -> None:
    """Run the analysis that a config describes, into a run folder with a report."""
    from . import config as configs

    tables = opt.settings(over)
    if seed is not None:
        tables.setdefault("run", {})["seed"] = seed
    found = configs.read(config, tables)
    _execute(found, out or found.run.out, config.stem, "run", force=force, resume=resume)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
) -> None:
    """Make the report of a finished run again from its saved results."""
    from .session import double_precision

    with double_precision():
        from . import demo as demos
        from . import pipeline

        path = pipeline.rerender(folder, truth=demos.remembered(folder))
    _say("report", path)


@app.command()
def cite(
    source: Annotated[Path | None, typer.Argument(help="A run folder or a config; all methods if not given.")] = None,
) -> None:
    """Say what to cite: the software, and the papers of the methods that were used."""
    from .citations import cited

    config = None
    if source is not None:
        from . import config as configs

        config = configs.read(source / "config.toml" if source.is_dir() else source)
    for line in cited(config):
        typer.echo(line)


def _execute(config, out, name: str, command: str, *, force: bool, resume: bool) -> None:
    from .folder import choose
    from .session import double_precision

    path = choose(out, name, force=force, resume=resume)
    with double_precision():
        from . import pipeline

        outcome = pipeline.execute(config, path, command, resume=resume)
        if outcome.denoising is not None:
            _say("denoised", outcome.denoising.verdict)
        if outcome.posterior is not None:
            best = outcome.posterior.fit
            _say("fit", f"{best.result}; reduced χ² {float(best.chi2):.3g}")
    _say("report", outcome.report)


def _say(label: str, text: object) -> None:
    """One line of the result; paths stay whole, however narrow the terminal is."""
    typer.echo(f"{label:<9} {text}")

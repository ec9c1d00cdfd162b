"""The report of a fit: one HTML file with the laws, the frames, the checks, and what the data cannot tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..denoise import DenoiseReport
from ..inference import Calibrated, Posterior, Problem, fitted, identify
from ..movie import Movie
from ..physics import AbstractEquation, AllenCahn, CahnHilliard, Diffusion
from . import belief, compared, figures, pixels, places
from .about import closing
from .checks import Check, explained, fit_checks
from .laws import (
    Curve,
    Quantity,
    composition_grid,
    curves,
    default_quantities,
    limits,
    readings,
    reference,
    visited_range,
)
from .page import Page, Picture, Section, Table, write

NAMES = {AllenCahn: "Allen–Cahn", CahnHilliard: "Cahn–Hilliard", Diffusion: "Nonlinear diffusion"}
RESULT = {True: "passes", False: "fails", None: "not judged"}


def report(
    posterior: Posterior,
    problem: Problem,
    path: str | Path = "report.html",
    *,
    states: Movie | None = None,
    truth: AbstractEquation | None = None,
    quantities: Mapping[str, Quantity] | None = None,
    denoising: DenoiseReport | None = None,
    calibrated: Calibrated | None = None,
    notes: Sequence[str] = (),
    settings: Mapping | None = None,
    title: str = "Laws from a movie",
    figures_folder: str | Path | None = None,
) -> Path:
    """Write what was found to one self-contained HTML file.

    Parameters
    ----------
    posterior, problem
        The fit with its error bars, and what judged it.
    path
        File to write; its folder must exist.
    states
        The denoised movie, to show beside the raw one.
    truth
        The equation that made the movie, where it is known.
    quantities
        Laws to show, by name with unit: functions of (equation, compositions) that return one value for each
        composition. ``None`` takes those of the equation.
    denoising
        What is known of the denoised movie without the truth.
    calibrated
        What `calibrate` found of the bands in repeated experiments like this one.
    notes
        Sentences to print.
    settings
        Settings to print, perhaps nested.
    title
        Heading.
    figures_folder
        Folder to write the same figures to, as PNG files; made if it does not exist.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    TypeError
        If the truth is not an equation.
    ValueError
        If movies do not match, or a quantity has the wrong shape.
    FileNotFoundError
        If the folder of ``path`` does not exist.

    Notes
    -----
    Everything is computed and drawn before the first byte is written, and files are replaced whole.
    """
    if truth is not None and not isinstance(truth, AbstractEquation):
        raise TypeError(
            "`truth` must be an equation such as `Diffusion` or `CahnHilliard`, got "
            f"{type(truth).__name__}; pass the "
            "`equation` of a synthetic truth."
        )
    predicted = fitted(posterior.fit, problem)
    values = predicted.frames[:, predicted.domain.inside].ravel()
    c = composition_grid(values, posterior.best)
    if quantities is None:
        quantities = default_quantities(posterior.best, problem.data.units, reference(values))
    drawn = curves(posterior, quantities, c, truth)
    checks = fit_checks(posterior, problem, predicted, drawn, values, denoising)
    table = _law_table(posterior, quantities, values, truth)
    sections = [
        Section("Checks", tables=(check_table(checks),)),
        _laws(posterior, drawn, values, table),
        compared.frames(problem, states, predicted),
        compared.residue(problem, predicted),
        compared.agreement(problem, predicted),
        compared.balance(posterior, problem, predicted),
    ]
    if predicted.domain.ndim == 1 and predicted.axis == "time":
        sections.append(compared.front(problem.data, predicted))
    mapped = places.rates(posterior, problem.data, truth)
    if mapped is not None:
        sections.insert(2, mapped)
    told = (*limits(posterior.best, values, c), *identify(posterior.fit, problem).sentences)
    sections.append(Section("What the data cannot tell", points=told))
    sections += pixels.influence(posterior, problem, quantities, reference(values))
    sections += [belief.numbers(posterior), belief.bands(posterior, calibrated), _course(posterior)]
    sections += closing(problem.data, (*posterior.notes, *notes), settings)
    page = Page(title, _headline(posterior, problem), warnings(checks, denoising), tuple(sections))
    return write(page, path, figures_folder)


def _headline(posterior: Posterior, problem: Problem) -> str:
    kind = type(posterior.best)
    name = NAMES.get(kind, kind.__name__)
    frames, *shape = problem.data.frames.shape
    windows = len(problem.windows)
    start = "one start" if windows == 1 else f"{windows} windows with a start of their own"
    unknown = posterior.fit.normal.laws.shape[0]
    verdict = explained(posterior, problem).words
    return (
        f"{name} was fitted to {frames} frames of {' × '.join(map(str, shape))} pixels ({start}); the laws "
        f"have {unknown} "
        f"unknown number{'s' if unknown != 1 else ''}. {verdict[0].upper()}{verdict[1:]}."
    )


def warnings(checks: Sequence[Check], denoising: DenoiseReport | None) -> tuple[str, ...]:
    """What a reader must not miss, in sentences."""
    failed = [check.name for check in checks if check.passed is False]
    said = []
    if denoising is not None and not denoising.residual.white:
        said.append(
            f"The residual of the denoised movie is {denoising.residual.verdict}. Signal was removed with "
            "the noise, "
            "or the noise is correlated and part of it was kept as signal."
        )
    if denoising is not None and not (denoising.noise.white and denoising.noise.fresh):
        said.append(
            f"The noise of the raw movie is {denoising.noise.verdict}. Denoisers that take pixels for "
            "independent keep "
            "part of such noise."
        )
    if failed:
        said.append(f"Checks that fail: {', '.join(failed)}.")
    return tuple(said)


def check_table(checks: Sequence[Check]) -> Table:
    """The checks as rows of name, result and finding."""
    rows = tuple((check.name, RESULT[check.passed], check.finding) for check in checks)
    return Table(("check", "result", "finding"), rows)


def number(value: float) -> str:
    """A number with four digits, as tables show it."""
    return f"{value:.4g}"


def _law_table(posterior, quantities, values, truth) -> Table:
    header: tuple[str, ...] = ("law", "at c", "median", "95 % band")
    rows = []
    for r in readings(posterior, quantities, values, truth):
        row: tuple[str, ...] = (
            r.name,
            f"{r.c:.3g}",
            number(r.median),
            f"{number(r.low)} to {number(r.high)}",
        )
        if r.truth is not None:
            row += (number(r.truth), "yes" if r.inside else "no")
        rows.append(row)
    if truth is not None:
        header += ("truth", "inside?")
    return Table(header, tuple(rows))


def _laws(posterior: Posterior, drawn: Sequence[Curve], values, table: Table) -> Section:
    low, high = visited_range(values)
    caption = (
        f"Posterior of the laws ({posterior.method}): median, 68 % and 95 % bands of the draws. Grey "
        "histogram: "
        f"compositions the fitted movie visited; shaded: never visited ({low:.3g} to {high:.3g} was)."
    )
    if any(curve.truth is not None for curve in drawn):
        caption += " Dashed: the truth."
    picture = Picture("laws", figures.png(figures.laws(drawn, values)), caption)
    return Section("Laws", pictures=(picture,), tables=(table,))


def _course(posterior: Posterior) -> Section:
    fit = posterior.fit
    if len(fit.history) < 2:
        return Section("Course of the fit", (f"The fit {fit.result}.",))
    picture = Picture(
        "history",
        figures.png(figures.history(fit).figure),
        "Log posterior still to gain after every accepted step.",
    )
    return Section("Course of the fit", (f"The fit {fit.result}.",), pictures=(picture,))

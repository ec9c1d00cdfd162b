"""The report of a composition without a fit: one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..denoise import DenoiseReport
from ..movie import Movie
from . import figures
from .about import closing
from .checks import denoise_checks
from .html import check_table, number, warnings
from .page import Page, Picture, Section, Table, write
from .player import play

# Frames listed in the table of means.
LISTED = 12


def composition_report(
    composition: Movie,
    denoised: Movie | None,
    path: str | Path = "report.html",
    *,
    denoising: DenoiseReport | None = None,
    notes: Sequence[str] = (),
    settings: Mapping | None = None,
    title: str = "A composition",
    figures_folder: str | Path | None = None,
) -> Path:
    """Write what an instrument's frames say of the composition to one self-contained HTML file.

    Parameters
    ----------
    composition
        From the raw frames, with variance where it is known.
    denoised
        From the denoised frames.
    path
        File to write; its folder must exist.
    denoising
        What is known of the denoised frames without the truth.
    notes, settings, title, figures_folder
        As `operax.report`.

    Raises
    ------
    FileNotFoundError
        If the folder of ``path`` does not exist.
    """
    checks = () if denoising is None else denoise_checks(denoising)
    shown = (
        {"composition": composition}
        if denoised is None
        else {"from raw frames": composition, "from denoised": denoised}
    )
    caption = f"Values are {composition.units[2]}, on one colour scale."
    pictures = [Picture("composition", figures.png(figures.movie(shown)), caption)]
    if composition.variance is not None:
        spread = composition.replace(frames=composition.variance**0.5, variance=None)
        pictures.append(
            Picture(
                "std",
                figures.png(figures.movie({"standard deviation": spread})),
                "Standard deviation of one raw pixel.",
            )
        )
    players = (play(shown, None, "The composition, one colour scale."),) if _plays(composition) else ()
    inside, frames = int(composition.domain.inside.sum()), len(composition)
    headline = (
        f"{frames} {'frame' if frames == 1 else 'frames'} of {inside:,} pixels inside. No law was fitted: this run "
        "asked for the composition only."
    )
    sections = [
        *([Section("Checks of the denoised frames", tables=(check_table(checks),))] if checks else []),
        Section("Composition", players=players, pictures=tuple(pictures), tables=(_means(composition, denoised),)),
        *closing(composition, notes, settings),
    ]
    said = () if denoising is None else warnings(checks, denoising)
    return write(Page(title, headline, said, tuple(sections)), path, figures_folder)


def _plays(movie: Movie) -> bool:
    return movie.domain.ndim > 1 and len(movie) > 1


def _means(composition: Movie, denoised: Movie | None) -> Table:
    """Mean and spread over the pixels inside, frame by frame."""
    inside = composition.domain.inside
    picked = np.unique(np.linspace(0, len(composition) - 1, min(len(composition), LISTED)).round().astype(int))
    header = [f"{composition.axis} ({composition.units[1]})", "mean of the pixels", "their spread"]
    if composition.variance is not None:
        header.append("noise of a pixel")
    if denoised is not None:
        header.append("mean, denoised")
    rows = []
    for i in picked.tolist():
        held = np.asarray(composition.frames[i])[inside]
        row = [number(float(composition.times[i])), number(float(held.mean())), number(float(held.std()))]
        if composition.variance is not None:
            full = np.broadcast_to(np.asarray(composition.variance), composition.frames.shape)
            row.append(number(float(np.sqrt(full[i][inside].mean()))))
        if denoised is not None:
            row.append(number(float(np.asarray(denoised.frames[i])[inside].mean())))
        rows.append(tuple(row))
    return Table(tuple(header), tuple(rows))

"""The report of a denoised movie without a fit: one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ..denoise import DenoiseReport
from ..metrics import psnr
from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from . import figures
from .about import closing
from .checks import denoise_checks
from .html import check_table, number, warnings
from .page import Page, Picture, Section, Table, write
from .player import Player, play


def denoise_report(
    raw: Movie,
    denoised: Movie,
    noise: Gaussian | PoissonGaussian,
    denoising: DenoiseReport,
    path: str | Path = "report.html",
    *,
    truth: Movie | None = None,
    notes: Sequence[str] = (),
    settings: Mapping | None = None,
    title: str = "A denoised movie",
    figures_folder: str | Path | None = None,
) -> Path:
    """Write how a movie was denoised, and whether to trust it, to one self-contained HTML file.

    Parameters
    ----------
    raw, denoised
        The movie before and after.
    noise
        Noise model of the raw movie.
    denoising
        What is known of the result without the truth.
    path
        File to write; its folder must exist.
    truth
        The clean movie, where it is known.
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
    ValueError
        If the movies do not match, or are in colour.
    FileNotFoundError
        If the folder of ``path`` does not exist.
    """
    checks = denoise_checks(denoising)
    sections = [
        Section("Checks", tables=(check_table(checks),)),
        _frames(raw, denoised, noise, truth),
        _numbers(raw, denoised, noise, denoising, truth),
        *closing(raw, notes, settings),
    ]
    verdict = "Nothing speaks against the result." if denoising.trusted else "The result must be used with care."
    frames, *shape = raw.frames.shape
    headline = f"{frames} frames of {' × '.join(map(str, shape))} pixels were denoised. {verdict}"
    page = Page(title, headline, warnings(checks, denoising), tuple(sections))
    return write(page, path, figures_folder)


def _frames(raw: Movie, denoised: Movie, noise, truth: Movie | None) -> Section:
    shown = {"raw": raw, "denoised": denoised}
    if truth is not None:
        shown["truth"] = truth
    what = ", ".join(shown)
    players: tuple[Player, ...] = ()
    if raw.domain.ndim > 1:
        players = (play(shown, "denoised", "Residual: raw minus denoised, in standard deviations σ.", noise),)
    return Section(
        "Frames and residuals",
        (
            "Shown below is raw minus denoised. It should look like noise alone; shapes that can be "
            "recognised in it "
            "are signal that was removed. A result that has used the pixel itself leaves less residual "
            "than the noise.",
        ),
        players=players,
        pictures=(
            Picture("frames", figures.png(figures.movie(shown)), f"The movie: {what}. One colour scale."),
            Picture(
                "residual",
                figures.png(figures.residuals(denoised, raw, noise)),
                "Raw minus denoised, in standard deviations σ of the noise.",
            ),
        ),
    )


def _numbers(raw, denoised, noise, denoising: DenoiseReport, truth: Movie | None) -> Section:
    rows = [("noise model", _in_words(noise))]
    rows.append(("root mean square of the noise", number(float(jnp.sqrt(denoising.noise_variance)))))
    if denoising.risk is not None:
        risk, before = float(denoising.risk), float(denoising.noise_variance)
        if risk > 0:
            said = f"{number(np.sqrt(risk))}, which is {10 * np.log10(before / risk):.1f} dB better than raw"
        else:
            said = "too small to tell from the noise variance"
        rows.append(("root mean square error of the blind prediction, estimated without the truth", said))
    if truth is not None:
        inside = raw.domain.inside
        clean = jnp.where(jnp.asarray(inside), truth.frames, 0)
        span = float(np.ptp(np.asarray(truth.frames)[:, inside]))
        before, after = (
            float(psnr(jnp.where(jnp.asarray(inside), m.frames, 0), clean, data_range=span, inside=inside))
            for m in (raw, denoised)
        )
        rows.append(("PSNR before and after", f"{before:.1f} dB and {after:.1f} dB ({after - before:+.1f} dB)"))
    return Section("Numbers", tables=(Table(("what", "value"), tuple(rows)),))


def _in_words(noise: Gaussian | PoissonGaussian) -> str:
    if isinstance(noise, Gaussian):
        std = np.asarray(noise.std)
        each = number(float(std)) if std.ndim == 0 else f"{number(std.min())} to {number(std.max())} by pixel"
        return f"normal, standard deviation {each}"
    gain, offset, read = (float(np.mean(np.asarray(x))) for x in (noise.gain, noise.offset, noise.read_std))
    return (
        f"counting and read noise: variance {number(gain)} × (value − {number(offset)}) + {number(read)}², "
        "in the "
        "units of the movie"
    )

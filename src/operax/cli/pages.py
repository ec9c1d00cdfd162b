"""Which report a run gets, and what it says beside the figures."""

from pathlib import Path

from ..report import denoise_report
from ..report import report as fit_report
from ..report.composition import composition_report
from . import config as configs
from .citations import cited
from .folder import Folder, write_text
from .recorded import in_words, name_of
from .reduce import Recorded


def write(
    config: configs.Config,
    run: Folder,
    raw: Recorded,
    clean: Recorded | None,
    shown,
    states,
    denoising,
    problem,
    posterior,
    truth,
) -> Path:
    """Write report.html with its figures, and citations.txt.

    Parameters
    ----------
    config, run
        What was done, and where it is kept.
    raw, clean
        What was recorded, and the same denoised.
    shown, states
        What was fitted, and what the fit started from: the composition, where an instrument gives one.
    denoising, problem, posterior, truth
        What there is of them.
    """
    write_text(run / "citations.txt", "\n".join(cited(config)) + "\n")
    title = config.report.title or f"operax: {name_of(config)}"
    settings = config.model_dump(exclude_none=True)
    notes = [f"Noise of one recorded value: {in_words(raw.noises[0])}."]
    page, figures = run / "report.html", run / "figures"
    if config.fit is None and config.instrument is not None:
        return composition_report(
            shown,
            states,
            page,
            denoising=denoising,
            notes=notes,
            settings=settings,
            title=title,
            figures_folder=figures,
        )
    if config.fit is None:
        assert clean is not None
        assert raw.noises[0] is not None
        return denoise_report(
            raw.movies[0],
            clean.movies[0],
            raw.noises[0],
            denoising,
            page,
            truth=None if truth is None else truth.clean,
            notes=notes,
            settings=settings,
            title=title,
            figures_folder=figures,
        )
    axis = config.prepare.profile
    if states is not None and axis is not None and states.domain.ndim == shown.domain.ndim:
        states = states.mean(axis)
    if axis is not None:
        notes.append(f"The fit is of the profile averaged over every {axis}; the noise of the profile is its own.")
    if config.fit.start == "given":
        notes.append("Start states were taken as exact: noise in them biases the laws, and the bands leave it out.")
    return fit_report(
        posterior,
        problem,
        page,
        states=states,
        truth=None if truth is None else truth.equation,
        denoising=denoising,
        notes=notes,
        settings=settings,
        title=title,
        figures_folder=figures,
    )

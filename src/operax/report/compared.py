"""The sections of a report that hold the fit against the movie."""

from ..inference import Posterior, Problem
from ..movie import Movie
from ..physics.equations import AbstractPhaseField
from . import figures
from .fronts import follow
from .page import Picture, Section
from .player import Player, play
from .residual import judged, standardised, white


def frames(problem: Problem, states: Movie | None, predicted: Movie) -> Section:
    """Raw, denoised and fitted movie with the residual: to be played, and as stills."""
    shown = {"raw": judged(problem)}
    if states is not None:
        shown["denoised"] = states
    shown["fit"] = predicted
    how = "Images of time and position" if predicted.domain.ndim == 1 else "Frames"
    players: tuple[Player, ...] = ()
    if predicted.domain.ndim > 1:
        players = (play(shown, "fit", "Residual: measured minus fitted, in standard deviations σ of the noise."),)
    still = figures.movie(shown)
    pictures = (
        Picture("frames", figures.png(still), f"{how} of the movie: {', '.join(shown)}. One colour scale."),
        Picture(
            "residual",
            figures.png(figures.residuals(predicted, shown["raw"])),
            "Measured minus fitted, in standard deviations σ of the noise. Structure here is what the fit leaves out; "
            "grey is outside the particles or not judged.",
        ),
    )
    return Section("Frames and residuals", players=players, pictures=pictures)


def residue(problem: Problem, predicted: Movie) -> Section:
    """Whether anything is left in the residual."""
    data = judged(problem)
    found = white(standardised(predicted, data))
    verdict = found.words if found.passed is None else f"The residual of the fit is {found.words}."
    drawn = figures.autocorrelation(predicted, data)
    picture = Picture(
        "autocorrelation",
        figures.png(drawn.figure),
        "Correlation of the residual with itself. White noise stays in the shaded band at 19 of 20 lags; a slow decay "
        "is physics or correlated noise that the fit does not know.",
    )
    return Section("Is the residual noise?", (verdict[0].upper() + verdict[1:],), pictures=(picture,))


def balance(posterior: Posterior, problem: Problem, predicted: Movie) -> Section:
    """Mean and free energy through time."""
    drawn = figures.balance(predicted, problem.data, posterior.best)
    caption = "Mean over the particles, measured and fitted."
    if isinstance(posterior.best, AbstractPhaseField):
        caption += (
            " Free energy of the fitted movie, in units of μ times volume, without that of a drive: it falls where "
            "nothing drives the particle, and a rise between windows is that of a new start state."
        )
    return Section("Mass and energy", pictures=(Picture("balance", figures.png(drawn), caption),))


def agreement(problem: Problem, predicted: Movie) -> Section:
    """Predicted against measured values."""
    pictures = []
    if predicted.domain.ndim == 1:
        drawn = figures.profiles(predicted, problem.data)
        pictures.append(Picture("profiles", figures.png(drawn.figure), "Measured profiles (dots) and the fit (lines)."))
    cloud = figures.predicted_against_measured(predicted, problem.data)
    caption = "Predicted against measured values of all pixels. Without bias the means lie on the dashed line."
    pictures.append(Picture("predicted_against_measured", figures.png(cloud.figure), caption))
    return Section("Predicted against measured", pictures=tuple(pictures))


def front(data: Movie, predicted: Movie) -> Section:
    """How a front goes with the root of time."""
    try:
        found = follow(data)
        follow(predicted, threshold=float(found.threshold), start=float(found.start))
    except ValueError as error:
        return Section("Front against √t", (f"No front is shown: {error}",))
    length, time, _ = data.units
    unit = "" if (length, time) == ("1", "1") else f" {length}/√{time}"
    said = (
        f"The front is where the value crosses {float(found.threshold):.3g}, a fifth of the way from the low to "
        "the high side. "
        f"The straight line through distance against √t has slope {float(found.slope):.3g}{unit} and "
        "explains "
        f"{100 * float(found.explained):.1f} % of the variance of the distance; diffusion from a sharp "
        "start gives one."
    )
    drawn = figures.front(data, predicted=predicted)
    picture = Picture("front", figures.png(drawn.figure), "Distance of the front from the end of the line behind it.")
    return Section("Front against √t", (said,), pictures=(picture,))

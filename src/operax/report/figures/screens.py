"""Movies side by side, frame by frame: what a player shows and a film holds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.colors import Normalize

from ...movie import Movie
from ...noise import Gaussian, PoissonGaussian
from ..residual import standardised
from .frames import alike, deviations, span
from .style import quantity


@dataclass(frozen=True)
class Screen:
    """One movie of several that are shown at the same time, with its colours; NaN is what cannot be shown."""

    name: str
    values: Float[np.ndarray, "time row column"]
    norm: Normalize
    colours: str
    label: str


def screens(
    movies: Mapping[str, Movie],
    predicted: str | None = None,
    noise: Gaussian | PoissonGaussian | None = None,
) -> list[Screen]:
    """Movies on the times of the first and one colour scale, and perhaps a residual on one centred at zero.

    Of a volume the middle plane is taken.

    Parameters
    ----------
    movies
        Movies by name, on one domain. A frame of the first that another lacks is left empty there.
    predicted
        Name of the movie that predicts the first: the first minus it, in standard deviations of the noise, comes
        last.
    noise
        Noise model of the residual; ``None`` takes the variance of the first movie.

    Raises
    ------
    ValueError
        If there is no movie, one is in colour or along a line, domains differ, or no noise is known.
    """
    first = alike(movies)
    if first.domain.ndim == 1:
        raise ValueError("a movie along a line has no frames to play; `plot.movie` draws it as one image.")
    times = np.asarray(first.times)
    low, high = span(movies)
    shown = [
        Screen(name, _at(times, m, np.asarray(m.frames, float)), Normalize(low, high), "viridis", quantity(first))
        for name, m in movies.items()
    ]
    if predicted is not None:
        if predicted not in movies:
            raise ValueError(f"`predicted` must name one of {', '.join(movies)}; got {predicted!r}.")
        z = standardised(movies[predicted], first, noise)
        reach = deviations(z)
        values = _at(times, movies[predicted], z)
        shown.append(Screen("residual", values, Normalize(-reach, reach), "RdBu_r", "residual / σ"))
    return shown


def _at(times: np.ndarray, movie: Movie, values: np.ndarray) -> np.ndarray:
    """The values of a movie at the given times, empty where it has no frame and outside the particles."""
    inside = movie.domain.inside
    held = np.where(inside, values, np.nan)
    own = np.asarray(movie.times)
    nearest = np.abs(own[None] - times[:, None]).argmin(1)
    there = np.isclose(own[nearest], times)
    found = np.where(there.reshape(-1, *(1,) * inside.ndim), held[nearest], np.nan)
    return found[:, found.shape[1] // 2] if found.ndim == 4 else found

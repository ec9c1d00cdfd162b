"""The section of a report on a rate that differs from place to place."""

import dataclasses

import numpy as np

from ..inference import Posterior
from ..movie import Movie
from ..physics import AbstractEquation, RateField
from . import figures
from .page import Picture, Section

# Part of the pixels that the range of k is told of.
MOST = (0.01, 0.99)


def rates(posterior: Posterior, data: Movie, truth: AbstractEquation | None) -> Section | None:
    """Map of the fitted rate field and what the movie tells of it; ``None`` where no rate field was fitted."""
    parts = [part.name for part in dataclasses.fields(posterior.best)]
    name = next((name for name in parts if isinstance(getattr(posterior.best, name), RateField)), None)
    if name is None:
        return None
    field = getattr(posterior.best, name)
    inside = data.domain.inside
    draws = np.asarray(posterior(lambda e: getattr(e, name)()), float)
    logs = np.log(draws[:, inside])
    low, high = np.quantile(np.exp(np.median(logs, 0)), MOST)
    left = logs.var(0).mean() / field.std**2
    said = [
        f"k(x) multiplies the rate of the kinetics; the mean of log k over the pixels inside is zero. From pixel to "
        f"pixel k goes from {low:.3g} to {high:.3g} (98 % of the pixels). The standard deviation of log k is "
        f"{logs.std(0).mean():.2g} at a pixel, {field.std:.2g} under the prior: "
        + (
            f"the movie removed {'more than 99' if left < 0.01 else f'{100 * (1 - left):.0f}'} % of its variance."
            if left < 1
            else "the movie says nothing of it."
        )
    ]
    exact = None
    if truth is not None:
        exact = np.broadcast_to(np.asarray(getattr(truth, name)(), float), data.domain.shape)
        wanted = np.log(exact[inside])
        # the level belongs to the kinetics, on either side
        wanted = wanted - wanted.mean()
        edges = np.quantile(logs, [0.025, 0.975], axis=0)
        hit = float(((edges[0] <= wanted) & (wanted <= edges[1])).mean())
        said.append(f"The truth lies inside the 95 % band at {100 * hit:.0f} % of the pixels.")
        exact = np.where(inside, exact / np.exp(np.log(exact[inside]).mean()), 1.0)
    drawn = figures.rates(draws, data.domain, unit=data.units[0], truth=exact)
    caption = (
        f"Logarithm of k on {field.modes} smooth modes: structure finer than these is not seen, and where the standard "
        "deviation is that of the prior the map is the prior's."
    )
    return Section("Where the rate is higher", tuple(said), pictures=(Picture("rates", figures.png(drawn), caption),))

"""A small movie with an exact law, and the config that finds it."""

import numpy as np

from operax.domain import Domain
from operax.movie import Movie

# Diffusivity behind the movie, in length² per time.
D = 0.05
SIGMA = 0.02

CONFIG = """
[input]
path = "movie.h5"

[prepare]
profile = "column"

[denoise]
method = "temporal-mean"
width = 3

[fit]
equation = "diffusion"
diffusivity = {value = 0.03, factor = 3}
draws = 50
"""


def decaying(rows: int = 12, columns: int = 5, frames: int = 8) -> Movie:
    """A cosine that diffuses away along the rows, with noise: the exact solution for one diffusivity."""
    rng = np.random.default_rng(0)
    domain = Domain((rows, columns), 1.0 / rows)
    t = 0.4 * np.arange(frames)
    x = domain.centres()[0]
    profile = 0.5 + 0.4 * np.cos(np.pi * x) * np.exp(-D * np.pi**2 * t[:, None])
    clean = np.repeat(profile[:, :, None], columns, 2)
    return Movie(clean + SIGMA * rng.normal(size=clean.shape), t, domain, units=("mm", "s", "1"))

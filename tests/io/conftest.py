"""Movies that the tests of input and output share."""

import numpy as np
import pytest

from operax.domain import Domain
from operax.movie import Movie


@pytest.fixture
def movie():
    """A small movie with everything a movie can have: odd times, mask, variance, units, reads."""
    rng = np.random.default_rng(0)
    inside = np.ones((6, 8), bool)
    inside[0, :3] = False
    return Movie(
        rng.normal(size=(4, 6, 8)).astype(np.float32),
        np.array([0.0, 0.1, 0.35, 2.0], np.float32),
        Domain((6, 8), (0.1, 0.3), ("periodic", "no-flux"), inside),
        variance=rng.uniform(size=(4, 6, 8)).astype(np.float32),
        units=("µm", "min", "mol/L"),
        reads=(-1, 0, 1),
    )


@pytest.fixture
def plain():
    """A small movie that every format can hold."""
    frames = np.random.default_rng(1).normal(size=(4, 6, 8)).astype(np.float32)
    return Movie(
        frames,
        np.array([0.0, 0.5, 1.25, 7.0], np.float32),
        Domain((6, 8), (0.1, 0.3)),
        units=("um", "s", "1"),
    )

"""Every test runs in double precision and draws without a screen; real recordings come from outside the repository."""

import itertools
from pathlib import Path

import jax
import matplotlib
import pytest

jax.config.update("jax_enable_x64", True)
matplotlib.use("Agg")

FILES = itertools.count(1)
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Now and then what was compiled is let go: all of it is gigabytes and half of the maps a process may have."""
    yield
    if next(FILES) % 8 == 0:
        jax.clear_caches()


@pytest.fixture(scope="session")
def real():
    """Path of a real recording; the test is skipped where the recordings are not there."""

    def find(name):
        path = REAL / name
        if not path.exists():
            pytest.skip(f"real recording {name} is not on this machine")
        return path

    return find

"""Every test runs in double precision and draws without a screen; real recordings come from outside the repository."""

import itertools
from pathlib import Path

import jax
import matplotlib
import pytest

jax.config.update("jax_enable_x64", True)
matplotlib.use("Agg")

ROOT = Path(__file__).resolve().parents[1]
FILES = itertools.count(1)
REAL = ROOT.parent / "shared" / "data" / "real"

# Most of the time goes into compiling: what one file has compiled is there for other files, processes and runs.
jax.config.update("jax_compilation_cache_dir", str(ROOT / ".pytest_cache" / "compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


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

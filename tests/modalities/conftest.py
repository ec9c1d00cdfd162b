"""Real recordings, from outside the repository."""

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"


@pytest.fixture(scope="session")
def real():
    """Path of a real recording; the test is skipped where the recordings are not there."""

    def find(name):
        path = REAL / name
        if not path.exists():
            pytest.skip(f"real recording {name} is not on this machine")
        return path

    return find

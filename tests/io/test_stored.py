"""Files of every schema version there has been are read as they were meant: samples as they were once written."""

from pathlib import Path

import numpy as np
import pytest

from operax import io
from operax.io.hdf5 import VERSION

STORED = Path(__file__).with_name("stored")
INSIDE = np.array([[True, True, True], [True, False, True]])
VALUES = np.arange(24.0).reshape(4, 2, 3) / 10


def test_there_is_a_sample_of_every_version():
    wanted = {f"{kind}-{version}.h5" for kind in ("movie", "arrays") for version in range(1, VERSION + 1)}
    assert {path.name for path in STORED.iterdir()} == wanted


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_stored_movie_is_read(version):
    movie = io.load(STORED / f"movie-{version}.h5")
    np.testing.assert_array_equal(np.asarray(movie.frames)[:, movie.domain.inside], VALUES[:, INSIDE])
    np.testing.assert_array_equal(movie.times, [0, 1, 2.5, 4])
    np.testing.assert_allclose(np.asarray(movie.variance)[:, INSIDE], 0.01, rtol=1e-6)
    assert (movie.domain.inside == INSIDE).all()
    assert movie.domain.spacing == (0.5, 0.25)
    assert movie.domain.boundary == ("periodic", "no-flux")
    assert movie.units == ("um", "s", "Li fraction")
    assert movie.reads == (-1, 0, 1)


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_stored_arrays_are_read(version):
    arrays, said = io.read_arrays(STORED / f"arrays-{version}.h5")
    assert arrays.keys() == {"draws.a", "best.a"}
    np.testing.assert_array_equal(arrays["draws.a"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(arrays["best.a"], np.arange(3))
    assert (said["method"], said["result"], said["rejected"]) == ("laplace", "converged: µ", 2)

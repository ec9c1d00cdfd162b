"""Draws written as netCDF are what other programs read: named dimensions, one group for each kind."""

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference import Averaging, Fit
from operax.io.netcdf import write_draws


@pytest.fixture
def posterior():
    """Two chains of three draws, made up."""
    equation = ox.Diffusion(ox.laws.Legendre(2))
    draws = jax.tree.map(lambda x: jnp.arange(6.0 * x.size).reshape(6, *x.shape), equation)
    nothing = Averaging((np.ones(0),), jnp.zeros(3), jnp.zeros((3, 3)))
    one = jnp.ones(())
    fit = Fit(equation, jnp.zeros((1, 0)), 0 * one, one, jnp.zeros(1), None, nothing, (), "converged", 0, 0)
    found = {"chain": jnp.repeat(jnp.arange(2), 3), "diverging": jnp.zeros(6, bool)}
    return ox.Posterior(equation, draws, fit, "NUTS", ("no divergences",), found)


def test_draws_have_named_dimensions(posterior, tmp_path):
    ox.save(tmp_path / "draws.nc", posterior)
    with h5py.File(tmp_path / "draws.nc") as file:
        (name,) = [key for key in file["posterior"] if key.startswith("diffusivity") and "_dim_" not in key]
        values = file["posterior"][name]
        (leaf,) = jax.tree.leaves(posterior.draws)
        assert np.array_equal(values[...].reshape(leaf.shape), np.asarray(leaf))
        assert values.shape[:2] == (2, 3)
        assert [values.dims[axis][0].name.split("/")[-1] for axis in range(2)] == ["chain", "draw"]
        assert file["sample_stats/diverging"].shape == (2, 3)
        assert file["posterior"].attrs["notes"] == "no divergences"


def test_other_programs_open_it(posterior, tmp_path):
    """As ArviZ does: xarray with the reader h5netcdf."""
    xarray = pytest.importorskip("xarray", reason="needs the extra `xarray`")
    pytest.importorskip("h5netcdf", reason="needs h5netcdf")
    ox.save(tmp_path / "draws.nc", posterior)
    tree = xarray.open_datatree(tmp_path / "draws.nc", engine="h5netcdf")
    assert dict(tree["posterior"].sizes)["chain"] == 2
    assert dict(tree["posterior"].sizes)["draw"] == 3
    assert not bool(tree["sample_stats"]["diverging"].any())


def test_what_is_no_table_of_draws_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must all be of one \(chain, draw, \.\.\.\)"):
        write_draws(tmp_path / "a.nc", {"posterior": {"a": np.zeros((2, 3)), "b": np.zeros((2, 4))}}, {})
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"written to \.h5 or \.tif"):
        ox.save(tmp_path / "a.nc", ox.Movie(jnp.zeros((2, 4)), jnp.arange(2.0), ox.Domain((4,), 1.0)))

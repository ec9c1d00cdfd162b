"""Posterior draws as netCDF, in the layout that ArviZ opens."""

import os
from collections.abc import Mapping

import h5py
import numpy as np

from .atomic import replacing


def write_draws(
    path: str | os.PathLike, groups: Mapping[str, Mapping[str, np.ndarray]], attributes: Mapping[str, str]
) -> None:
    """Write groups of arrays, each of shape (chain, draw, ...), as netCDF 4 with named dimensions.

    Parameters
    ----------
    groups
        Arrays by name, by the group they belong to: ``posterior``, ``sample_stats``.
    attributes
        Text that every group carries.

    Raises
    ------
    ValueError
        If the arrays of a group differ in chains or draws.
    """
    with replacing(path) as part, h5py.File(part, "w", libver="v110", track_order=True) as file:
        for name, arrays in groups.items():
            group = file.create_group(name, track_order=True)
            for key, value in attributes.items():
                group.attrs[key] = value
            _fill(group, {key: np.asarray(values) for key, values in arrays.items()})


def _fill(group: h5py.Group, arrays: Mapping[str, np.ndarray]) -> None:
    shapes = {values.shape[:2] for values in arrays.values()}
    if len(shapes) != 1 or any(values.ndim < 2 for values in arrays.values()):
        raise ValueError(f"the arrays of {group.name} must all be of one (chain, draw, ...), got {sorted(shapes)}.")
    for axis, name in enumerate(("chain", "draw")):
        _scale(group, name, next(iter(shapes))[axis])
    for name, values in arrays.items():
        node = group.create_dataset(name, data=values)
        for axis, size in enumerate(values.shape):
            dimension = ("chain", "draw")[axis] if axis < 2 else f"{name}_dim_{axis - 2}"
            if dimension not in group:
                _scale(group, dimension, size)
            node.dims[axis].attach_scale(group[dimension])


def _scale(group: h5py.Group, name: str, size: int) -> None:
    group.create_dataset(name, data=np.arange(size))
    group[name].make_scale(name)

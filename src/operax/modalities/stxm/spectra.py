"""Reference spectra of the components of a sample."""

import os
from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .density import interpolated


class Spectra(eqx.Module):
    """Spectra of named components on one axis of energy.

    Parameters
    ----------
    energies
        In eV, increasing.
    values
        Absorption for a unit amount of each component.
    names
        One for each component.

    Raises
    ------
    ValueError
        If shapes disagree, energies do not increase, a value is not finite, or names repeat.
    """

    energies: Float[np.ndarray, " energy"]
    values: Float[np.ndarray, "component energy"]
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, energies, values, names):
        self.energies, self.values = np.asarray(energies, float), np.asarray(values, float)
        self.names = tuple(str(n) for n in names)

    def __check_init__(self):
        if self.values.shape != (len(self.names), len(self.energies)) or len(set(self.names)) != len(self.names):
            raise ValueError(
                f"`values` must have one row for each of the different names {self.names} and one column for each of "
                f"{len(self.energies)} energies, got shape {self.values.shape}."
            )
        if not np.isfinite(self.values).all() or not (np.diff(self.energies) > 0).all():
            raise ValueError("`energies` must increase and `values` must be finite.")

    def at(self, energies: Float[np.ndarray, " energy"]) -> "Spectra":
        """The same spectra on other energies, by linear interpolation.

        Raises
        ------
        ValueError
            If they reach beyond the tabulated ones.
        """
        wanted = np.atleast_1d(np.asarray(energies, float))
        rows = [
            interpolated(f"the spectrum of {name}", np.stack([self.energies, row], 1), wanted)
            for name, row in zip(self.names, self.values)
        ]
        return Spectra(wanted, np.stack(rows), self.names)


def read_spectra(paths: Mapping[str, str | os.PathLike]) -> Spectra:
    """Spectra from text files of two columns, energy and absorption; energies are those of the first.

    Parameters
    ----------
    paths
        Name of each component, and its file.

    Raises
    ------
    ValueError
        If a file is no table, or they do not cover the same energies.
    """
    if not paths:
        raise ValueError("`paths` must name at least one component.")
    tables = {}
    for name, path in paths.items():
        try:
            tables[name] = np.loadtxt(path, ndmin=2)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: is no table of numbers ({error}).") from error
    energies = np.unique(next(iter(tables.values()))[:, 0])
    rows = [interpolated(paths[name], table, energies) for name, table in tables.items()]
    return Spectra(energies, np.stack(rows), tuple(tables))

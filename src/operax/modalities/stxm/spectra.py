"""Reference spectra of the components of a sample."""

import os
from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.special import voigt_profile

from .density import interpolated

# Fe L3 of FePO4 and LiFePO4 for simulation: position, area of each multiplet line; eV. The main lines of the two
# valences lie at 710.2 and 708.2 eV, the pair of energies of two-energy movies (Lim et al. 2016,
# doi:10.1126/science.aaf4914). Areas are chosen so that the direction of (OD at 708.2, OD at 710.2) is 65.0°
# and 27.5° as published for Li-poor and Li-rich particles (doi:10.1038/s41467-018-03401-x, figure 2).
LINES = {
    "LiFePO4": ((706.6, 0.10), (708.2, 1.00), (710.1, 0.49), (711.6, 0.20), (720.9, 0.30), (723.0, 0.14)),
    "FePO4": ((707.2, 0.05), (708.5, 0.53), (710.2, 1.00), (711.9, 0.22), (722.1, 0.20), (723.8, 0.34)),
}
WIDTH, LIFETIME = 0.35, 0.25  # eV: spread of the monochromator and half width of the core hole
STEP = 0.045  # of the continuum at L3, relative to the highest line; half of it at L2
EDGES = (712.5, 725.5)  # eV


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


def iron_phosphate(energies: Float[np.ndarray, " energy"]) -> Spectra:
    """Model spectra of LiFePO4 and FePO4 at the Fe L edge, for simulation.

    Voigt lines at the published positions on two steps of the continuum, scaled so that the highest line of each
    is about one.

    Notes
    -----
    These are drawn, not measured. Quantify real data with references measured at the same beam line, since
    the ratio of lines changes with energy resolution and thickness.
    """
    at = np.asarray(energies, float)
    peak = voigt_profile(0.0, WIDTH, LIFETIME)
    rise = STEP * sum(share * (0.5 + np.arctan((at - edge) / LIFETIME) / np.pi) for share, edge in zip((1, 0.5), EDGES))
    rows = [
        sum(area * voigt_profile(at - place, WIDTH, LIFETIME) / peak for place, area in lines) + rise
        for lines in LINES.values()
    ]
    return Spectra(at, np.stack(rows), tuple(LINES))

"""Model spectra of lithiated and delithiated iron phosphate at the Fe L edge."""

import numpy as np
from jaxtyping import Float
from scipy.special import voigt_profile

# Fe L3 of FePO4 and LiFePO4 for simulation: position, area of each multiplet line; eV. The main lines of the two
# valences lie at 710.2 and 708.2 eV, the pair of energies of two-energy movies (Lim et al. 2016,
# doi:10.1126/science.aaf4914). Areas are chosen so that the direction of (OD at 708.2, OD at 710.2) is 65.0°
# and 27.5° as published for Li-poor and Li-rich particles (doi:10.1038/s41467-018-03401-x, figure 2).
LINES = {
    "LiFePO4": ((706.6, 0.10), (708.2, 1.00), (710.1, 0.49), (711.6, 0.20), (720.9, 0.30), (723.0, 0.14)),
    "FePO4": ((707.2, 0.05), (708.5, 0.53), (710.2, 1.00), (711.9, 0.22), (722.1, 0.20), (723.8, 0.34)),
}
WIDTH, LIFETIME = 0.35, 0.25  # eV: spread of the monochromator and half width of the core hole
IRON_PHASES = tuple(LINES)
STEP = 0.045  # of the continuum at L3, relative to the highest line; half of it at L2
EDGES = (712.5, 725.5)  # eV


def iron_edge(energies: Float[np.ndarray, " energy"]) -> Float[np.ndarray, "phase energy"]:
    """Absorption of LiFePO4 and FePO4 at the Fe L edge, each with its highest line at about one.

    Voigt lines at the published positions on two steps of the continuum; the names of the phases are
    `IRON_PHASES`.

    Parameters
    ----------
    energies
        Photon energies, eV.

    Notes
    -----
    Drawn, not measured. Quantify real data with references measured at the same beam line, since the ratio of
    lines changes with energy resolution and thickness.
    """
    at = np.asarray(energies, float)
    peak = voigt_profile(0.0, WIDTH, LIFETIME)
    rise = STEP * sum(share * (0.5 + np.arctan((at - edge) / LIFETIME) / np.pi) for share, edge in zip((1, 0.5), EDGES))
    rows = [
        sum(area * voigt_profile(at - place, WIDTH, LIFETIME) / peak for place, area in lines) + rise
        for lines in LINES.values()
    ]
    return np.stack(rows)

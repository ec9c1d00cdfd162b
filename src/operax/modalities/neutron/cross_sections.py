"""Neutron cross-sections of the elements in batteries, and attenuation coefficients of their compounds."""

import re
from collections.abc import Mapping

import numpy as np
from scipy.constants import N_A

# Barns: absorption at 1.798 Å (2200 m/s), total bound scattering; g/mol.
# Sears (1992), Neutron News 3(3), 26, doi:10.1080/10448639208218770; molar masses: IUPAC 2021, abridged.
TABLE: Mapping[str, tuple[float, float, float]] = {
    "H": (0.3326, 82.02, 1.008),
    "D": (0.000519, 7.64, 2.014),
    "Li": (70.5, 1.37, 6.94),
    "6Li": (940.0, 0.97, 6.015),
    "7Li": (0.0454, 1.40, 7.016),
    "B": (767.0, 5.24, 10.81),
    "C": (0.0035, 5.551, 12.011),
    "N": (1.90, 11.51, 14.007),
    "O": (0.00019, 4.232, 15.999),
    "F": (0.0096, 4.018, 18.998),
    "Na": (0.530, 3.28, 22.990),
    "Al": (0.231, 1.503, 26.982),
    "Si": (0.171, 2.167, 28.085),
    "P": (0.172, 3.312, 30.974),
    "S": (0.53, 1.026, 32.06),
    "Cl": (33.5, 16.8, 35.45),
    "Ti": (6.09, 4.35, 47.867),
    "Mn": (13.3, 2.15, 54.938),
    "Fe": (2.56, 11.62, 55.845),
    "Co": (37.18, 5.6, 58.933),
    "Ni": (4.49, 18.5, 58.693),
    "Cu": (3.78, 8.03, 63.546),
    "Cd": (2520.0, 6.5, 112.41),
    "Gd": (49700.0, 180.0, 157.25),
}
THERMAL = 1.798  # Å
BARN = 1e-24  # cm²


def _known(element: str) -> tuple[float, float, float]:
    if element not in TABLE:
        raise ValueError(f"there is no cross-section of {element!r} here; known are {', '.join(TABLE)}.")
    return TABLE[element]


def cross_section(element: str, wavelength: float = THERMAL, *, scattering: bool = True) -> float:
    """Cross-section of one atom in barns: absorption by the 1/v law, plus bound scattering.

    Parameters
    ----------
    element
        Symbol, or an isotope of lithium or hydrogen: ``"Li"``, ``"6Li"``, ``"7Li"``, ``"D"``.
    wavelength
        Of the neutrons, Å.
    scattering
        Whether scattered neutrons count as lost, as they do far from the detector.

    Raises
    ------
    ValueError
        If the element is not in the table or the wavelength not positive.

    Notes
    -----
    The 1/v law fails at resonances (Cd and Gd below 0.7 Å). Bound scattering is that of a free-standing fixed
    nucleus: for crystals near Bragg edges, and for hydrogen at any wavelength, measure the coefficient. Water
    at a cold beam attenuates by 3 to 5 per centimetre, not by the 5.6 of the table.

    References
    ----------
    Sears (1992), doi:10.1080/10448639208218770.
    """
    absorbed, bound, _ = _known(element)
    if not (np.isfinite(wavelength) and wavelength > 0):
        raise ValueError(f"`wavelength` must be positive, in Å, got {wavelength}.")
    return absorbed * wavelength / THERMAL + (bound if scattering else 0.0)


def parsed(formula: str) -> dict[str, float]:
    """Atoms of a formula without brackets: ``parsed("LiC6")`` is one Li and six C; isotopes as in ``"6LiC6"``.

    Raises
    ------
    ValueError
        If it is no such formula.
    """
    # a number belongs to the element before it, except one that leads to the isotope of lithium
    parts = re.findall(r"(^[67]Li|[A-Z][a-z]?)(\d*\.?\d*)", formula)
    if not parts or "".join(a + b for a, b in parts) != formula:
        raise ValueError(
            f"`formula` must be element symbols with numbers, such as 'LiC6' or 'Li0.5CoO2', got {formula!r}; an "
            "isotope of lithium comes first."
        )
    found: dict[str, float] = {}
    for element, many in parts:
        found[element] = found.get(element, 0.0) + float(many or 1)
    return found


def attenuation(formula: str, density: float, wavelength: float = THERMAL, *, scattering: bool = True) -> float:
    """Attenuation coefficient Σ of a compound, per centimetre.

    Parameters
    ----------
    formula
        As in `parsed`.
    density
        g/cm³.
    wavelength, scattering
        As in `cross_section`.

    Raises
    ------
    ValueError
        If the formula or a number makes no sense.
    """
    atoms = parsed(formula)
    if not (np.isfinite(density) and density > 0):
        raise ValueError(f"`density` must be positive, in g/cm³, got {density}.")
    molar = sum(n * _known(element)[2] for element, n in atoms.items())
    barns = sum(n * cross_section(element, wavelength, scattering=scattering) for element, n in atoms.items())
    return density * N_A / molar * barns * BARN

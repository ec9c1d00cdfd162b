"""Between physical and scaled numbers: lengths, times and energies measured in units of choice."""

import equinox as eqx
import numpy as np
from scipy import constants


class Scales(eqx.Module):
    """The size of one scaled unit of everything, in SI, from a length, a time, a temperature and a site density.

    Divide a physical number by its unit to scale it, multiply to go back:

        s = Scales(length=1e-6, time=60.0, sites=LFP.sites.si)
        kappa = LFP.kappa.si / s.kappa           # for CahnHilliard, with μ in kT
        diffusivity = 0.15 * s.diffusivity       # m²/s

    Composition is the filled part of the sites, and chemical potentials are in kT for each site.

    Parameters
    ----------
    length
        Unit of length [m].
    time
        Unit of time [s].
    sites
        Sites for the diffusing species in a volume [1/m³]; needed for κ, currents, and interface energies.
    temperature
        Fixes the unit of energy, kT [K].

    Raises
    ------
    ValueError
        If one of them is not positive and finite.
    """

    length: float = eqx.field(static=True, converter=float)
    time: float = eqx.field(static=True, converter=float)
    sites: float = eqx.field(static=True, converter=float)
    temperature: float = eqx.field(static=True, default=298.15, converter=float)

    def __check_init__(self):
        for name in ("length", "time", "sites", "temperature"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be positive and finite, in SI units, got {value}.")

    @property
    def energy(self) -> float:
        """kT [J], the unit of chemical potential for one site."""
        return constants.k * self.temperature

    @property
    def voltage(self) -> float:
        """kT/e [V]: a chemical potential of one kT moves the voltage of a singly charged ion by this."""
        return self.energy / constants.e

    @property
    def energy_density(self) -> float:
        """kT for every site [J/m³]: free energy in a volume, elastic energy, pressure."""
        return self.sites * self.energy

    @property
    def kappa(self) -> float:
        """Gradient coefficient κ [J/m] of an energy density κ/2 |∇c|²."""
        return self.energy_density * self.length**2

    @property
    def interface_energy(self) -> float:
        """Energy of an area [J/m²]."""
        return self.energy_density * self.length

    @property
    def diffusivity(self) -> float:
        """D [m²/s]; also a mobility M that multiplies ∇μ with μ in kT."""
        return self.length**2 / self.time

    @property
    def mobility(self) -> float:
        """M [m²/(J s)] that multiplies ∇μ with μ in joules."""
        return self.diffusivity / self.energy

    @property
    def rate(self) -> float:
        """A rate or frequency [1/s]."""
        return 1 / self.time

    @property
    def flux(self) -> float:
        """Particles through an area [1/(m² s)]."""
        return self.sites * self.length / self.time

    @property
    def current(self) -> float:
        """Current density of singly charged ions [A/m²]: exchange current densities j0 and k0."""
        return constants.e * self.flux

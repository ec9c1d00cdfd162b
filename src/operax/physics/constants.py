"""Physical constants of LiFePO₄ and graphite, each with its unit and its source.

Where sources disagree the first stands in the table and the rest in its ``others``; none is averaged. They are
starting values: the bare interface of LiFePO₄ is 3 nm wide, far below an X-ray pixel, so a movie sees a broader
one and its fitted κ is not the κ below.
"""

import equinox as eqx
from scipy import constants

# One of each unit that the tables use, in SI.
SI = {
    "1": 1.0,
    "J": 1.0,
    "eV": constants.e,
    "V": 1.0,
    "J/m": 1.0,
    "eV/m": constants.e,
    "Pa": 1.0,
    "GPa": 1e9,
    "1/m³": 1.0,
    "mol/m³": constants.N_A,
    "m²/s": 1.0,
    "A/m²": 1.0,
    "kJ/mol": 1e3 / constants.N_A,
}

# As read in the sources named; papers in brackets are what those sources refer to.
MPET = "MPET (Smith and Bazant, arXiv:1702.08432), github.com/TRI-AMDD/mpet, {}"
MPET_LFP, MPET_GRAPHITE = MPET.format("configs/params_LFP.cfg"), MPET.format("configs/params_graphite.cfg")
MPET_LIC6 = MPET.format("mpet/electrode/materials/LiC6.py")
SPECTRAL = "spectralACR, github.com/stmorgenstern/spectralACR, examples/testrun_LFP_FV.jl"
HOPG = "tracked colour fronts in oriented graphite, abstract 166463 of the 242nd ECS meeting"


class Quantity(eqx.Module):
    """A measured or fitted number with its unit and source.

    Parameters
    ----------
    value, unit
        As the source has them.
    source
        Where it was read.
    others
        What other sources have instead.
    """

    value: float = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    source: str = eqx.field(static=True)
    others: tuple["Quantity", ...] = eqx.field(static=True, default=())

    def __check_init__(self):
        if self.unit not in SI:
            raise ValueError(f"`unit` must be one of {', '.join(SI)}, got {self.unit!r}.")

    @property
    def si(self) -> float:
        """The value in SI: energies for one site in J, concentrations as sites in a m³."""
        return self.value * SI[self.unit]


class IronPhosphate(eqx.Module):
    """Constants of Li_c FePO₄ as a regular solution."""

    omega: Quantity  # interaction Ω for one site
    kappa: Quantity  # gradient coefficient
    sites: Quantity  # lithium sites in a volume
    coherency: Quantity  # coherency strain energy B of the regular solution, μ += B (c - c̄) / sites
    diffusivity: Quantity  # D₀ of D = D₀ c (1 - c)
    voltage: Quantity  # against lithium, on the plateau
    exchange: Quantity  # k₀ of the exchange current density
    reorganisation: Quantity  # λ of electron transfer


class Graphite(eqx.Module):
    """Constants of graphite, Li_c C₆, in two kinds of layers with filling y₁ and y₂.

    μ₁ = ln(y₁ / (1 - y₁)) + Ω_a (1 - 2y₁) + Ω_b y₂ + Ω_c y₂ (1 - y₂) (1 - 2y₁),    and 1 ↔ 2
    """

    omega_a: Quantity  # within a layer
    omega_b: Quantity  # between filled neighbours
    omega_c: Quantity  # between half-filled neighbours
    kappa: Quantity  # gradient coefficient in one layer
    sites: Quantity  # lithium sites in a volume
    diffusivity: Quantity  # D₀ of D = D₀ y (1 - y)
    front_diffusivity: Quantity  # from colour fronts at 25 °C: lowest, and highest in `others`
    activation: Quantity  # of the front's diffusivity: lowest, and highest in `others`
    voltage: Quantity  # against lithium, where μ = 0
    exchange: Quantity  # k₀ of the exchange current density
    reorganisation: Quantity  # λ of electron transfer
    gold: Quantity  # part of the full composition from which graphite looks gold


LFP = IronPhosphate(
    omega=Quantity(0.115, "eV", SPECTRAL, (Quantity(1.8560e-20, "J", MPET_LFP),)),
    kappa=Quantity(5.0148e-10, "J/m", MPET_LFP, (Quantity(3.1314e9, "eV/m", SPECTRAL),)),
    sites=Quantity(1.3793e28, "1/m³", MPET_LFP, (Quantity(2.29e4, "mol/m³", SPECTRAL),)),
    coherency=Quantity(0.1916, "GPa", MPET_LFP),
    diffusivity=Quantity(5.3e-19, "m²/s", MPET_LFP),
    voltage=Quantity(3.422, "V", MPET_LFP, (Quantity(3.42, "V", SPECTRAL),)),
    exchange=Quantity(0.16, "A/m²", MPET_LFP, (Quantity(1.6e-4, "A/m²", SPECTRAL + " (Zeng et al. 2014)"),)),
    reorganisation=Quantity(3.4113e-20, "J", MPET_LFP + " (Fraggedakis et al. 2020: 8.3 kT)"),
)

GRAPHITE = Graphite(
    omega_a=Quantity(1.3992e-20, "J", MPET_GRAPHITE),
    omega_b=Quantity(5.761532e-21, "J", MPET_GRAPHITE),
    omega_c=Quantity(8.23076e-20, "J", MPET_GRAPHITE),
    kappa=Quantity(4.0e-7, "J/m", MPET_GRAPHITE),
    sites=Quantity(1.7e28, "1/m³", MPET_GRAPHITE),
    diffusivity=Quantity(1.25e-12, "m²/s", MPET_GRAPHITE),
    front_diffusivity=Quantity(0.7e-13, "m²/s", HOPG, (Quantity(1.4e-13, "m²/s", HOPG),)),
    activation=Quantity(36.5, "kJ/mol", HOPG, (Quantity(37.1, "kJ/mol", HOPG),)),
    voltage=Quantity(0.12, "V", MPET_LIC6),
    exchange=Quantity(3.0e-2, "A/m²", MPET_GRAPHITE),
    reorganisation=Quantity(2.055e-20, "J", MPET_GRAPHITE),
    gold=Quantity(0.7, "1", HOPG, (Quantity(0.8, "1", HOPG),)),
)

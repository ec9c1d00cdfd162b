"""Cahn–Hilliard phase separation."""

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ...domain import Domain
from ..laws import AbstractLaw, as_law, check_uniform, derivative
from ..operators import divergence_of_flux, laplacian
from .free_energy import free_energy
from .interface import AbstractEquation


class CahnHilliard(AbstractEquation):
    """Cahn–Hilliard dynamics: diffusion down the gradient of a chemical potential with interface energy.

        ∂c/∂t = ∇·( M(c) ∇μ ),    μ = μ_h(c) − κ ∇²c

    Parameters
    ----------
    mobility
        M(c) in length² per time per unit of μ.
    potential
        Homogeneous chemical potential μ_h(c), usually in kT.
    kappa
        Gradient coefficient κ in units of μ times length²: a number, or a law that is one number.

    Notes
    -----
    A movie is unchanged under (M, μ_h, κ) → (a M, μ_h/a, κ/a), and μ_h has a free constant. Give one of the
    three in absolute terms, or quote only the products M μ_h′ (`diffusivity`) and M κ.

    References
    ----------
    J. W. Cahn and J. E. Hilliard (1958), doi:10.1063/1.1744102, eq. 2.5 for the energy.
    """

    fields: ClassVar[int] = 1
    mobility: AbstractLaw = eqx.field(converter=as_law)
    potential: AbstractLaw = eqx.field(converter=as_law)
    kappa: AbstractLaw = eqx.field(converter=as_law)

    def __check_init__(self):
        check_uniform(self.kappa, "kappa")

    def chemical_potential(self, c: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
        """μ = μ_h(c) − κ ∇²c."""
        return self.potential(c) - self.kappa(c) * laplacian(c, domain)

    def rate(self, t, c, domain):
        del t
        return divergence_of_flux(self.mobility(c), self.chemical_potential(c, domain), domain)

    def stiffness(self, t, c):
        del t
        return self.diffusivity(c), self.mobility(c) * self.kappa(c)

    def diffusivity(self, c: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Fickian diffusivity D(c) = M(c) dμ_h/dc, length² per time; negative where the phase is unstable."""
        return self.mobility(c) * derivative(self.potential, c)

    def energy(self, c: Float[Array, "*space"], domain: Domain, *, points: int = 400) -> Float[Array, ""]:
        """Free energy ∫ f(c) + κ/2 |∇c|² with f′ = μ_h and f(½) = 0, in units of μ times volume.

        f is the trapezoidal integral of μ_h from ½ on ``points`` nodes: exact to O(points⁻²).
        """
        return free_energy(self.potential, self.kappa, c, domain, points)

"""Cahn–Hilliard phase separation."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..drift import as_drift, drift_rate
from ..ends import Ends, as_ends, at_ends
from ..laws import AbstractLaw, as_law, check_uniform, derivative
from ..operators import divergence_of_flux, through_ends
from .free_energy import chemical_potential, free_energy
from .interface import AbstractPhaseField


class CahnHilliard(AbstractPhaseField):
    """Cahn–Hilliard dynamics: diffusion down the gradient of a chemical potential with interface energy.

        ∂c/∂t = ∇·( M(c) ∇μ − K(c) ),    μ = μ_h(c) − κ ∇²c

    Parameters
    ----------
    mobility
        M(c) in length² per time per unit of μ.
    potential
        Homogeneous chemical potential μ_h(c), usually in kT.
    kappa
        Gradient coefficient κ in units of μ times length²: a number, or a law that is one number.
    ends
        What is fixed at the ends of the domain that are ``"fixed-value"`` (a reservoir: c = c_b and μ = μ_h(c_b)) or
        ``"fixed-flux"`` (the whole flux through the end is the inflow, and ∂c/∂n = 0): `Ends` of the first axis, or a
        tuple with one for each axis.
    drift
        K(c), composition times length per time, along the axes: a law (number, function) for the first axis, or a tuple
        with one for each.

    Notes
    -----
    At closed ends and masks the contact angle is 90°: ∂c/∂n = 0.

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
    ends: tuple[Ends | None, ...] = eqx.field(default=(), converter=as_ends)
    drift: tuple[AbstractLaw, ...] = eqx.field(default=(), converter=as_drift)

    def __check_init__(self):
        check_uniform(self.kappa, "kappa")

    def chemical_potential(
        self, c: Float[Array, "*space"], domain: Domain, t: float | Float[Array, ""] = 0.0
    ) -> Float[Array, "*space"]:
        """μ = μ_h(c) − κ ∇²c; the time matters only where an end has a fixed value."""
        return chemical_potential(self.potential, self.kappa, c, domain, at_ends(self.ends, t, domain, c.dtype))

    def rate(self, t, c, domain):
        fixed = at_ends(self.ends, t, domain, c.dtype)

        def inflow(end, layer):
            value = fixed[end]
            if end.kind == "fixed-flux":
                return value
            return self.mobility(value) * (self.potential(value) - layer) / end.half

        mu = self.chemical_potential(c, domain, t)
        change = divergence_of_flux(self.mobility(c), mu, domain) + through_ends(mu, domain, inflow)
        return change + drift_rate(self.drift, lambda c: self._damping(c, max(domain.spacing)), c, fixed, domain)

    def _damping(self, c, h):
        # what smooths from pixel to pixel: M (μ′ + κ λ) at the largest λ, also where μ′ is negative
        return jnp.abs(self.diffusivity(c)) + 4 / h**2 * self.mobility(c) * self.kappa(c)

    def stiffness(self, t, c):
        del t
        return self.diffusivity(c), self.mobility(c) * self.kappa(c)

    @property
    def local(self):
        return False

    def diffusivity(self, c: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Fickian diffusivity D(c) = M(c) dμ_h/dc, length² per time; negative where the phase is unstable."""
        return self.mobility(c) * derivative(self.potential, c)

    def energy(self, c: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
        """Free energy ∫ f(c) + κ/2 |∇c|² with f′ = μ_h and f(½) = 0, in units of μ times volume.

        It falls along a run without ends where something is fixed; the half pixels before a fixed value are left out.
        """
        return free_energy(self.potential, self.kappa, c, domain)

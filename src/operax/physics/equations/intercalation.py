"""Intercalation: ions react into a phase-separating host everywhere, under a voltage or a current."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..kinetics import AbstractKinetics
from ..laws import EDGE, AbstractLaw, Constant, as_law, check_uniform, derivative
from ..operators import divergence_of_flux
from ..rate_field import AbstractField, as_field
from .free_energy import chemical_potential, free_energy
from .interface import AbstractPhaseField
from .reaction import Current, as_drive, local_rate, slope_bound, voltage_at


class Intercalation(AbstractPhaseField):
    """A host imaged through the face at which ions enter: reaction at every pixel, with transport in the plane.

        ∂c/∂t = k(x) R(c, η) + ∇·( M(c) ∇μ ),    η = μ + v(t),    μ = μ_h(c) − κ ∇²c

    Parameters
    ----------
    kinetics
        R(c, η), composition per time, from `operax.kinetics`; positive (insertion) where η is negative.
    potential
        Homogeneous chemical potential μ_h(c) in kT.
    kappa
        Gradient coefficient κ in kT times length²: a number, or a law that is one number.
    drive
        v(t) in kT/e, the electrode's potential against that of the host at μ = 0: a number, or a law or function
        *of time*; more negative inserts. Or a `Current`, which sets the mean rate instead, and v with it.
    mobility
        M(c) in length² per time per kT: law, number or function.
    rate_field
        k(x), a factor on the rate: `RateField`, or a known number or array of the domain's shape.

    Raises
    ------
    ValueError
        If κ varies with composition, or a known rate field is not positive.

    Notes
    -----
    A current beyond what limited kinetics (`CoupledIonElectron`, `Marcus`) can carry has no voltage: the rate is
    NaN and the run fails.

    References
    ----------
    M. Z. Bazant, Acc. Chem. Res. 46, 1144 (2013), doi:10.1021/ar300145c, eqs. 25–27.
    """

    fields: ClassVar[int] = 1
    kinetics: AbstractKinetics
    potential: AbstractLaw = eqx.field(converter=as_law)
    kappa: AbstractLaw = eqx.field(converter=as_law)
    drive: AbstractLaw | Current = eqx.field(converter=as_drive)
    mobility: AbstractLaw = eqx.field(default=0.0, converter=as_law)
    rate_field: AbstractField = eqx.field(default=1.0, converter=as_field)

    def __check_init__(self):
        check_uniform(self.kappa, "kappa")

    def chemical_potential(self, c: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
        """μ = μ_h(c) − κ ∇²c, in kT."""
        return chemical_potential(self.potential, self.kappa, c, domain)

    def voltage(self, t: float | Float[Array, ""], c: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
        """v at time ``t`` in state ``c``, in kT/e; along a run ``jax.vmap(voltage, (0, 0, None))``."""
        mu, k = self.chemical_potential(c, domain), local_rate(self.rate_field, c, domain)
        return voltage_at(self.kinetics, self.drive, t, c, mu, k, domain)

    def rate(self, t, c, domain):
        mu, k = self.chemical_potential(c, domain), local_rate(self.rate_field, c, domain)
        v = voltage_at(self.kinetics, self.drive, t, c, mu, k, domain)
        return k * self.kinetics(c, mu + v) + divergence_of_flux(self.mobility(c), mu, domain)

    def stiffness(self, t, c):
        c = jnp.clip(c, EDGE, 1 - EDGE)  # beyond, laws are continuations that only a trial run sees
        slope = slope_bound(self.kinetics, self.drive, self.rate_field, t, c, self.potential(c))
        M, kappa = self.mobility(c), self.kappa(c)
        return slope * kappa + M * derivative(self.potential, c), M * kappa

    @property
    def local(self):
        # a current joins all pixels, transport those two apart
        still = isinstance(self.mobility, Constant) and self.mobility.value == 0
        return still and not isinstance(self.drive, Current)

    def energy(self, c: Float[Array, "*space"], domain: Domain, *, voltage: float = 0.0) -> Float[Array, ""]:
        """Free energy ∫ f(c) + κ/2 |∇c|² + v c with f′ = μ_h and f(½) = 0, in kT times volume.

        With the drive as ``voltage`` v it falls along every run at that voltage.
        """
        work = voltage * jnp.where(jnp.asarray(domain.inside), c, 0).sum() * domain.pixel_volume
        return free_energy(self.potential, self.kappa, c, domain) + work

"""Allen–Cahn dynamics."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..laws import AbstractLaw, as_law, check_uniform
from .free_energy import chemical_potential, free_energy
from .interface import AbstractPhaseField


class AllenCahn(AbstractPhaseField):
    """Allen–Cahn dynamics: every pixel relaxes down its own chemical potential, and nothing is conserved.

        ∂c/∂t = −R(c) ( μ + v(t) ),    μ = μ_h(c) − κ ∇²c

    Parameters
    ----------
    rate
        R(c) per time per unit of μ: law, number or function, positive.
    potential
        Homogeneous chemical potential μ_h(c), usually in kT.
    kappa
        Gradient coefficient κ in units of μ times length²: a number, or a law that is one number.
    drive
        v(t) in units of μ, a voltage or a field: a number, or a law or function *of time*.

    Notes
    -----
    A movie is unchanged under (R, μ_h, κ, v) → (a R, μ_h/a, κ/a, v/a), and a constant moves freely between μ_h and v.

    References
    ----------
    S. M. Allen and J. W. Cahn, Acta Metall. 27, 1085 (1979), doi:10.1016/0001-6160(79)90196-2.
    """

    fields: ClassVar[int] = 1
    prefactor: AbstractLaw  # `rate` to its maker; as an attribute that name is the method's
    potential: AbstractLaw
    kappa: AbstractLaw
    drive: AbstractLaw

    def __init__(self, rate, potential, kappa, drive=0.0):
        self.prefactor, self.potential, self.kappa, self.drive = map(as_law, (rate, potential, kappa, drive))

    def __check_init__(self):
        check_uniform(self.kappa, "kappa")

    def chemical_potential(self, c: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
        """μ = μ_h(c) − κ ∇²c."""
        return chemical_potential(self.potential, self.kappa, c, domain)

    def rate(self, t, c, domain):
        push = self.chemical_potential(c, domain) + self.drive(jnp.asarray(t, c.dtype))
        return jnp.where(jnp.asarray(domain.inside), -self.prefactor(c) * push, 0)

    def stiffness(self, t, c):
        del t
        return self.prefactor(c) * self.kappa(c), jnp.zeros_like(c)

    @property
    def local(self):
        return True

    def energy(self, c: Float[Array, "*space"], domain: Domain, *, voltage: float = 0.0) -> Float[Array, ""]:
        """Free energy ∫ f(c) + κ/2 |∇c|² + v c with f′ = μ_h and f(½) = 0, in units of μ times volume.

        With the drive as ``voltage`` v it falls along every run at that drive.
        """
        work = voltage * jnp.where(jnp.asarray(domain.inside), c, 0).sum() * domain.pixel_volume
        return free_energy(self.potential, self.kappa, c, domain) + work

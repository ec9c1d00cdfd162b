"""Graphite as two interacting layers, with stages that come from their order."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...domain import Domain
from ..kinetics import AbstractKinetics
from ..laws import EDGE, AbstractLaw, RegularSolution, as_law, check_uniform
from ..operators import divergence_of_flux
from ..rate_field import AbstractField, as_field
from .free_energy import chemical_potential, free_energy
from .interface import AbstractPhaseField
from .reaction import Current, as_drive, local_rate, slope_bound, voltage_at


class TwoLayerGraphite(AbstractPhaseField):
    """Lithium in two neighbouring layers of graphite: empty, stage 2 (one layer full) and stage 1 (both).

        ∂cᵢ/∂t = k(x) R(cᵢ, μᵢ + v(t)) + ∇·( M(cᵢ) ∇μᵢ )
        μ₁ = ln(c₁/(1−c₁)) + Ω_a (1−2c₁) + Ω_b c₂ + Ω_c c₂ (1−c₂) (1−2c₁) − κ ∇²c₁,    μ₂ with 1 and 2 swapped

    The state has the two fillings c₁, c₂ as its last axis; their mean is the lithium content, ½ for LiC₁₂.

    Parameters
    ----------
    kinetics
        R(c, η), filling of a layer per time, from `operax.kinetics`.
    kappa
        Gradient coefficient κ in kT times length²: a number, or a law that is one number. For graphite 4.0e-7 J/m
        over 1.7e28 sites/m³ and kT at 298 K: (76 nm)².
    drive
        v(t) in kT/e: a number, or a law or function *of time*; more negative inserts. Or a `Current`, the rate of
        the mean over pixels and layers.
    mobility
        M(c) within a layer, length² per time per kT: law, number or function.
    rate_field
        k(x), a factor on the rate: `RateField`, or a known number or array of the domain's shape.
    attraction, repulsion, coupling
        Ω_a within a layer, Ω_b between layers and Ω_c, which opposes two half-full neighbours, in kT: numbers, or
        laws that are one number.

    Raises
    ------
    ValueError
        If κ or an energy varies with composition, or a known rate field is not positive.

    Notes
    -----
    Stages of longer period (3, 4, 1L) need more layers: below a filling of about a quarter the model is coarse.

    References
    ----------
    T. R. Ferguson and M. Z. Bazant, Electrochim. Acta 146, 89 (2014), doi:10.1016/j.electacta.2014.08.083;
    R. B. Smith, E. Khoo and M. Z. Bazant, J. Phys. Chem. C 121, 12505 (2017), doi:10.1021/acs.jpcc.7b00185.
    """

    fields: ClassVar[int] = 2
    kinetics: AbstractKinetics
    kappa: AbstractLaw = eqx.field(converter=as_law)
    drive: AbstractLaw | Current = eqx.field(converter=as_drive)
    mobility: AbstractLaw = eqx.field(default=0.0, converter=as_law)
    rate_field: AbstractField = eqx.field(default=1.0, converter=as_field)
    attraction: AbstractLaw = eqx.field(default=3.4, converter=as_law)
    repulsion: AbstractLaw = eqx.field(default=1.4, converter=as_law)
    coupling: AbstractLaw = eqx.field(default=20.0, converter=as_law)

    def __check_init__(self):
        for name in ("kappa", "attraction", "repulsion", "coupling"):
            check_uniform(getattr(self, name), name)

    def homogeneous_potential(self, c: Float[Array, "*shape"], other: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """μ of a layer filled to ``c`` beside one filled to ``other``, without gradients, in kT."""
        between = self.repulsion(c) * other + self.coupling(c) * other * (1 - other) * (1 - 2 * c)
        return RegularSolution(self.attraction)(c) + between

    def chemical_potential(self, c: Float[Array, "*space 2"], domain: Domain) -> Float[Array, "*space 2"]:
        """μ of both layers, in kT."""

        def layer(c, other):
            return chemical_potential(lambda c: self.homogeneous_potential(c, other), self.kappa, c, domain)

        return jax.vmap(layer, -1, -1)(c, c[..., ::-1])

    def voltage(self, t: float | Float[Array, ""], c: Float[Array, "*space 2"], domain: Domain) -> Float[Array, ""]:
        """v at time ``t`` in state ``c``, in kT/e; along a run ``jax.vmap(voltage, (0, 0, None))``."""
        mu, k = self.chemical_potential(c, domain), local_rate(self.rate_field, c, domain)
        return voltage_at(self.kinetics, self.drive, t, c, mu, k, domain)

    def rate(self, t, c, domain):
        mu, k = self.chemical_potential(c, domain), local_rate(self.rate_field, c, domain)
        v = voltage_at(self.kinetics, self.drive, t, c, mu, k, domain)
        spread = jax.vmap(lambda M, mu: divergence_of_flux(M, mu, domain), -1, -1)(self.mobility(c), mu)
        return k * self.kinetics(c, mu + v) + spread

    def stiffness(self, t, c):
        # every pair of a few of the fillings, c₁ down and c₂ across
        few = jnp.clip(c[:: max(1, c.size // 16)], EDGE, 1 - EDGE)
        c, other = jnp.meshgrid(few, few, indexing="ij")
        mu, along = jax.jvp(self.homogeneous_potential, (c, other), (jnp.ones_like(c), jnp.zeros_like(c)))
        across = jax.jvp(self.homogeneous_potential, (c, other), (jnp.zeros_like(c), jnp.ones_like(c)))[1]
        slope = slope_bound(self.kinetics, self.drive, self.rate_field, t, c, mu)
        M, kappa = self.mobility(c), self.kappa(c)
        # the stiffer of the two combinations of layers
        return (slope * kappa + M * (along + jnp.abs(across))).ravel(), (M * kappa).ravel()

    @property
    def local(self):
        return False

    def energy(self, c: Float[Array, "*space 2"], domain: Domain, *, voltage: float = 0.0) -> Float[Array, ""]:
        """Free energy of both layers and their coupling, plus v times the lithium in them, in kT times volume.

        Zero for half-full layers without coupling. With the drive as ``voltage`` v it falls along every run at that
        voltage.
        """
        alone = RegularSolution(self.attraction)
        layers = sum(free_energy(alone, self.kappa, c[..., i], domain) for i in (0, 1))
        pair = self.repulsion(c[..., 0]) * jnp.prod(c, -1) + self.coupling(c[..., 0]) * jnp.prod(c * (1 - c), -1)
        work = jnp.where(jnp.asarray(domain.inside), pair + voltage * c.sum(-1), 0).sum() * domain.pixel_volume
        return layers + work

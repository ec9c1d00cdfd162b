"""Nonlinear diffusion."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from ..laws import AbstractLaw, as_law
from ..operators import divergence_of_flux
from .interface import AbstractEquation


class Diffusion(AbstractEquation):
    """Nonlinear diffusion with a source.

        ∂c/∂t = ∇·( D(c) ∇c ) + s(c)

    Parameters
    ----------
    diffusivity
        D(c) in length² per time: law, number or function; positive over the compositions visited.
    source
        s(c) per time: law, number or function.
    """

    fields: ClassVar[int] = 1
    diffusivity: AbstractLaw = eqx.field(converter=as_law)
    source: AbstractLaw = eqx.field(default=0.0, converter=as_law)

    def rate(self, t, c, domain):
        del t
        change = divergence_of_flux(self.diffusivity(c), c, domain) + self.source(c)
        return jnp.where(jnp.asarray(domain.inside), change, 0) if domain.masked else change

    def stiffness(self, t, c):
        del t
        return self.diffusivity(c), jnp.zeros_like(c)

"""Nonlinear diffusion."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from ..drift import as_drift, drift_rate
from ..ends import Ends, as_ends, at_ends
from ..laws import AbstractLaw, as_law
from ..operators import divergence_of_flux, through_ends
from .interface import AbstractEquation


class Diffusion(AbstractEquation):
    """Nonlinear diffusion with a source and a drift, between closed ends or ends where something is fixed.

        ∂c/∂t = ∇·( D(c) ∇c − K(c) ) + s(c)

    Parameters
    ----------
    diffusivity
        D(c) in length² per time: law, number or function; positive over the compositions visited.
    source
        s(c) per time: law, number or function.
    ends
        What is fixed at the ends of the domain that are ``"fixed-value"`` (c = c_b) or ``"fixed-flux"`` (the whole flux
        through the end is the inflow): `Ends` of the first axis, or a tuple with one for each axis.
    drift
        K(c), composition times length per time, along the axes: a law (number, function) for the first axis, or a tuple
        with one for each. Gravity on water content in Richards' equation is its hydraulic conductivity, migration its
        mobility times the field.

    Notes
    -----
    Where the drift over a pixel outweighs diffusion, |dK/dc| h > 2 D, profiles stay monotone and fronts are blurred
    over a pixel or two: there the width of a front says nothing of D.

    References
    ----------
    J. Crank, The Mathematics of Diffusion, 2nd edition, Oxford (1975), ISBN 0-19-853411-6.
    """

    fields: ClassVar[int] = 1
    diffusivity: AbstractLaw = eqx.field(converter=as_law)
    source: AbstractLaw = eqx.field(default=0.0, converter=as_law)
    ends: tuple[Ends | None, ...] = eqx.field(default=(), converter=as_ends)
    drift: tuple[AbstractLaw, ...] = eqx.field(default=(), converter=as_drift)

    def rate(self, t, c, domain):
        fixed = at_ends(self.ends, t, domain, c.dtype)

        def inflow(end, layer):
            value = fixed[end]
            return value if end.kind == "fixed-flux" else self.diffusivity(value) * (value - layer) / end.half

        change = divergence_of_flux(self.diffusivity(c), c, domain) + through_ends(c, domain, inflow) + self.source(c)
        change = change + drift_rate(self.drift, self.diffusivity, c, fixed, domain)
        return jnp.where(jnp.asarray(domain.inside), change, 0) if domain.masked else change

    def stiffness(self, t, c):
        del t
        return self.diffusivity(c), jnp.zeros_like(c)

    @property
    def local(self):
        return True

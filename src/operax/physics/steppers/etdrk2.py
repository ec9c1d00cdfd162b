"""Exponential Runge–Kutta stepping of order two."""

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from .semilinear import AbstractStepper, phi_functions


class Weights(eqx.Module):
    """Weights of one ETDRK2 step of length h, one number a mode; see `ETDRK2.take`."""

    linear: Float[Array, "*modes"]
    first: Float[Array, "*modes"]  # h φ₁(hL)
    second: Float[Array, "*modes"]  # h φ₂(hL)


class ETDRK2(AbstractStepper):
    """Cox–Matthews exponential Runge–Kutta of order two, with the step of order one inside it as error estimate.

    Half the work a step of `ETDRK4`; for rough laws, adaptive runs and where the energy must fall at every step.

    Notes
    -----
    The energy of Allen–Cahn and Cahn–Hilliard falls at any step length if the mobility is constant and the linear
    part is large enough. With a mobility that varies there is no proof: see `operax.diagnose`.

    References
    ----------
    S. M. Cox and P. C. Matthews, J. Comput. Phys. 176, 430 (2002), doi:10.1006/jcph.2002.6995, eq. 22.
    Z. Fu and J. Yang, J. Comput. Phys. 454, 110943 (2022), doi:10.1016/j.jcp.2022.110943, for the energy.
    """

    share: ClassVar[float] = 0.5

    def order(self, terms):
        del terms
        return 2

    def prepare(self, term, h, c):
        linear = term.linear(c)
        phi1, phi2, _ = phi_functions(h * linear)
        return Weights(linear, h * phi1, h * phi2)

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        # in increments, as in `ETDRK4.take`
        del memory
        f = term.forward(term.vf(t, c, None))
        d = weights.first * f
        rough = c + term.inverse(d)
        gained = term.forward(term.vf(t + h, rough, None)) - f - weights.linear * d
        error = term.inverse(weights.second * gained)
        return rough + error, error, None

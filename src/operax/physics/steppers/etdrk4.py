"""Exponential Runge–Kutta stepping of order four."""

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from .semilinear import AbstractStepper, phi_functions


class Weights(eqx.Module):
    """Weights of one ETDRK4 step of length h, one number a mode; see `ETDRK4.take`."""

    half: Float[Array, "*modes"]  # (h/2) φ₁(hL/2)
    lost: Float[Array, "*modes"]  # 1 − exp(hL/2)
    start: Float[Array, "*modes"]  # of the rate at the start in the whole step
    middle: Float[Array, "*modes"]  # 2h (φ₂ − 2φ₃)
    last: Float[Array, "*modes"]  # h (4φ₃ − φ₂)


class ETDRK4(AbstractStepper):
    """Cox–Matthews exponential Runge–Kutta of order four, as a diffrax solver on a `SemilinearTerm`.

    Wrap it in ``diffrax.HalfSolver`` for an error estimate and adaptive steps.

    Notes
    -----
    Order four is seen where no mode is stiff. With stiff modes and a mobility that varies, slopes of 2 to 3.5 were
    measured at practical steps, as is usual for exponential Runge–Kutta schemes.

    References
    ----------
    S. M. Cox and P. C. Matthews, J. Comput. Phys. 176, 430 (2002), doi:10.1006/jcph.2002.6995, eqs. 26–29.
    """

    share: ClassVar[float] = 0.5

    def order(self, terms):
        del terms
        return 4

    def prepare(self, term, h, c):
        linear = term.linear(c)
        phi1, phi2, phi3 = phi_functions(h * linear)
        half = h / 2 * phi_functions(h * linear / 2)[0]
        lost = -linear * half
        middle, last = 2 * h * (phi2 - 2 * phi3), h * (4 * phi3 - phi2)
        start = h * phi1 + middle * (lost + lost**2 - 2) + last * (2 * lost**3 - lost**2 - 1)
        return Weights(half, lost, start, middle, last)

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        # In increments: only changes of c pass through the transform, so rounding in the transform does not touch
        # what stays (mass, in float32 above all). With F̂ the transformed rate at c and d the transformed change at
        # a stage, the nonlinear part has changed by F̂(stage) − F̂(c) − L d. Written out in the rates, with
        # L half = −lost, every change is one pass over them.
        del memory
        half, lost, middle, last = weights.half, weights.lost, weights.middle, weights.last

        def rate(time, d):
            return term.forward(term.vf(time, c + term.inverse(d), None))

        f = term.forward(term.vf(t, c, None))
        f_a = rate(t + h / 2, half * f)
        f_b = rate(t + h / 2, half * (f_a + lost * f))
        f_c = rate(t + h, half * (2 * f_b + lost * (2 * f_a + (2 * lost - 1) * f)))
        change = weights.start * f + (middle * (1 + lost) + 2 * last * lost**2) * f_a
        change = change + (middle + 2 * last * lost) * f_b + last * f_c
        return c + term.inverse(change), None, None

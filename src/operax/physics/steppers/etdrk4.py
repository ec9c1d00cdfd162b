"""Exponential Runge–Kutta stepping of order four."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .semilinear import AbstractStepper, phi_functions


class Weights(eqx.Module):
    """Weights of one ETDRK4 step of length h, one number a mode; see `ETDRK4.take`."""

    half: Float[Array, "*modes"]  # (h/2) φ₁(hL/2)
    lost: Float[Array, "*modes"]  # 1 − exp(hL/2)
    whole: Float[Array, "4 *modes"]  # of the rate at each stage in the whole step


# Of each stage: its time within the step, and what the change at the next one takes of its rate, of its own change,
# of the change before that, and of the sum over all stages.
STAGES = np.array([[0, 1, 0, 0, 0], [0.5, 1, 1, 0, 0], [0.5, 2, 2, -1, 0], [1, 0, 0, 0, 1]])


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
        first, second = middle * (1 + lost) + 2 * last * lost**2, middle + 2 * last * lost
        return Weights(half, lost, jnp.stack([start, first, second, last]))

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        # In increments: only changes of c pass through the transform, so rounding in the transform does not touch
        # what stays (mass, in float32 above all). With F̂ the transformed rate at c and d the transformed change at
        # a stage, the nonlinear part has changed by F̂(stage) − F̂(c) − L d. Written out in the rates, with
        # L half = −lost, stage after stage, they are d_a = half F̂, d_b = half F̂_a + lost d_a and
        # d_c = 2 half F̂_b + lost (2 d_b − d_a). As a loop the rate is compiled once, not four times.
        del memory
        half, lost = weights.half, weights.lost

        def stage(carry, row):
            now, change, before, total = carry
            (at, rate, own, earlier, all_), weight = row
            f = term.forward(term.vf(t + at * h, now, None))
            total = total + weight * f
            after = half * (rate * f) + lost * (own * change + earlier * before) + all_ * total
            return (c + term.inverse(after), after, change, total), None

        none = jnp.zeros_like(term.forward(c))
        table = jnp.asarray(STAGES, c.dtype)
        return jax.lax.scan(stage, (c, none, none, none), (tuple(table.T), weights.whole))[0][0], None, None

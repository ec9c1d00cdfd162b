"""Linearly implicit stepping along a line, with the true tridiagonal Jacobian.

Where D(c) varies by orders of magnitude, as in front-like transport, no frozen linear part is close to the true
one and exponential steps must be small. Along a line the Jacobian is tridiagonal and solving with it is cheap.
"""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..equations import AbstractEquation
from ..transforms import AbstractTransform
from .semilinear import AbstractStepper

# Rodas3 in the form (1/(hγ) - J) kᵢ = F(c + Σ aᵢⱼ kⱼ) + Σ Cᵢⱼ kⱼ / h, c₁ = c + Σ mᵢ kᵢ: order three, L-stable and
# stiffly accurate, so a stiff mode is gone after one step.
GAMMA = 0.5
A = ((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0))
C = ((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0))
M = (2.0, 0.0, 1.0, 1.0)
# Where in the step each stage's rate is taken, and how far it is carried along ∂F/∂t; the last stage is the error.
ALPHA = (0.0, 0.0, 1.0, 1.0)
SLOPE = (0.5, 1.5, 0.0, 0.0)


def suits(equation: AbstractEquation, geometry: AbstractTransform) -> bool:
    """Whether the Jacobian is tridiagonal: one field along a line that is not periodic, looking one pixel far."""
    domain = geometry.domain
    return equation.local and equation.fields == 1 and domain.ndim == 1 and "periodic" not in domain.boundary


def jacobian(
    rate: Callable, c: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """Lower, main and upper diagonal of ∂rate/∂c, from three tangents that touch every third pixel."""
    n = c.size
    pixel = jnp.arange(n)
    _, push = jax.linearize(rate, c)
    columns = jax.vmap(push)((pixel[None] % 3 == jnp.arange(3)[:, None]).astype(c.dtype))

    def diagonal(offset):
        neighbour = pixel + offset
        value = columns[neighbour % 3, pixel]
        return jnp.where((neighbour >= 0) & (neighbour < n), value, 0)

    return diagonal(-1), diagonal(0), diagonal(1)


class Rosenbrock(AbstractStepper):
    """Rodas3, a linearly implicit Rosenbrock method of order three with an error estimate, along a line.

    It acts on a `SemilinearTerm` whose equation has one field and looks no further than the next pixel, such as
    `Diffusion`, on a one-dimensional domain that is not periodic, and raises ValueError on any other.

    References
    ----------
    A. Sandu et al., Atmos. Environ. 31, 3459 (1997), doi:10.1016/S1352-2310(97)83212-8, method Rodas3.
    """

    share: ClassVar[float] = 0.0  # it needs no frozen linear part

    def order(self, terms):
        del terms
        return 3

    def prepare(self, term, h, c):
        del h, c
        if not suits(term.equation, term.transform):
            raise ValueError(
                "`Rosenbrock` needs an equation with one field that looks no further than the next pixel, such as "
                "`Diffusion`, on a one-dimensional domain that is not periodic, got "
                f"{type(term.equation).__name__} on {term.transform.domain}; use `ETDRK4`."
            )

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        del weights, memory

        def rate(time, c):
            return term.vf(time, c, None)

        lower, main, upper = jacobian(lambda c: rate(t, c), c)
        t = jnp.asarray(t, c.dtype)
        _, drift = jax.jvp(lambda t: rate(t, c), (t,), (jnp.ones_like(t),))
        shifted = 1 / (h * GAMMA) - main
        stages: list[Array] = []
        for a, weights, alpha, slope in zip(A, C, ALPHA, SLOPE):
            # a zero weight everywhere means that the rate at c is meant again
            here = c + sum(w * k for w, k in zip(a, stages))
            right = rate(t + alpha * h, here) + sum(w * k for w, k in zip(weights, stages)) / h + slope * h * drift
            stages.append(jax.lax.linalg.tridiagonal_solve(-lower, shifted, -upper, right[:, None])[:, 0])
        return c + sum(w * k for w, k in zip(M, stages)), stages[-1], None

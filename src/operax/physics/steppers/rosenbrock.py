"""Linearly implicit stepping of one-dimensional diffusion, with the true tridiagonal Jacobian.

Where D(c) varies by orders of magnitude, as in front-like transport, no frozen linear part is close to the true
one and exponential steps must be small. Along a line the Jacobian is tridiagonal and solving with it is cheap.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..equations import AbstractEquation, Diffusion
from ..transforms import AbstractTransform
from .semilinear import AbstractStepper

# Rodas3 in the form (1/(hγ) - J) kᵢ = F(c + Σ aᵢⱼ kⱼ) + Σ Cᵢⱼ kⱼ / h, c₁ = c + Σ mᵢ kᵢ: order three, L-stable and
# stiffly accurate, so a stiff mode is gone after one step.
GAMMA = 0.5
A = ((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0))
C = ((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0))
M = (2.0, 0.0, 1.0, 1.0)


def suits(equation: AbstractEquation, geometry: AbstractTransform) -> bool:
    """Whether the Jacobian is tridiagonal: diffusion along a line with no-flux ends."""
    return isinstance(equation, Diffusion) and geometry.domain.boundary == ("no-flux",)


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
    """Rodas3, a linearly implicit Rosenbrock method of order three, for diffusion along a line.

    Parameters are none; it acts on a `SemilinearTerm` whose equation is `Diffusion` on a one-dimensional domain
    with no-flux ends, and raises ValueError on any other.

    References
    ----------
    A. Sandu et al., Atmos. Environ. 31, 3459 (1997), doi:10.1016/S1352-2310(97)83212-8, method Rodas3.
    """

    def order(self, terms):
        del terms
        return 3

    def prepare(self, term, h, c):
        del h, c
        if not suits(term.equation, term.transform):
            raise ValueError(
                "`Rosenbrock` needs `Diffusion` on a one-dimensional domain with no-flux ends, got "
                f"{type(term.equation).__name__} on {term.transform.domain}; use `ETDRK4`."
            )

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        del weights, memory

        def rate(c):
            return term.vf(t, c, None)

        lower, main, upper = jacobian(rate, c)
        shifted = 1 / (h * GAMMA) - main
        stages: list[Array] = []
        for a, weights in zip(A, C):
            # a zero weight everywhere means that the rate at c is meant again
            here = c + sum(w * k for w, k in zip(a, stages))
            right = rate(here) + sum(w * k for w, k in zip(weights, stages)) / h
            stages.append(jax.lax.linalg.tridiagonal_solve(-lower, shifted, -upper, right[:, None])[:, 0])
        return c + sum(w * k for w, k in zip(M, stages)), None, None

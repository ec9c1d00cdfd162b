"""The split equation dc/dt = L c + N(t, c) that every stepper works on.

L is a linear part that the geometry's transform diagonalises, so stiffness is integrated exactly or implicitly, and
steps are set by the pattern, not by the pixel.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from ..equations import AbstractEquation
from ..transforms import AbstractTransform

# A little more than the least frozen linear part leaves room for compositions visited later.
SAFETY = 1.04
# Times at which a stiffness that depends on time is looked at.
MOMENTS = 129


class SemilinearTerm(diffrax.AbstractTerm):
    """dc/dt = F(c), with the diagonal L that the steppers integrate exactly.

    Parameters
    ----------
    equation
        What is solved.
    transform
        The geometry's transform.
    damping
        (A₂, A₄) of L = −A₂ λ − A₄ λ², λ the eigenvalues of minus the Laplacian, each one number or one for each
        field. Only the splitting depends on it, not the equation, so no derivative is taken through it.
    """

    equation: AbstractEquation
    transform: AbstractTransform
    damping: Float[Array, "2 *fields"]

    def vf(self, t, y, args):
        del args
        return self.equation.rate(t, y, self.transform.domain)

    def contr(self, t0, t1, **kwargs):
        del kwargs
        return t1 - t0

    def prod(self, vf, control):
        return jax.tree.map(lambda v: control * v, vf)

    def linear(self, c: Float[Array, "*space"]) -> Float[Array, "*modes"]:
        """L for a state like ``c``, one number a mode."""
        a2, a4 = jax.lax.stop_gradient(self.damping)
        eigenvalues = jnp.asarray(self.transform.eigenvalues, c.dtype)
        eigenvalues = eigenvalues if self._single(c) else eigenvalues[..., None]
        return -(a2 * eigenvalues + a4 * eigenvalues**2).astype(c.dtype)

    def solve(
        self, a: float | Float[Array, ""], h: Float[Array, ""], u: Float[Array, "*space"]
    ) -> Float[Array, "*space"]:
        """The x of (a − hL) x = u."""
        b, c = (h * jax.lax.stop_gradient(self.damping)).astype(u.dtype)
        if self._single(u):
            return self.transform.solve(a, b, c, u)
        b, c = (jnp.broadcast_to(x, u.shape[-1:]) for x in (b, c))
        return jax.vmap(self.transform.solve, (None, 0, 0, -1), -1)(a, b, c, u)

    def forward(self, u: Float[Array, "*space"]) -> Inexact[Array, "*modes"]:
        """Mode amplitudes of every field of a state."""
        return self.transform.forward(u) if self._single(u) else jax.vmap(self.transform.forward, -1, -1)(u)

    def inverse(self, amplitudes: Inexact[Array, "*modes"]) -> Float[Array, "*space"]:
        """The state with these mode amplitudes."""
        single = amplitudes.ndim == self.transform.eigenvalues.ndim
        return self.transform.inverse(amplitudes) if single else jax.vmap(self.transform.inverse, -1, -1)(amplitudes)

    def _single(self, c):
        return c.ndim == self.transform.domain.ndim


def damping(
    equation: AbstractEquation,
    geometry: AbstractTransform,
    times: Float[Array, " time"],
    c: Float[Array, " n"],
    h: float | Float[Array, ""],
    share: float = 0.5,
) -> Float[Array, "2 *fields"]:
    """The smallest (A₂, A₄) that keep steps of length ``h`` stable at the compositions ``c`` during ``times``.

    They are those of an ``equation`` whose modes have the eigenvalues of ``geometry``.

    Where modes are stiff (hL below about -2) the frozen part A₂λ + A₄λ² must be at least ``share``, a stepper's own
    constant, of the true a₂λ + a₄λ² at every composition. A₄ is set by a₄ alone; A₂ makes up what a₂ asks beyond it
    at the smoothest stiff mode. A larger A would be stable too, and less accurate.
    """
    largest = jnp.asarray(np.max(geometry.eigenvalues), c.dtype)
    return _damping(equation, jnp.asarray(times, c.dtype), c, jnp.asarray(h, c.dtype), share, largest)


# compiled, because a law evaluated on its own may compile every time
@eqx.filter_jit
def _damping(equation, times, c, h, share, largest):
    a2, a4 = equation.stiffness(jnp.linspace(times[0], times[-1], MOMENTS), c)
    A4 = SAFETY * share * jnp.max(a4, 0)
    stiff = jnp.minimum(largest, jnp.sqrt(2 / jnp.where(A4 > 0, h * A4, 1.0)))
    A2 = jnp.max(SAFETY * share * a2 - jnp.where(A4 > 0, (A4 - share * a4) * stiff, 0.0), 0)
    return jnp.stack([jnp.maximum(A2, 0.0), A4])


def phi_functions(z: Float[Array, "*modes"]) -> tuple[Float[Array, "*modes"], ...]:
    """φ₁, φ₂, φ₃ of z ≤ 0, with φ₁(z) = (eᶻ − 1)/z and φₖ₊₁(z) = (φₖ(z) − 1/k!)/z, to rounding.

    The recursion cancels near zero, so there the Taylor series is summed instead.
    """
    small = jnp.abs(z) < 1
    near, far = jnp.where(small, z, 0.0), jnp.where(small, -1.0, z)
    series = jnp.zeros_like(z)
    factorial = 1.0
    terms = []
    for k in range(1, 19):
        factorial *= k
        terms.append(1 / factorial)  # 1/k!
    for coefficient in reversed(terms[2:]):
        series = series * near + coefficient  # φ₃ = Σ zʲ/(j+3)!
    phi3_near = series
    phi2_near = near * phi3_near + 1 / 2
    phi1_near = near * phi2_near + 1
    phi1_far = jnp.expm1(far) / far
    phi2_far = (phi1_far - 1) / far
    phi3_far = (phi2_far - 1 / 2) / far
    near_and_far = ((phi1_near, phi1_far), (phi2_near, phi2_far), (phi3_near, phi3_far))
    return tuple(jnp.where(small, a, b) for a, b in near_and_far)


class AbstractStepper(diffrax.AbstractSolver):
    """A time stepper: three functions of its own, from which it is a diffrax solver too.

    A run with steps of one length calls ``prepare`` once, ``begin`` at the first step and ``take`` at every one.

    ``share`` is the part of the largest coefficient that the frozen linear part must carry for every mode to be
    damped, see `damping`: with u′ = zu + qzu, z < 0 the frozen part, 1/share − 1 is the largest stable q.
    """

    share: eqx.AbstractClassVar[float]
    term_structure: ClassVar = SemilinearTerm
    interpolation_cls: ClassVar[Callable] = diffrax.ThirdOrderHermitePolynomialInterpolation

    @abc.abstractmethod
    def prepare(self, term: SemilinearTerm, h: Float[Array, ""], c: Float[Array, "*space"]) -> Any:
        """What depends only on the step length ``h`` and the kind of state: the weights of a step."""

    @abc.abstractmethod
    def begin(
        self, term: SemilinearTerm, weights: Any, t: Float[Array, ""], h: Float[Array, ""], c: Float[Array, "*space"]
    ) -> Any:
        """What a multistep method remembers before its first step; None for the others."""

    @abc.abstractmethod
    def take(
        self,
        term: SemilinearTerm,
        weights: Any,
        t: Float[Array, ""],
        h: Float[Array, ""],
        c: Float[Array, "*space"],
        memory: Any,
    ) -> tuple[Float[Array, "*space"], Float[Array, "*space"] | None, Any]:
        """The state at t + h, an estimate of the error made or None, and what to remember."""

    def init(self, terms, t0, t1, y0, args):
        del args
        term = _bare(terms)
        return self.begin(term, self.prepare(term, t1 - t0, y0), t0, t1 - t0, y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del args, made_jump
        term = _bare(terms)
        weights = self.prepare(term, t1 - t0, y0)
        y1, error, memory = self.take(term, weights, t0, t1 - t0, y0, solver_state)
        # a cubic through the states and rates at both ends serves frames inside a step
        k0, k1 = ((t1 - t0) * term.vf(t, y, None) for t, y in ((t0, y0), (t1, y1)))
        return y1, error, {"y0": y0, "y1": y1, "k0": k0, "k1": k1}, memory, diffrax.RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


def _bare(terms) -> SemilinearTerm:
    return getattr(terms, "term", terms)  # diffeqsolve wraps terms to let time run backwards

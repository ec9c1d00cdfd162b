"""Exponential time stepping: the semilinear term that diffrax sees, and the ETDRK4 solver on it.

A semi-discrete equation dc/dt = F(c) is split as L c + N(c) with a linear part L that every transform
diagonalises, so stiffness is integrated exactly and steps are set by the pattern, not by the pixel.
"""

from collections.abc import Callable
from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..equations import AbstractEquation
from ..transforms import AbstractTransform

# The Cox–Matthews scheme damps every mode if the frozen linear part is at least half the largest
# coefficient; a little more leaves room for compositions visited later.
SAFETY = 0.52


class SemilinearTerm(diffrax.AbstractTerm):
    """dc/dt = F(c), with the diagonal L that the steppers integrate exactly.

    Parameters
    ----------
    equation
        What is solved.
    transform
        The geometry's transform.
    damping
        (A₂, A₄) of L = −A₂ λ − A₄ λ², λ the eigenvalues of minus the Laplacian. Only the splitting depends on
        it, not the equation, so no derivative is taken through it.
    """

    equation: AbstractEquation
    transform: AbstractTransform
    damping: Float[Array, "2"]

    def vf(self, t, y, args):
        del t, args
        return self.equation.rate(y, self.transform.domain)

    def contr(self, t0, t1, **kwargs):
        del kwargs
        return t1 - t0

    def prod(self, vf, control):
        return jax.tree.map(lambda v: control * v, vf)

    def linear(self, dtype) -> Float[Array, "*modes"]:
        a2, a4 = jax.lax.stop_gradient(self.damping)
        eigenvalues = jnp.asarray(self.transform.eigenvalues, dtype)
        return -(a2 * eigenvalues + a4 * eigenvalues**2).astype(dtype)


def damping(
    equation: AbstractEquation, geometry: AbstractTransform, c: Float[Array, " n"], h: float | Float[Array, ""]
) -> Float[Array, "2"]:
    """The smallest (A₂, A₄) that keep steps of length ``h`` stable at the compositions ``c``.

    Where modes are stiff (hL below about -2) the frozen part A₂λ + A₄λ² must be at least half of the true
    a₂λ + a₄λ² at every composition. A₄ is set by a₄ alone; A₂ makes up what a₂ asks beyond it at the
    smoothest stiff mode. A larger A would be stable too, and less accurate.
    """
    a2, a4 = equation.stiffness(c)
    A4 = SAFETY * jnp.max(a4)
    largest = jnp.asarray(np.max(geometry.eigenvalues), a4.dtype)
    stiff = jnp.minimum(largest, jnp.sqrt(2 / jnp.where(A4 > 0, h * A4, 1.0)))
    A2 = jnp.max(SAFETY * a2 - jnp.where(A4 > 0, (A4 - a4 / 2) * stiff, 0.0))
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


class Coefficients(eqx.Module):
    """Weights of one ETDRK4 step of length h, one number a mode; see `step`."""

    linear: Float[Array, "*modes"]
    half: Float[Array, "*modes"]  # (h/2) φ₁(hL/2)
    first: Float[Array, "*modes"]  # h φ₁(hL)
    middle: Float[Array, "*modes"]  # 2h (φ₂ − 2φ₃)
    last: Float[Array, "*modes"]  # h (4φ₃ − φ₂)


def coefficients(linear: Float[Array, "*modes"], h: Float[Array, ""]) -> Coefficients:
    phi1, phi2, phi3 = phi_functions(h * linear)
    half, _, _ = phi_functions(h * linear / 2)
    return Coefficients(linear, h / 2 * half, h * phi1, 2 * h * (phi2 - 2 * phi3), h * (4 * phi3 - phi2))


def step(
    rate: Callable, transform: AbstractTransform, weights: Coefficients, c: Float[Array, "*space"]
) -> Float[Array, "*space"]:
    """One step of Cox and Matthews' ETDRK4.

    Written in increments: only changes of c pass through the transform, so rounding in the transform does not
    touch what stays (mass, in float32 above all). With F̂ the transformed rate at c and d the transformed
    change at a stage, the nonlinear part has changed by F̂(stage) − F̂(c) − L d.
    """
    w, change = weights, transform.inverse
    f = transform.forward(rate(c))

    def gained(d):
        return transform.forward(rate(c + change(d))) - f - w.linear * d

    d_a = w.half * f
    n_a = gained(d_a)
    n_b = gained(w.half * (f + n_a))
    n_c = gained(d_a + w.half * (f + w.linear * d_a + 2 * n_b))
    return c + change(w.first * f + w.middle * (n_a + n_b) + w.last * n_c)


class ETDRK4(diffrax.AbstractSolver):
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

    term_structure: ClassVar = SemilinearTerm
    interpolation_cls: ClassVar[Callable] = diffrax.LocalLinearInterpolation

    def order(self, terms):
        del terms
        return 4

    def init(self, terms, t0, t1, y0, args):
        del terms, t0, t1, y0, args

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del solver_state, made_jump
        term = getattr(terms, "term", terms)  # diffeqsolve wraps terms to let time run backwards
        weights = coefficients(term.linear(y0.dtype), t1 - t0)
        y1 = step(lambda c: term.vf(t0, c, args), term.transform, weights, y0)
        return y1, None, {"y0": y0, "y1": y1}, None, diffrax.RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

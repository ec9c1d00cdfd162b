"""Masks with too many pixels for an eigenbasis: conjugate gradients, preconditioned by the rectangle around them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...domain import Domain
from ..operators import laplacian
from .box import Box
from .interface import AbstractTransform
from .particles import particles

# Residual to reach, relative to the right-hand side. About twenty iterations: the rectangle knows all but the rim.
TOLERANCE = {"float32": 1e-6, "float64": 1e-11}
MOST_ITERATIONS = 400


class ConjugateGradients(AbstractTransform):
    """A particle mask that is only ever solved with, never transformed.

    The rectangle's own transform solves with the mask taken away, which is exact but for the rim of the
    particles. Derivatives of `solve` are those of the solution, not of the iterations. A solve that does not
    converge is not a number everywhere.

    Notes
    -----
    ``eigenvalues`` are those of the rectangle: they bound those of the mask, and that is all they may be used for.
    """

    domain: Domain = eqx.field(static=True)
    eigenvalues: Float[np.ndarray, "*modes"]
    rectangle: Box

    def __init__(self, domain: Domain):
        self.domain = domain
        self.rectangle = Box(Domain(domain.shape, domain.spacing, domain.boundary))
        self.eigenvalues = self.rectangle.eigenvalues

    def forward(self, u):
        raise RuntimeError(_NO_TRANSFORM.format(self.domain.inside.sum()))

    def inverse(self, amplitudes):
        raise RuntimeError(_NO_TRANSFORM.format(self.domain.inside.sum()))

    def solve(self, a, b, c, u):
        inside = jnp.asarray(self.domain.inside)

        def apply(x):
            once = laplacian(x, self.domain)
            return a * x - b * once + c * laplacian(once, self.domain)

        def approximate(r):
            return jnp.where(inside, self.rectangle.solve(a, b, c, r), 0)

        def iterate(apply, u):
            return self._level(a, u, _conjugate_gradients(apply, approximate, u))

        return jax.lax.custom_linear_solve(apply, jnp.where(inside, u, 0), iterate, symmetric=True)

    def _level(self, a, u, x):
        """Give each particle the exact mean, mean(u)/a, so that it keeps its mass whatever the residual."""
        _, pixels, kept = particles(self.domain)
        x, u = x.ravel(), u.ravel()
        for places, closed in zip(pixels, kept):
            if closed:
                x = x.at[places].add(jnp.mean(u[places]) / a - jnp.mean(x[places]))
        return x.reshape(self.domain.shape)


_NO_TRANSFORM = (
    "a mask with {} pixels inside has no eigenbasis, so no exponential stepper runs on it; use `SBDF2` or "
    "`SemiImplicitEuler`, or crop to a particle of fewer pixels."
)


def _conjugate_gradients(apply, approximate, u):
    """The solution of apply(x) = u to `TOLERANCE`, from its approximation; NaN if it is not reached."""
    target = TOLERANCE[u.dtype.name] ** 2 * jnp.vdot(u, u)

    def step(state):
        i, x, r, p, rz = state
        q = apply(p)
        alpha = rz / jnp.vdot(p, q)
        x, r = x + alpha * p, r - alpha * q
        z = approximate(r)
        following = jnp.vdot(r, z)
        return i + 1, x, r, z + following / rz * p, following

    def unfinished(state):
        i, _, r, _, _ = state
        return (jnp.vdot(r, r) > target) & (i < MOST_ITERATIONS)

    x = approximate(u)
    r = u - apply(x)
    z = approximate(r)
    _, x, r, _, _ = jax.lax.while_loop(unfinished, step, (0, x, r, z, jnp.vdot(r, z)))
    return jnp.where(jnp.vdot(r, r) <= target, x, jnp.nan)

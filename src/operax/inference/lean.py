"""A posterior that leans to one side: how far it reaches above the optimum and below, along each axis.

Where laws are known to a fifth or worse the posterior of their numbers is not symmetric: a diffusivity twice too small
is missed less by the movie than one twice too large. A normal of two widths an axis follows that at the price of a few
solves.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float

from .fit import Fit, as_fitted
from .linearise import linearise
from .problem import Problem
from .settle import ACCURACY, settled

# The two widths are those at which the posterior has fallen as far as a normal has at so many standard deviations.
REACH = 2.0
# Axes narrower than this part of the prior are straight, and of the others all but so many of the widest.
STRAIGHT, AXES = 0.05, 16
# A width differs from that of the curvature by no more than this factor.
FARTHEST = 3.0


class Lean(eqx.Module):
    """Axes of a posterior and its widths to either side.

    Attributes
    ----------
    root
        Its axes, each as long as one standard deviation.
    low, high
        Widths to either side of the optimum in these lengths.
    """

    root: Float[Array, "p axis"]
    low: Float[Array, " axis"]
    high: Float[Array, " axis"]

    def bent(self, normal: Float[Array, "draw axis"]) -> Float[Array, "draw axis"]:
        """Standard normal draws made to lean: from each the number that as large a part of the posterior is below."""
        share = self.low / (self.low + self.high)
        below, above = ndtr(normal), ndtr(-normal)
        low = self.low * ndtri(jnp.minimum(below / (2 * share), 0.5))
        high = -self.high * ndtri(jnp.minimum(above / (2 * (1 - share)), 0.5))
        return jnp.where(below < share, low, high)

    def moves(self, normal: Float[Array, "draw axis"]) -> Float[Array, "draw p"]:
        """Standard normal draws as moves of the laws."""
        return self.bent(normal) @ self.root.T

    def leant(self, moves: Float[Array, "draw p"], covariance: Float[Array, "p p"]) -> Float[Array, "draw p"]:
        """Normal moves of some other covariance made to lean the same way."""
        into = jnp.linalg.inv(self.root)
        spread = jnp.sqrt(jnp.diag(into @ covariance @ into.T))
        return (self.bent(moves @ into.T / spread) * spread) @ self.root.T


def straight(root: Float[Array, "p axis"]) -> Lean:
    """A posterior that leans nowhere."""
    return Lean(root, *jnp.ones((2, root.shape[1]), root.dtype))


def lean(fit: Fit, problem: Problem | Sequence[Problem]) -> Lean:
    """How a posterior leans, start states averaged over.

    Notes
    -----
    The density at a point is that of Laplace's approximation there: start states follow to first order, a Newton step
    takes them on, and half the log determinant of their curvature is added. The root mean square of the two widths of
    an axis is no less than the curvature says: bands that followed the determinant in this too did not cover.

    References
    ----------
    J. Geweke, Econometrica 57, 1317 (1989), doi:10.2307/1913710: a normal of two widths an axis.
    """
    values, vectors = np.linalg.eigh(np.asarray(fit.normal.schur(), float))
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)
    root = vectors / np.sqrt(values)
    widths = np.ones((2, len(values)))
    axes = [axis for axis, value in enumerate(values[:AXES]) if value * STRAIGHT**2 < 1]
    if axes:
        problems = as_fitted(fit, problem)
        follow = -np.linalg.solve(np.asarray(fit.normal.starts), np.swapaxes(np.asarray(fit.normal.cross), 1, 2))

        def improbable(move):
            """Minus the log posterior of the laws, nowhere solved with longer steps than at the optimum."""
            equation = unravel(theta + jnp.asarray(move, theta.dtype))
            xi = fit.starts + jnp.asarray(follow @ move, fit.starts.dtype)
            value, plans = settled(equation, xi, problems, fit.plans, ACCURACY, coarser=False)
            if not np.isfinite(value):
                return np.inf
            normal = linearise(equation, xi, problems, plans)
            starts, slope = np.asarray(normal.starts, float), np.asarray(normal.gradient_starts, float)
            gain = 0.5 * np.sum(slope * np.linalg.solve(starts, slope[..., None])[..., 0])
            return value - gain + 0.5 * np.linalg.slogdet(starts)[1].sum()

        least = improbable(np.zeros(theta.size))
        for axis in axes:
            for side, sign in enumerate((-1, 1)):
                fallen = improbable(sign * REACH * root[:, axis]) - least
                # as wide as may be where it does not fall, as narrow where the equation cannot be solved
                width = REACH / np.sqrt(2 * fallen) if fallen > 0 else FARTHEST
                widths[side, axis] = np.clip(width, 1 / FARTHEST, FARTHEST)
    widths = widths / np.minimum(1, np.sqrt((widths**2).mean(0)))
    return Lean(*(jnp.asarray(part, theta.dtype) for part in (root, *widths)))

"""Trust-region Gauss–Newton with conjugate gradients: for fields, where unknowns are many."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .descent import ROUGH, AbstractMethod, begun, check_settings, ended, excess, judged, raised, tilted
from .linearise import linearise
from .reverse import gradient, product

# Each Newton system is solved to this relative residual; closer gains nothing in the number of steps.
RESIDUAL = 0.1
MOST_PRODUCTS = 200
# A trust radius below this part of the first moves nothing.
SHORTEST = 1e-8


class NewtonCG(AbstractMethod):
    """Gauss–Newton steps by conjugate gradients in a trust region, without any matrix.

    Parameters
    ----------
    steps
        Most steps tried, accepted and rejected ones together.
    tolerance
        Converged when the gain in log posterior that a full step promises is below this, in units of the misfit
        where the reduced χ² exceeds one.
    radius
        First trust radius in standard-normal coordinates.

    Notes
    -----
    One product costs a forward and a reverse solve, and a step takes about as many products as directions the
    movie informs. The descent needs no memory for them; the covariance at the end is the dense one of the laws.

    References
    ----------
    T. Steihaug, SIAM J. Numer. Anal. 20, 626 (1983), doi:10.1137/0720042.
    """

    steps: int = eqx.field(default=100, static=True)
    tolerance: float = eqx.field(default=5e-3, static=True)
    radius: float = eqx.field(default=10.0, static=True)

    def __check_init__(self):
        check_settings(self.steps, self.tolerance, self.radius, "radius")

    @property
    def first_reach(self):
        return self.radius

    def rough(self):
        return NewtonCG(self.steps, max(ROUGH, self.tolerance), self.radius)

    def descend(self, point, problems, watch=None, tilt=0.0, pull=None):
        if pull is not None:
            raise TypeError("`NewtonCG` holds no quantities; use `LevenbergMarquardt`.")
        _, unravel = jax.flatten_util.ravel_pytree(point.equation)

        def added(equation):
            return raised(equation, tilt)

        point = begun(point, problems, added(point.equation))

        def slope_at(point):
            laws, starts = gradient(point.equation, point.xi, problems, point.plans)
            return laws + tilt, starts

        slope = slope_at(point)
        while True:
            value, unit = point.history[-1], excess(point.history[-1], problems)

            def curved(change, at=point):
                return product(at.equation, at.xi, problems, at.plans, change)

            change, promised, inside = _steihaug(slope, curved, point.reach)
            goal = self.tolerance * unit
            small = promised if inside else np.inf
            reason = ended(point, small, goal, self.steps, point.reach < SHORTEST * self.radius)
            if reason is not None:
                return point, tilted(linearise(point.equation, point.xi, problems, point.plans), tilt), reason
            theta, _ = jax.flatten_util.ravel_pytree(point.equation)
            equation, xi = unravel(theta + change[0]), point.xi + change[1]
            point, trial, plans = judged(point, equation, xi, problems, promised, added)
            value = point.history[-1]
            if np.isfinite(trial) and trial < value:
                ratio = (value - trial) / promised
                grown = max(point.reach, 3 * _dot(change, change) ** 0.5) if ratio > 0.75 else point.reach
                point = point.moved(equation, xi, plans, point.reach / 4 if ratio < 0.25 else grown, trial)
                slope = slope_at(point)
            else:
                point = point.refused(min(point.reach, _dot(change, change) ** 0.5) / 4, trial)
            if watch is not None:
                watch(point, promised, goal)


def _dot(a, b) -> float:
    return float(sum(jnp.vdot(x, y) for x, y in zip(a, b)))


def _plus(a, factor, b):
    return tuple(x + factor * y for x, y in zip(a, b))


def _steihaug(slope, curved, radius):
    """The step, the gain its quadratic model promises, and whether it ended inside the trust region."""
    step = tuple(jnp.zeros_like(x) for x in slope)
    residual = tuple(-x for x in slope)
    direction, size = residual, _dot(slope, slope)
    target, promised = RESIDUAL**2 * size, 0.0
    for _ in range(MOST_PRODUCTS):
        if size <= target:
            break
        image = curved(direction)
        # the prior alone makes the curvature positive
        length = size / _dot(direction, image)
        if _dot(_plus(step, length, direction), _plus(step, length, direction)) ** 0.5 >= radius:
            a, b, c = _dot(direction, direction), _dot(step, direction), _dot(step, step) - radius**2
            length = (-b + (b**2 - a * c) ** 0.5) / a
            promised += length * _dot(residual, direction) - 0.5 * length**2 * _dot(direction, image)
            return _plus(step, length, direction), promised, False
        promised += 0.5 * length * size
        step, residual = _plus(step, length, direction), _plus(residual, -length, image)
        before, size = size, _dot(residual, residual)
        direction = _plus(residual, size / before, direction)
    return step, promised, True

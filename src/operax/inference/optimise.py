"""Levenberg–Marquardt descent on laws and start states together, with start states eliminated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .descent import ROUGH, AbstractMethod, begun, check_settings, ended, excess, judged, raised, tilted
from .linearise import NormalEquations, linearise

# Beyond this damping a step is too short to be told from none.
STRONGEST = 1e10


class LevenbergMarquardt(AbstractMethod):
    """Damped Gauss–Newton steps with dense normal equations: for laws of up to a few hundred numbers.

    Parameters
    ----------
    steps
        Most steps tried, accepted and rejected ones together.
    tolerance
        Converged when the gain in log posterior that a full step promises is below this; a step that gains g
        moves no law by more than √(2g) posterior standard deviations. Both are in units of the misfit where the
        reduced χ² exceeds one.
    damping
        First damping factor; it falls after good steps and grows after bad ones.

    References
    ----------
    J. J. Moré, Lecture Notes in Mathematics 630, 105 (1978), doi:10.1007/BFb0067700.
    """

    steps: int = eqx.field(default=100, static=True)
    tolerance: float = eqx.field(default=5e-3, static=True)
    damping: float = eqx.field(default=1e-2, static=True)

    def __check_init__(self):
        check_settings(self.steps, self.tolerance, self.damping, "damping")

    @property
    def first_reach(self):
        return self.damping

    def rough(self):
        return LevenbergMarquardt(self.steps, max(ROUGH, self.tolerance), self.damping)

    def descend(self, point, problems, watch=None, tilt=0.0, pull=None):
        theta, unravel = jax.flatten_util.ravel_pytree(point.equation)

        def added(equation):
            return raised(equation, tilt) + (0.0 if pull is None else 0.5 * float(jnp.sum(pull(equation) ** 2)))

        def normal_at(point):
            normal = tilted(linearise(point.equation, point.xi, problems, point.plans), tilt)
            if pull is None:
                return normal
            theta, _ = jax.flatten_util.ravel_pytree(point.equation)
            return _pulled(normal, lambda t: pull(unravel(t)), theta)

        point = begun(point, problems, added(point.equation))
        normal = normal_at(point)
        while True:
            value, promised, unit = point.history[-1], normal.promise(0.0), excess(point.history[-1], problems)
            reason = ended(point, promised, self.tolerance * unit, self.steps, point.reach > STRONGEST)
            if reason is not None:
                return point, normal, reason
            theta, _ = jax.flatten_util.ravel_pytree(point.equation)
            d_theta, d_xi = normal.newton_step(point.reach)
            equation, xi = unravel(theta + d_theta), point.xi + d_xi
            point, trial, plans = judged(point, equation, xi, problems, promised, added)
            value = point.history[-1]
            if np.isfinite(trial) and trial < value:
                ratio = (value - trial) / normal.promise(point.reach)
                damping = point.reach * (1 / 5 if ratio > 0.75 else 2 if ratio < 0.25 else 1 / 2)
                point = point.moved(equation, xi, plans, damping, trial)
                normal = normal_at(point)
            else:
                point = point.refused(8 * point.reach, trial)
            if watch is not None:
                watch(point, promised, self.tolerance * unit)


def _pulled(normal: NormalEquations, pull, theta) -> NormalEquations:
    residual, jacobian = pull(theta), jax.jacfwd(pull)(theta)
    return eqx.tree_at(
        lambda n: (n.laws, n.gradient_laws),
        normal,
        (normal.laws + jacobian.T @ jacobian, normal.gradient_laws + jacobian.T @ residual),
    )

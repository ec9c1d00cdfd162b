"""Limited-memory BFGS: for neural laws, where curvature is too dear and gradients are cheap."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .descent import ROUGH, AbstractMethod, begun, check_settings, ended, excess, judged, raised, tilted
from .linearise import linearise
from .reverse import gradient

# Steps a curvature is learnt from.
REMEMBERED = 20
# The last so many steps together must have gained less than the tolerance: one short step says nothing.
PATIENCE = 5
# A step must gain this part of what its slope promises.
SUFFICIENT = 1e-4
# Below this part of the step that the learnt curvature suggests nothing helps.
SHORTEST = 1e-8


class LBFGS(AbstractMethod):
    """Quasi-Newton steps from gradients alone.

    Parameters
    ----------
    steps
        Most steps tried, accepted and rejected ones together.
    tolerance
        Converged when the last five steps together gained, and the next promises, less log posterior than this, in
        units of the misfit where the reduced χ² exceeds one.
    first
        Length of the first step in standard-normal coordinates.

    Notes
    -----
    The promise is that of a learnt curvature, so convergence is less sure than that of the other methods.

    References
    ----------
    J. Nocedal, Math. Comput. 35, 773 (1980), doi:10.1090/S0025-5718-1980-0572855-7.
    """

    steps: int = eqx.field(default=500, static=True)
    tolerance: float = eqx.field(default=1e-3, static=True)
    first: float = eqx.field(default=0.3, static=True)

    def __check_init__(self):
        check_settings(self.steps, self.tolerance, self.first, "first")

    @property
    def first_reach(self):
        return 1.0

    def rough(self):
        return LBFGS(self.steps, max(ROUGH, self.tolerance), self.first)

    def descend(self, point, problems, watch=None, tilt=0.0, pull=None):
        if pull is not None:
            raise TypeError("`LBFGS` holds no quantities; use `LevenbergMarquardt`.")
        theta, unravel = jax.flatten_util.ravel_pytree(point.equation)

        def slope_at(equation, xi, plans):
            laws, starts = gradient(equation, xi, problems, plans)
            return np.concatenate([np.ravel(laws + tilt), np.ravel(starts)]).astype(float)

        def added(equation):
            return raised(equation, tilt)

        point = begun(point, problems, added(point.equation))
        slope = slope_at(point.equation, point.xi, point.plans)
        while True:
            value, unit = point.history[-1], excess(point.history[-1], problems)
            goal = self.tolerance * unit
            direction = -_curved(slope, point.memory, self.first)
            promised = -0.5 * float(slope @ direction)
            gained = point.history[-1 - PATIENCE] - value if len(point.history) > PATIENCE else np.inf
            reason = ended(point, max(promised, gained), goal, self.steps, point.reach < SHORTEST)
            if reason is not None:
                return point, tilted(linearise(point.equation, point.xi, problems, point.plans), tilt), reason
            change = point.reach * direction
            theta, _ = jax.flatten_util.ravel_pytree(point.equation)
            d_theta, d_xi = change[: theta.size], change[theta.size :].reshape(point.xi.shape)
            equation = unravel(theta + jnp.asarray(d_theta, theta.dtype))
            xi = point.xi + jnp.asarray(d_xi, point.xi.dtype)
            point, trial, plans = judged(point, equation, xi, problems, promised, added)
            value = point.history[-1]
            if np.isfinite(trial) and trial <= value + SUFFICIENT * float(slope @ change):
                before, slope = slope, slope_at(equation, xi, plans)
                bent = float(change @ (slope - before)) > 1e-10 * float(change @ change)
                pairs = (*point.memory, change, slope - before) if bent else point.memory
                point = point.moved(equation, xi, plans, 1.0, trial, pairs[-2 * REMEMBERED :])
            else:
                point = point.refused(point.reach / 4, trial)
            if watch is not None:
                watch(point, promised, goal)


def _curved(slope, memory, first):
    """The learnt inverse curvature times a slope, by the two loops of Nocedal."""
    pairs = list(zip(memory[::2], memory[1::2]))
    result, factors = slope.copy(), []
    for change, bend in reversed(pairs):
        factors.append(float(change @ result) / float(change @ bend))
        result -= factors[-1] * bend
    if pairs:
        change, bend = pairs[-1]
        result *= float(change @ bend) / float(bend @ bend)
    else:
        result *= first / max(float(np.linalg.norm(slope)), 1e-300)
    for (change, bend), factor in zip(pairs, reversed(factors)):
        result += (factor - float(bend @ result) / float(change @ bend)) * change
    return result

"""Profiles: how well the movies are explained with a quantity held at a value, everything else fitted."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from .descent import Point, raised
from .fit import Fit, as_fitted
from .optimise import LevenbergMarquardt
from .problem import Problem
from .settle import objective, prior_loss

# A quantity is held to within this part of its posterior width. The profile is quoted at the value reached, where
# it is exact whatever this number is.
SLACK = 0.05
MOST_QUANTITIES = 3


class Profile(eqx.Module):
    """Minus the log posterior with quantities held, relative to the optimum.

    Attributes
    ----------
    best
        Values at the optimum.
    values
        Values reached, close to those asked for.
    loss
        Minus the log posterior above the optimum's. ½ is one standard deviation of one quantity.
    misfit
        The same of the likelihood alone: flat where only the prior holds a quantity.
    results
        Why each fit stopped.
    """

    best: Float[np.ndarray, " quantity"]
    values: Float[np.ndarray, "point quantity"]
    loss: Float[np.ndarray, " point"]
    misfit: Float[np.ndarray, " point"]
    results: tuple[str, ...] = eqx.field(static=True)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the profile of one quantity stays below the threshold of ``level``; infinite at an open end.

        Raises
        ------
        ValueError
            If there are several quantities.
        """
        if self.values.shape[1] != 1:
            raise ValueError(f"an interval is that of one quantity, this profile has {self.values.shape[1]}.")
        at, loss = np.append(self.values[:, 0], self.best), np.append(self.loss, 0.0)
        order = np.argsort(at)
        # in the root of the loss a parabola is two straight lines
        x, y = at[order], np.sqrt(2 * np.maximum(loss[order], 0)) - scipy.stats.chi2.ppf(level, 1) ** 0.5
        inside = np.flatnonzero(y < 0)

        def crossing(i, j):
            return float(x[i] + (x[j] - x[i]) * y[i] / (y[i] - y[j]))

        low, high = inside[0], inside[-1]
        return (
            crossing(low, low - 1) if low > 0 else -np.inf,
            crossing(high, high + 1) if high < len(x) - 1 else np.inf,
        )


def profile(
    fit: Fit,
    problem: Problem | Sequence[Problem],
    quantity: Callable[[AbstractEquation], Array],
    values: Float[Array, "point *quantity"],
    *,
    method: LevenbergMarquardt | None = None,
) -> Profile:
    """Fit everything else with one to three quantities held at each of ``values``.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.
    quantity
        Function of the equation: one number, or two or three.
    values
        Values to hold, shape (point,) for one quantity, (point, quantity) for several. Points are done in order
        of their distance from the optimum, each from the nearest one done.
    method
        How to go down.

    Raises
    ------
    ValueError
        If shapes do not agree, or the quantity does not depend on the unknown numbers.

    Notes
    -----
    Exact where the posterior is not Gaussian; `laplace` is not. Costs a few steps of a fit for every point.

    References
    ----------
    A. Raue et al., Bioinformatics 25, 1923 (2009), doi:10.1093/bioinformatics/btp358.
    """
    problems, method = as_fitted(fit, problem), method or LevenbergMarquardt()
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)

    def vector(equation):
        return jnp.atleast_1d(quantity(equation))

    centre = np.asarray(vector(fit.equation), float)
    wanted = np.asarray(values, float)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    if centre.ndim != 1 or centre.size > MOST_QUANTITIES or wanted.ndim != 2 or wanted.shape[1] != centre.size:
        raise ValueError(
            f"`quantity` must give one to {MOST_QUANTITIES} numbers and `values` a row of as many for each point, got "
            f"shapes {centre.shape} and {wanted.shape}."
        )
    slope = np.asarray(jax.jacfwd(lambda t: vector(unravel(t)))(theta), float)
    width = np.sqrt(np.einsum("qi,ij,qj->q", slope, np.linalg.inv(np.asarray(fit.normal.schur(), float)), slope))
    if not (width > 0).all():
        raise ValueError("`quantity` does not depend on the unknown numbers of the equation.")
    done = [(centre, Point(fit.equation, fit.starts, fit.plans, method.first_reach), 0.0, 0.0, "")]
    tilt, best = fit.averaging.tilt, -float(fit.log_density)
    base = best + raised(fit.equation, tilt), best - prior_loss(fit.equation, fit.starts)
    order = np.argsort(np.sum(((wanted - centre) / width) ** 2, 1))
    found = {}
    for i in order:
        near = min(done, key=lambda row: float(np.sum(((row[0] - wanted[i]) / width) ** 2)))[1]
        target = jnp.asarray(wanted[i])

        def pull(equation, target=target):
            return (vector(equation) - target) / (SLACK * width)

        point, _, result = method.descend(near.afresh(method.first_reach), problems, tilt=tilt, pull=pull)
        value = objective(point.equation, point.xi, problems, point.plans)
        total, likely = value + raised(point.equation, tilt), value - prior_loss(point.equation, point.xi)
        reached = np.asarray(vector(point.equation), float)
        done.append((reached, point, total - base[0], likely - base[1], result))
        found[int(i)] = done[-1]
    rows = [found[i] for i in range(len(wanted))]
    return Profile(
        centre,
        np.stack([row[0] for row in rows]),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
        tuple(row[4] for row in rows),
    )

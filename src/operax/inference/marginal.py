"""Start states averaged over: how widely they spread is learnt with the laws, and the laws answer to all of them.

The most probable laws *and* start states together are not the most probable laws: where laws change how well the
movie fixes its start, half the log determinant of the start curvature stands between the two. That term is right only
under a prior as wide as start states really spread, and that is learnt first, shell by shell in wavenumber. How well it
could be learnt is doubt about the laws too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Array, Float, Key

from ..physics.equations import AbstractEquation
from .descent import Point
from .linearise import NormalEquations, linearise
from .problem import Problem

# Modes are taken in so many shells of neighbouring wavenumbers, of no fewer modes than this.
SHELLS, FEWEST = 16, 2
# The logarithm of what a shell spreads differs from that of its neighbour by so much, and the first from what was
# supposed.
STEPWISE, SUPPOSED, FARTHEST = 0.7, 1.5, 4.0
# A mode whose square is this part mean is the level, which the movie fixes by itself.
LEVEL = 0.9
# The determinant's slope is taken over this part of a posterior standard deviation. It changes by 0.03 to 0.15 from
# one standard deviation to the next, so a difference to one side is off by a hundredth.
STEP = 0.2
# Directions it is measured along, the widest first, and the most it may pull there, in standard deviations.
DIRECTIONS, STRONGEST = 16, 2.0
# Logarithms of spreads are moved by this much to see how well the evidence fixes them.
NUDGE = 1e-4


class Averaging(eqx.Module):
    """What it takes for the laws to answer to all start states a movie allows.

    Attributes
    ----------
    spreads
        Prior standard deviations of the start modes of each movie, in units of what `PreRoll` supposed.
    tilt
        Slope of half the log determinant of the start curvature along the laws.
    doubt
        Covariance of the laws from not knowing the spreads better, which the curvature does not hold.
    """

    spreads: tuple[Float[np.ndarray, " mode"], ...]
    tilt: Float[Array, " p"]
    doubt: Float[Array, "p p"]

    def of(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """The problems with start states as widely spread as was learnt.

        Raises
        ------
        ValueError
            If they have other start modes.
        """
        expected, got = [len(s) for s in self.spreads], [len(p.starts.modes) for p in problems]
        if expected != got:
            raise ValueError(
                f"the problem has {got} start modes and that of the fit had {expected}: give the problem it was "
                "fitted to, or fit again."
            )
        return tuple(_spread_out(p, s) for p, s in zip(problems, self.spreads))

    def rows(self, problems: tuple[Problem, ...], most: int) -> Float[np.ndarray, "window mode"]:
        """Spreads of every window, filled up with ones."""
        rows = [np.pad(s, (0, most - len(s)), constant_values=1.0) for s in self.spreads]
        return np.repeat(rows, [len(p.windows) for p in problems], axis=0)


def supposed(equation: AbstractEquation, problems: tuple[Problem, ...]) -> Averaging:
    """Before anything is learnt."""
    theta, _ = jax.flatten_util.ravel_pytree(equation)
    spreads = tuple(np.ones(len(p.starts.modes)) for p in problems)
    return Averaging(spreads, jnp.zeros_like(theta), jnp.zeros((theta.size, theta.size), theta.dtype))


def _spread_out(problem: Problem, spread: Float[np.ndarray, " mode"]) -> Problem:
    modes = problem.starts.modes
    wider = modes * jnp.asarray(spread, modes.dtype).reshape(-1, *(1,) * (modes.ndim - 1))
    return eqx.tree_at(lambda p: p.starts.modes, problem, wider)


def relearnt(
    point: Point, normal: NormalEquations, problems: tuple[Problem, ...], old: Averaging
) -> tuple[Point, NormalEquations, Averaging]:
    """The same laws and states, and their normal equations, under spreads that were learnt from them."""
    spreads = _learnt(normal, point.xi, problems, old.spreads)
    new = Averaging(spreads, old.tilt, old.doubt)
    most = point.xi.shape[1]
    normal, xi = _rescaled(normal, point.xi, new.rows(problems, most) / old.rows(problems, most))
    return eqx.tree_at(lambda p: p.xi, point, xi), normal, new


def _learnt(normal: NormalEquations, xi: Float[Array, "window mode"], problems, spreads):
    """Spreads under which the movies are most probable, start states averaged over and laws held.

    Neighbouring shells are tied, so that those the movie says nothing of follow those it does.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press (2006), section 5.4.
    """
    found = []
    for window, problem, old in _of_each(problems, spreads):
        sharing = _sharing(problem)
        if not sharing.size:
            found.append(old)
            continue
        first = _logs(old, sharing)
        improbable = _improbable(normal, xi, window, old, sharing)
        bounds = [(-FARTHEST, FARTHEST)] * len(first)
        best = scipy.optimize.minimize(improbable, first, jac=True, method="L-BFGS-B", bounds=bounds).x
        found.append(np.exp(sharing @ best))
    return tuple(found)


def doubted(
    xi: Float[Array, "window mode"], normal: NormalEquations, problems: tuple[Problem, ...], old: Averaging
) -> Averaging:
    """The same with what not knowing the spreads better means for the laws.

    Notes
    -----
    To first order: the laws' answer to wider and narrower shells, times how well the evidence fixes these with the laws
    following.
    """
    curvatures, answers = [], []
    for window, problem, spread in _of_each(problems, old.spreads):
        sharing = _sharing(problem)
        if not sharing.size:
            continue
        logs = _logs(spread, sharing)
        improbable = _improbable(normal, xi, window, spread, sharing)
        shifts = NUDGE * np.eye(len(logs))
        curvature = np.array([improbable(logs + s)[1] - improbable(logs - s)[1] for s in shifts]) / (2 * NUDGE)
        curvatures.append((curvature + curvature.T) / 2)
        answers.append(answer(xi, normal, window, sharing))
    if not curvatures:
        return old
    along = np.concatenate(answers, 1)
    # what the laws can make up for the movie says less of
    values, vectors = np.linalg.eigh(scipy.linalg.block_diag(*curvatures) - along.T @ normal.schur() @ along)
    moved = along @ vectors / np.sqrt(np.maximum(values, FARTHEST**-2))
    return Averaging(old.spreads, old.tilt, jnp.asarray(moved @ moved.T, old.tilt.dtype))


def answer(
    xi: Float[Array, "window mode"], normal: NormalEquations, window: slice, sharing: Float[np.ndarray, "own shell"]
) -> Float[np.ndarray, "p shell"]:
    """How laws move with the logarithm of what each shell of a movie spreads."""
    own = len(sharing)
    starts, cross = (
        np.asarray(normal.starts[window, :own, :own], float),
        np.asarray(normal.cross[window, :, :own], float),
    )
    # a wider shell weakens the prior's pull on its modes: these follow the movie, and laws follow them
    freed = np.linalg.solve(starts, 2 * np.asarray(xi[window, :own], float)[..., None] * sharing)
    return -np.linalg.solve(normal.schur(), np.einsum("wpm,wmk->pk", cross, freed))


def _of_each(problems, spreads):
    """The windows of every movie, the movie, and its spreads."""
    ends = np.cumsum([len(p.windows) for p in problems])
    return [(slice(end - len(p.windows), end), p, spread) for end, p, spread in zip(ends, problems, spreads)]


def _logs(spread, sharing):
    return np.log(spread[sharing.argmax(0)])


def _improbable(normal: NormalEquations, xi, window: slice, old, sharing):
    """Minus the log evidence for the logarithms of what shells spread, laws held, and its slope."""
    modes = len(old)
    coordinates = np.asarray(xi[window, :modes], float) * old
    curvature = (np.asarray(normal.starts[window, :modes, :modes], float) - np.eye(modes)) / old[:, None] / old
    pull = np.einsum("wmn,wn->wm", curvature, coordinates) + coordinates / old**2

    def improbable(logs):
        precision = np.exp(-2 * sharing @ logs)
        whole = curvature + np.diag(precision)
        inverse = np.linalg.inv(whole)
        mean = np.einsum("wmn,wn->wm", inverse, pull)
        value = 0.5 * np.linalg.slogdet(whole)[1].sum() - 0.5 * np.sum(mean * pull)
        value -= 0.5 * len(pull) * np.log(precision).sum()
        square = (mean**2 + np.einsum("wmm->wm", inverse)) * precision
        steps = np.diff(logs) / STEPWISE
        value += 0.5 * np.sum(steps**2) + 0.5 * (logs[0] / SUPPOSED) ** 2
        slope = sharing.T @ (1 - square).sum(0) - np.diff(steps, prepend=0, append=0) / STEPWISE
        slope[0] += logs[0] / SUPPOSED**2
        return value, slope

    return improbable


def _sharing(problem: Problem) -> Float[np.ndarray, "mode shell"]:
    """One where a mode is of a shell, whose modes share a spread. Modes come by wavenumber; the level is of none."""
    modes = np.asarray(problem.starts.modes, float)[:, problem.data.domain.inside]
    numbers = np.flatnonzero(modes.mean(1) ** 2 <= LEVEL * (modes**2).mean(1)) if len(modes) else np.arange(0)
    count = min(len(numbers), max(1, min(SHELLS, len(numbers) // FEWEST)))
    sharing = np.zeros((len(modes), count))
    for number, shell in enumerate(np.array_split(numbers, count) if count else []):
        sharing[shell, number] = 1
    return sharing


def _rescaled(normal, xi, factors):
    """Normal equations and start coordinates of the same states when the prior is wider by ``factors``."""
    f = jnp.asarray(factors, xi.dtype)
    unit = jnp.eye(xi.shape[1], dtype=xi.dtype)
    curvature = (normal.starts - unit) * f[:, :, None] * f[:, None, :] + unit
    gradient = (normal.gradient_starts - xi) * f + xi / f
    scaled = NormalEquations(normal.laws, normal.cross * f[:, None, :], curvature, normal.gradient_laws, gradient)
    return scaled, xi / f


def determinant_slope(point: Point, normal: NormalEquations, problems: tuple[Problem, ...]) -> Float[Array, " p"]:
    """Slope of half the log determinant of the start curvature along the laws, start states following.

    Notes
    -----
    Differences along the widest directions of the posterior; others are too narrow for it to move anything.

    References
    ----------
    L. Tierney and J. B. Kadane, J. Am. Stat. Assoc. 81, 82 (1986), doi:10.1080/01621459.1986.10478240.
    """
    theta, unravel = jax.flatten_util.ravel_pytree(point.equation)
    values, vectors = np.linalg.eigh(np.asarray(normal.schur(), float))
    follow = jnp.linalg.solve(normal.starts, jnp.swapaxes(normal.cross, 1, 2))

    def determinant(starts):
        return 0.5 * np.linalg.slogdet(np.asarray(starts, float))[1].sum() if jnp.isfinite(starts).all() else np.nan

    here, total = determinant(normal.starts), np.zeros(theta.size)
    for value, vector in list(zip(values, vectors.T))[:DIRECTIONS]:
        move = jnp.asarray(STEP * vector / value**0.5, theta.dtype)
        xi = point.xi - jnp.einsum("wmp,p->wm", follow, move)
        pull = (determinant(linearise(unravel(theta + move), xi, problems, point.plans).starts) - here) / STEP
        # where the equation cannot be solved that near by nothing is known
        total += np.clip(np.nan_to_num(pull), -STRONGEST, STRONGEST) * value**0.5 * vector
    return jnp.asarray(total, theta.dtype)


def widened(draws: Float[Array, "draw p"], averaging: Averaging, keys: Key[Array, " draw"]) -> Float[Array, "draw p"]:
    """Draws of the laws that were made with spreads held, with the doubt about these added to each by its own key."""
    values, vectors = np.linalg.eigh(np.asarray(averaging.doubt, float))
    root = jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), draws.dtype)
    return draws + jax.vmap(lambda key: jax.random.normal(key, draws.shape[1:], draws.dtype))(keys) @ root.T


def distance(normal: NormalEquations) -> float:
    """How far a full step moves the laws, in posterior standard deviations."""
    move = normal.newton_step(0.0)[0]
    return float(move @ normal.schur() @ move) ** 0.5

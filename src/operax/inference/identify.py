"""What a movie has told about the unknown numbers, and what it cannot tell, in words."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics import AllenCahn, CahnHilliard, gauge_directions
from ..physics.equations import AbstractEquation
from ..physics.laws import derivative
from .fit import Fit, fitted
from .problem import Problem, together

# A combination of numbers counts as known if the movie made it at least this much narrower than its prior.
KNOWN = 0.5
# Laws are named together in a direction from this share of it on.
PART = 0.1
# Two factors are known "only as their product" if each is this many times wider than it.
ONLY_TOGETHER = 3.0
# Compositions are visited where this part of the pixels and frames lies on either side.
RARE = 0.005

Quantity = Callable[[AbstractEquation, Array], Array]


def invariants(equation: AbstractEquation) -> dict[str, Quantity]:
    """Products of the laws that keep their value where the laws themselves can be scaled against each other.

    Each is a function of equation and composition. Empty for equations without such a freedom.
    """
    if isinstance(equation, CahnHilliard):
        return {"M μ′": lambda e, c: e.diffusivity(c), "M κ": lambda e, c: e.mobility(c) * e.kappa(c)}
    if isinstance(equation, AllenCahn):
        return {
            "R μ′": lambda e, c: e.prefactor(c) * derivative(e.potential, c),
            "R κ": lambda e, c: e.prefactor(c) * e.kappa(c),
        }
    return {}


def factors(equation: AbstractEquation) -> dict[str, Quantity]:
    """Laws that appear only in products, by the names that `invariants` uses for them."""
    if isinstance(equation, CahnHilliard):
        return {"M": lambda e, c: e.mobility(c), "κ": lambda e, c: e.kappa(c)}
    if isinstance(equation, AllenCahn):
        return {"R": lambda e, c: e.prefactor(c), "κ": lambda e, c: e.kappa(c)}
    return {}


class Identified(eqx.Module):
    """What the movies informed. Printing it gives the sentences.

    Attributes
    ----------
    widths
        Posterior over prior width along each direction, narrowest first: 1 is a direction only the prior holds.
    directions
        Combinations of the unknown numbers, orthonormal rows, in the order of ``widths``.
    numbers
        Where each unknown number stands in the equation.
    visited
        Lowest and highest composition the fitted movies visited.
    sentences
        What can and cannot be told.
    """

    widths: Float[np.ndarray, " p"]
    directions: Float[np.ndarray, "p p"]
    numbers: tuple[str, ...] = eqx.field(static=True)
    visited: tuple[float, float] = eqx.field(static=True)
    sentences: tuple[str, ...] = eqx.field(static=True)

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def identify(fit: Fit, problem: Problem | Sequence[Problem]) -> Identified:
    """Say which combinations of the unknown numbers the movies informed, and which the prior alone holds.

    The Fisher information of the laws, start states marginalised, is compared with the prior, which is the unit
    matrix in these coordinates.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.

    Notes
    -----
    A local answer, at the optimum: two separate optima are seen by multistart or sampling only.
    """
    problems = together(problem)
    curvature, directions = np.linalg.eigh(np.asarray(fit.normal.schur(), float))
    order = np.argsort(-curvature)
    widths, directions = curvature[order] ** -0.5, directions[:, order].T
    numbers = unknowns(fit.equation)
    frames = [np.asarray(fitted(fit, problems, movie=i).frames)[:, p.data.domain.inside].ravel()
              for i, p in enumerate(problems)]  # fmt: skip
    low, high = np.quantile(np.concatenate(frames), [RARE, 1 - RARE])
    said = [_counted(widths)]
    said += [_held(width, row, numbers) for width, row in zip(widths, directions) if width > KNOWN]
    unseen = len(gauge_directions(fit.equation))
    if unseen:
        said.append(
            f"{unseen} of these directions {'is' if unseen == 1 else 'are'} a gauge: no movie of this equation can "
            "show it, however long or clean. Fix one law in absolute terms, or quote products only."
        )
    said += _together(fit, 0.5 * (low + high))
    said += _visited(float(low), float(high))
    return Identified(widths, directions, numbers, (float(low), float(high)), tuple(said))


def unknowns(equation: AbstractEquation) -> tuple[str, ...]:
    """Where each unknown number stands in an equation, e.g. ``potential.omega``, as ``ravel_pytree`` orders them."""
    names = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(equation):
        name = jax.tree_util.keystr(path).lstrip(".").removesuffix(".coordinate").removesuffix(".coordinates")
        names += [name] if np.ndim(leaf) == 0 else [f"{name}[{i}]" for i in range(np.size(leaf))]
    return tuple(names)


def _counted(widths) -> str:
    known = int((widths <= KNOWN).sum())
    if known == len(widths):
        return f"The movie informs all {known} combinations of the unknown numbers, to {widths.max():.2g} of the prior."
    return (
        f"The movie informs {known} of {len(widths)} combinations of the unknown numbers; "
        f"{'the other is' if len(widths) - known == 1 else 'the others are'} held by the prior."
    )


def _held(width, row, numbers) -> str:
    laws = [name.split(".")[0].split("[")[0] for name in numbers]
    shares = {law: float(sum(x**2 for x, name in zip(row, laws) if name == law)) for law in dict.fromkeys(laws)}
    joined = [law for law, share in shares.items() if share >= PART]
    largest = sorted(zip(row, numbers), key=lambda pair: -abs(pair[0]))[:4]
    combination = " ".join(f"{x:+.2f} {name}" for x, name in largest if abs(x) > PART)
    if len(joined) > 1:
        names = f"{', '.join(joined[:-1])} and {joined[-1]}"
        return f"{names} are known only together: {combination} keeps {100 * width:.0f} % of its prior width."
    return f"Of {joined[0]} the combination {combination} keeps {100 * width:.0f} % of its prior width."


def relative_widths(fit: Fit, quantities: dict[str, Quantity], c: float) -> dict[str, float]:
    """Posterior standard deviation of the logarithm of each quantity at one composition, by linear propagation."""
    theta, unravel = jax.flatten_util.ravel_pytree(fit.equation)
    covariance = np.linalg.inv(np.asarray(fit.normal.schur(), float))
    at = jnp.asarray(c, theta.dtype)
    found = {}
    for name, quantity in quantities.items():
        value, slope = jax.jit(jax.value_and_grad(lambda t, q=quantity: q(unravel(t), at).sum()))(theta)
        slope = np.asarray(slope, float) / float(value)
        found[name] = float(np.sqrt(slope @ covariance @ slope))
    return found


def _together(fit: Fit, c: float) -> list[str]:
    alone = relative_widths(fit, factors(fit.equation), c)
    products = relative_widths(fit, {k: v for k, v in invariants(fit.equation).items() if "κ" in k}, c)
    said = []
    for name, width in products.items():
        parts = name.split()
        if all(alone[part] > ONLY_TOGETHER * width for part in parts):
            each = ", ".join(f"{part} {100 * alone[part]:.2g} %" for part in parts)
            said.append(
                f"{parts[1]} and {parts[0]} only as a product: {name} to {100 * width:.2g} %, {each} at c = {c:.2g}."
            )
    return said


def _visited(low: float, high: float) -> list[str]:
    """Where between 0 and 1 the movie never went; of quantities that are no fractions, only the range."""
    if low < -0.05 or high > 1.05:
        return [f"Values outside of {low:.3g} to {high:.3g} were never visited: laws there are the prior's."]
    sides = [f"below {low:.2g}"] * (low > 0.02) + [f"above {high:.2g}"] * (high < 0.98)
    return [f"c {' and '.join(sides)} was never visited: laws there are the prior's."] if sides else []

"""How probable a movie is under an equation and its prior, and which of several equations explains it best."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from .descent import AbstractMethod
from .fit import Fit, as_fitted, fit, refit
from .problem import Problem, split, together
from .settle import solved, squares

# Differences of log evidence below this, odds below 20 to 1, decide nothing.
DECISIVE = 3.0
# Reduced χ² on unseen frames beyond which even the best equation explains the movie badly: noise is seldom known
# to better than a fifth.
EXPLAINED = 1.2


def evidence(fit: Fit, problem: Problem | Sequence[Problem]) -> Float[Array, ""]:
    """Log marginal likelihood of the movies by Laplace's approximation, laws and start states marginalised.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.

    Raises
    ------
    RuntimeError
        If the curvature at the optimum is not positive.

    Notes
    -----
    Exact for a linear problem with Gaussian noise. Compare it only between fits of the same problem. It counts
    the prior: widening the prior of a number the movie does not inform costs nothing, of one it does inform the
    logarithm of the factor. That makes it a judge of prior scales too: fit with several, keep the largest.

    References
    ----------
    D. J. C. MacKay, Neural Comput. 4, 415 (1992), doi:10.1162/neco.1992.4.3.415.
    """
    constant = 0.0
    for problem_ in as_fitted(fit, problem):
        _, factor, variance = problem_.targets()
        constant += float(jnp.sum(jax.vmap(jax.vmap(problem_.likelihood.normalisation))(factor, variance)))
    determinant = 0.0
    for block in (*np.asarray(fit.normal.starts, float), np.asarray(fit.normal.schur(), float)):
        sign, logarithm = np.linalg.slogdet(block)
        if sign <= 0:
            raise RuntimeError(
                f"the curvature at the optimum is not positive; the fit has not converged ({fit.result})."
            )
        determinant += logarithm
    return fit.log_density - constant - 0.5 * determinant


class Comparison(eqx.Module):
    """Candidate equations, each judged by the same movies. Printing it gives the table and the verdict.

    Attributes
    ----------
    names, fits
        The candidates and their fits to the whole movie.
    evidence
        Log marginal likelihood of each.
    unseen
        Reduced χ² on the last frames of the movie, predicted by a fit that has not seen them.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    fits: tuple[Fit, ...]
    evidence: Float[np.ndarray, " candidate"]
    unseen: Float[np.ndarray, " candidate"]

    @property
    def probabilities(self) -> Float[np.ndarray, " candidate"]:
        """Posterior probability of each, if all were equally probable before."""
        odds = np.exp(self.evidence - self.evidence.max())
        return odds / odds.sum()

    @property
    def verdict(self) -> str:
        """The finding in words."""
        order = np.argsort(-self.evidence)
        best = self.names[order[0]]
        rivals = [self.names[i] for i in order[1:] if self.evidence[order[0]] - self.evidence[i] < DECISIVE]
        if rivals:
            near = self.evidence[order[0]] - self.evidence[order[len(rivals)]]
            said = (
                f"cannot tell {best} from {' and '.join(rivals)}: their log evidence differs by {near:.1f}, "
                f"{DECISIVE:g} would be odds of {np.exp(DECISIVE):.0f} to 1"
            )
        elif len(order) == 1:
            said = f"{best} was the only candidate"
        else:
            said = f"{best}: its log evidence is {self.evidence[order[0]] - self.evidence[order[1]]:.1f} above the next"
        if self.unseen[order[0]] > EXPLAINED:
            said += (
                f"; but even it predicts unseen frames with residuals {self.unseen[order[0]] ** 0.5:.2g} times the "
                "noise, so none of them may be true"
            )
        if self.unseen.min() < self.unseen[order[0]] / EXPLAINED:
            said += f"; {self.names[int(np.argmin(self.unseen))]} predicts unseen frames better, so do not rely on it"
        return said

    def __str__(self) -> str:
        width = max(map(len, (*self.names, "equation")))
        lines = [f"{'equation':<{width}}  log evidence  probability  χ² seen  χ² unseen  result"]
        for i in np.argsort(-self.evidence):
            best = self.fits[i]
            lines.append(
                f"{self.names[i]:<{width}}  {self.evidence[i]:12.1f}  {self.probabilities[i]:11.3f}  "
                f"{float(best.chi2):7.3f}  {self.unseen[i]:9.3f}  {best.result.split(':')[0]}"
            )
        return "\n".join([*lines, self.verdict])


def compare(
    equations: Mapping[str, AbstractEquation],
    problem: Problem | Sequence[Problem],
    *,
    unseen: float = 1 / 3,
    method: AbstractMethod | None = None,
) -> Comparison:
    """Fit several equations to the same movies and judge them by evidence and by frames they have not seen.

    Parameters
    ----------
    equations
        Candidates by name: other physics, other laws, or the same laws with other prior scales.
    problem
        What judges.
    unseen
        Last part of every window that the second fit does not see and has to predict.
    method
        How to go down.

    Raises
    ------
    ValueError
        If there is no candidate, or ``unseen`` leaves nothing to fit or to predict.
    RuntimeError
        If a candidate cannot be solved from its starting point.
    """
    problems = together(problem)
    if not equations:
        raise ValueError("`equations` is empty; name at least one candidate.")
    first, last = zip(*(_divided(p, unseen) for p in problems))
    if min(p.scored for p in (*first, *last)) == 0:
        raise ValueError(
            f"`unseen` must leave frames to fit and frames to predict in every movie, got {unseen:g} of windows of "
            f"{[len(w) for p in problems for w in p.windows]} frames."
        )
    fits = [fit(equation, problems, method=method) for equation in equations.values()]
    predicted = [_unseen_chi2(refit(best, first, method=method), last) for best in fits]
    return Comparison(
        tuple(equations), tuple(fits), np.array([float(evidence(best, problems)) for best in fits]), np.array(predicted)
    )


def _divided(problem: Problem, unseen: float) -> tuple[Problem, Problem]:
    """The problem judged by the first frames of every window only, and by the last only."""
    mask = np.zeros((len(problem.data), *(1,) * problem.data.domain.ndim))
    for window in problem.windows:
        mask[list(window[: round((1 - unseen) * len(window))])] = 1
    seen = jnp.asarray(mask, problem.factor.dtype)
    return tuple(eqx.tree_at(lambda p: p.factor, problem, problem.factor * part) for part in (seen, 1 - seen))


def _unseen_chi2(best: Fit, last: tuple[Problem, ...]) -> float:
    total = 0.0
    last = as_fitted(best, last)
    for problem, own, plan in zip(last, split(best.starts, last), best.plans):
        total += float(squares(problem, solved(best.equation, own, problem, plan)[2]))
    return total / sum(problem.scored for problem in last)

"""Whether the start of a movie had modes enough."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..physics.transforms import smooth_modes
from .descent import tilted
from .fit import Fit, as_fitted
from .linearise import linearise
from .problem import Problem, split, together

# Laws that would move by less than this many posterior standard deviations are called settled.
SETTLED = 0.5

NO_MODES = "start modes are checked where start states are a `PreRoll` with modes to spare; these are not."


class StartsChecked(eqx.Module):
    """Whether more start modes would change the laws. Printing it gives the finding.

    Attributes
    ----------
    added
        Modes added to every window.
    shift
        How far each unknown number would move, in posterior standard deviations.
    """

    added: int = eqx.field(static=True)
    shift: Float[np.ndarray, " p"]

    @property
    def passed(self) -> bool:
        """Whether the start modes are enough."""
        return bool(np.abs(self.shift).max() < SETTLED)

    def __str__(self) -> str:
        far = np.abs(self.shift).max()
        said = f"with {self.added} more start modes the laws would move by {far:.2g} standard deviations"
        return f"{said} at most" + ("" if self.passed else ": take a larger `PreRoll(cutoff=...)`")


def check_starts(fit: Fit, problem: Problem | Sequence[Problem]) -> StartsChecked:
    """Foretell how the laws would move if the start states had more modes, without a new fit.

    Too few modes give a wrong law under a perfect χ². One Newton step in twice as many modes, those added with the
    typical prior of the others, tells.

    Parameters
    ----------
    fit, problem
        A converged fit with `PreRoll` starts and what it was fitted to.

    Raises
    ------
    ValueError
        If start states are given, or every mode of the domain is in use.
    """
    if min(p.starts.lead for p in together(problem)) == 0:
        raise ValueError(NO_MODES)
    problems = as_fitted(fit, problem)
    larger = tuple(map(_enlarged, problems))
    before, after = (max(p.starts.modes.shape[0] for p in some) for some in (problems, larger))
    if after == before:
        raise ValueError(NO_MODES)
    parts = [jnp.pad(own, ((0, 0), (0, after - own.shape[1]))) for own in split(fit.starts, problems)]
    normal = linearise(fit.equation, jnp.concatenate(parts), larger, fit.plans)
    # what is left of the old descent is not the modes' doing
    shift = np.asarray(tilted(normal, fit.averaging.tilt).newton_step(0.0)[0] - fit.normal.newton_step(0.0)[0], float)
    return StartsChecked(after - before, shift / np.sqrt(np.diag(np.linalg.inv(np.asarray(normal.schur(), float)))))


def _enlarged(problem: Problem) -> Problem:
    """The problem with about twice the modes in its start states."""
    domain, old = problem.data.domain, np.asarray(problem.starts.modes, float)
    inside = domain.inside
    size = np.sqrt((old[:, inside] ** 2).mean(1))
    basis = np.linalg.qr(old[:, inside].T)[0]
    largest, shortest = np.pi / max(h * n for h, n in zip(domain.spacing, domain.shape)), np.pi / min(domain.spacing)
    new = np.zeros((0, inside.sum()))
    while len(new) < len(old) and largest < 2 * domain.ndim * shortest:
        largest *= 1.2
        flat = smooth_modes(domain, largest)[0][:, inside]
        left = flat - (flat @ basis) @ basis.T
        new = left[(left**2).mean(1) > 0.5][: len(old)]
    added = np.zeros((len(new), *domain.shape))
    added[:, inside] = new * np.median(size)
    modes = jnp.concatenate([problem.starts.modes, jnp.asarray(added, problem.starts.modes.dtype)])
    guess = jnp.pad(problem.starts.guess, ((0, 0), (0, len(new))))
    return eqx.tree_at(lambda p: (p.starts.modes, p.starts.guess), problem, (modes, guess))

"""Whether a fit may be believed: is anything smooth left in the residual, and were there start modes enough?"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Float

from ..physics.transforms import smooth_modes
from .descent import tilted
from .fit import Fit, as_fitted
from .linearise import linearise, predict
from .problem import Problem, split, together
from .settle import solved

# Wrong physics leaves smooth residuals: they are looked for in so many of the smoothest modes, and in at most
# this part of all.
SMOOTH, PART = 60, 0.25
# A residual this improbable is called so.
IMPROBABLE = 1e-3
# Laws that would move by less than this many posterior standard deviations are called settled.
SETTLED = 0.5


class Explained(eqx.Module):
    """What is left in the residual of a fit. Printing it gives the finding.

    Attributes
    ----------
    ratio
        Mean square of the residual in smooth modes over that in all others: one for an equation that explains
        the movie, whatever the noise level.
    pvalue
        Probability of so large a ratio by chance.
    by_frame
        The same ratio for every frame, movies one after the other.
    wavelength
        Wavelength of the mode with most left in it, in units of length.
    """

    ratio: float
    pvalue: float
    by_frame: Float[np.ndarray, " frame"]
    wavelength: float

    @property
    def passed(self) -> bool:
        """Whether the equation explains the movies as far as this test sees."""
        return self.pvalue > IMPROBABLE

    def __str__(self) -> str:
        if self.passed:
            return f"nothing smooth is left in the residual (ratio {self.ratio:.2f}, p = {self.pvalue:.2g})"
        worst = int(np.argmax(self.by_frame))
        where = f"at a wavelength of {self.wavelength:.3g}" if np.isfinite(self.wavelength) else "in the mean"
        chance = f"p = {self.pvalue:.1g}" if self.pvalue > 0 else "p < 1e-300"
        return (
            f"the equation misses something: smooth residuals are {self.ratio:.2g} times what noise leaves "
            f"({chance}), most {where} and in frame {worst} of those reached; the bands do not cover that"
        )


def explained(fit: Fit, problem: Problem | Sequence[Problem]) -> Explained:
    """Test the residual of a fit for what wrong physics leaves in it: smooth, lasting differences.

    Residuals in units of the noise are projected on the smoothest modes of the domain; their mean square is
    compared with that of the rest (an F test), less the numbers that were fitted to either. A noise level that is off
    does not matter.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.

    Notes
    -----
    Takes whitened residuals for independent: correlated noise must be given as `Correlated`, or it passes for
    wrong physics. Blind to what start states and laws could absorb.
    """
    problems = as_fitted(fit, problem)
    smooth, rest, values, kept, absorbed, first = 0.0, 0.0, 0, 0, 0.0, 0
    frames, modes_power, waves = [], [], []
    for problem_, own, plan in zip(problems, split(fit.starts, problems), fit.plans):
        z = _residuals(fit, problem_, own, plan)
        modes, k = _smooth(problem_)
        scored = z != 0
        amplitude = (z @ modes.T) / np.sqrt(np.maximum(scored @ (modes**2).T, 1e-12))
        amplitude[~scored.any(1)] = 0
        power = amplitude**2
        judged = scored.any(1)
        smooth, kept = smooth + power.sum(), kept + int(judged.sum()) * len(k)
        rest, values = rest + (z**2).sum(), values + int(scored.sum())
        absorbed += _absorbed(fit, problem_, own, plan, slice(first, first := first + len(own)), modes)
        frames.append(power.mean(1)[judged])
        modes_power.append(power[judged].sum(0) / max(1, judged.sum()))
        waves.append(k)
    if rest == 0:  # a movie that never changes is predicted exactly
        return Explained(0.0, 1.0, np.zeros(sum(len(p.data) for p in problems)), np.inf)
    free = max(kept - absorbed, 1.0)
    others = max(values - kept - (fit.normal.informed() - absorbed), 1.0)
    noise = (rest - smooth) / others
    ratio = smooth / free / noise
    k = np.concatenate(waves)[int(np.argmax(np.concatenate(modes_power)))]
    return Explained(
        float(ratio),
        float(scipy.stats.f.sf(ratio, free, others)),
        np.concatenate(frames) / noise,
        float(2 * np.pi / k) if k > 0 else np.inf,
    )


def _residuals(fit, problem, own, plan) -> Float[np.ndarray, "frame pixel"]:
    seen = solved(fit.equation, own, problem, plan)[2]
    z, _ = jax.vmap(jax.vmap(problem.likelihood.standardised))(*problem.targets(), seen)
    freedom = problem.likelihood.freedom
    if freedom is not None:
        # spikes count as they did in the fit, scaled to variance one
        z = z * (freedom + 1) / (freedom + z**2) * ((freedom + 3) / (freedom + 1)) ** 0.5
    return np.asarray(z, float)[problem.schedule.real][:, problem.data.domain.inside]


def _absorbed(fit, problem, own, plan, windows, modes) -> float:
    """How many numbers of the smooth residual the fit has explained away: the trace of its hat matrix there."""
    laws, starts = map(np.asarray, _smooth_changes(fit.equation, own, problem, plan, jnp.asarray(modes)))
    count = own.shape[1]
    together, total = np.zeros((len(laws), len(laws))), 0.0
    for w, number in enumerate(range(windows.start, windows.stop)):
        inner = np.asarray(fit.normal.starts[number, :count, :count], float)
        cross = np.asarray(fit.normal.cross[number, :, :count], float)
        follow = np.linalg.solve(inner, starts[:, w])
        total += np.sum(starts[:, w] * follow)
        left = laws[:, w] - cross @ follow
        together += left @ left.T
    return total + float(np.trace(np.linalg.solve(fit.normal.schur(), together)))


@eqx.filter_jit
def _smooth_changes(equation, xi, problem, plan, modes):
    """What each unknown does to the smooth residual: laws (p, window, slot · mode), starts (m, window, slot · mode)."""
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    _, factor, variance = problem.targets()
    inside = np.nonzero(problem.data.domain.inside)
    norm = jnp.sqrt(jnp.maximum((factor[:, :, *inside] > 0) @ (modes**2).T, 1e-12))

    def seen(theta, xi):
        return predict(unravel(theta), xi, problem, plan)

    def change(direction):
        d_theta, d_xi = direction[: theta.size], jnp.broadcast_to(direction[theta.size :], xi.shape)
        frames, moved = jax.jvp(seen, (theta, xi), (d_theta.astype(theta.dtype), d_xi.astype(xi.dtype)))
        rows = jax.vmap(jax.vmap(lambda f, v, m, d: problem.likelihood.information(f, v, m)(d)))
        changes = rows(factor, variance, frames, moved)[:, :, *inside] @ modes.T / norm
        return changes.reshape(len(xi), -1)

    changes = jax.lax.map(change, jnp.eye(theta.size + xi.shape[1]))
    return changes[: theta.size], changes[theta.size :]


def _smooth(problem: Problem):
    domain = problem.data.domain
    pixels = int(domain.inside.sum())
    most = max(1, min(SMOOTH, int(PART * pixels)))
    axes = [(n, h) for n, h in zip(domain.shape, domain.spacing) if n > 1]
    # Weyl's law: modes up to k fill a ball; a little more makes sure there are enough
    largest, found = np.pi * (most / pixels) ** (1 / len(axes)) / max(h for _, h in axes), 0
    while found < most:
        modes, k = smooth_modes(domain, largest)
        found, largest = len(k), 1.3 * largest
    return modes[:most][:, domain.inside], k[:most]


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

"""Whether an equation explains a movie: is anything smooth or slow left in the residual?"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
import scipy.stats
from jaxtyping import Array, Float

from ..physics.transforms import smooth_modes
from .fit import Fit, as_fitted
from .linearise import predict
from .problem import Problem, split
from .settle import solved

# Wrong physics leaves smooth residuals: they are looked for in so many of the smoothest modes, and in at most
# this part of all.
SMOOTH, PART = 60, 0.25
# Then in the slower half of the waves in time of the smoother half of them, and so on: what wrong laws leave is slow.
HALVINGS = 4
# A residual this improbable is called so.
IMPROBABLE = 1e-3


class Explained(eqx.Module):
    """What is left in the residual of a fit. Printing it gives the finding.

    Attributes
    ----------
    ratio
        Mean square of the residual in smooth modes over that in all others: one for an equation that explains the
        movie, whatever the noise level. Of one that does not, in the smooth and slow part that says so most clearly.
    pvalue
        Probability of so large a ratio by chance.
    by_frame
        The ratio in smooth modes for every frame, movies one after the other.
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

    Residuals in units of the noise are projected on the smoothest modes of the domain, and on the slowest waves in time
    of the smoothest of them; their mean square is compared with that of the rest (F tests), less the numbers that were
    fitted to either. A noise level that is off does not matter.

    Parameters
    ----------
    fit, problem
        A fit and what it was fitted to.

    Notes
    -----
    The smallest of the tests' probabilities counts, times their number. Takes whitened residuals for independent:
    correlated noise must be given as `Correlated`, or it passes for wrong physics. Blind to what start states and laws
    could absorb.
    """
    problems = as_fitted(fit, problem)
    windows: list[_Window] = []
    squares, values, first = 0.0, 0, 0
    for problem_, own, plan in zip(problems, split(fit.starts, problems), fit.plans):
        z = _residuals(fit, problem_, own, plan)
        squares, values = squares + (z**2).sum(), values + int((z != 0).sum())
        windows += _windows(fit, problem_, own, plan, z, first)
        first += len(own)
    if squares == 0:  # a movie that never changes is predicted exactly
        return Explained(0.0, 1.0, np.zeros(sum(len(p.data) for p in problems)), np.inf)
    tests = [_left(windows, 0.5**halving, fit.normal.schur()) for halving in range(HALVINGS)]
    smooth, kept, absorbed = tests[0]
    others = max(values - kept - (fit.normal.informed() - absorbed), 1.0)
    noise = (squares - smooth) / others
    free = [max(kept - absorbed, 1.0) for _, kept, absorbed in tests]
    ratios = [left / number / noise for (left, _, _), number in zip(tests, free)]
    chances = scipy.stats.f.sf(ratios, free, others)
    chance = min(1.0, HALVINGS * chances.min())
    power = np.concatenate([(w.residual**2).mean(0) for w in windows if len(w.residual)])
    k = np.concatenate([w.wavenumbers for w in windows if len(w.residual)])[int(np.argmax(power))]
    return Explained(
        float(ratios[0 if chance > IMPROBABLE else int(np.argmin(chances))]),
        float(chance),
        np.concatenate([(w.residual**2).mean(1) for w in windows]) / noise,
        float(2 * np.pi / k) if k > 0 else np.inf,
    )


class _Window(NamedTuple):
    """Amplitudes of smooth modes in the frames of a window that are judged, and how its unknowns move them."""

    residual: Float[np.ndarray, "frame mode"]
    laws: Float[np.ndarray, "p frame mode"]
    starts: Float[np.ndarray, "m frame mode"]
    curvature: Float[np.ndarray, "m m"]
    cross: Float[np.ndarray, "p m"]
    wavenumbers: Float[np.ndarray, " mode"]


def _windows(
    fit: Fit, problem: Problem, own, plan, z: Float[np.ndarray, "frame pixel"], first: int
) -> Iterator[_Window]:
    modes, k = _smooth(problem)
    norm = np.sqrt(np.maximum((z != 0) @ (modes**2).T, 1e-12))
    changes = np.asarray(_changes(fit.equation, own, problem, plan, jnp.asarray(modes)), float)
    real, count, p = problem.schedule.real, own.shape[1], fit.normal.laws.shape[0]
    ends = np.cumsum(real.sum(1))
    for number, (end, slots) in enumerate(zip(ends, real)):
        frames = slice(end - slots.sum(), end)
        judged = (z[frames] != 0).any(1)
        moved = (changes[:, number, slots] / norm[frames])[:, judged]
        curvature = np.asarray(fit.normal.starts[first + number, :count, :count], float)
        cross = np.asarray(fit.normal.cross[first + number, :, :count], float)
        yield _Window((z[frames] @ modes.T / norm[frames])[judged], moved[:p], moved[p:], curvature, cross, k)


def _left(windows: Sequence[_Window], part: float, schur: Float[np.ndarray, "p p"]) -> tuple[float, int, float]:
    """Squares left in the slowest part of the smoothest part of modes, their number, and how many of these were fitted.

    The last is the trace of the fit's hat matrix there.
    """
    squares, kept, absorbed, together = 0.0, 0, 0.0, np.zeros_like(schur)
    for window in windows:
        frames, modes = (math.ceil(part * n) for n in window.residual.shape)
        if not frames:
            continue

        def slow(amplitudes, frames=frames, modes=modes):
            waves = scipy.fft.dct(amplitudes, axis=-2, norm="ortho")[..., :frames, :modes]
            return waves.reshape(*waves.shape[:-2], frames * modes)

        laws, starts = slow(window.laws), slow(window.starts)
        squares, kept = squares + float((slow(window.residual) ** 2).sum()), kept + frames * modes
        follow = np.linalg.solve(window.curvature, starts)
        rest = laws - window.cross @ follow
        absorbed, together = absorbed + float(np.sum(starts * follow)), together + rest @ rest.T
    return squares, kept, absorbed + float(np.trace(np.linalg.solve(schur, together)))


def _residuals(fit, problem, own, plan) -> Float[np.ndarray, "frame pixel"]:
    seen = solved(fit.equation, own, problem, plan)[2]
    z, _ = jax.vmap(jax.vmap(problem.likelihood.standardised))(*problem.targets(), seen)
    freedom = problem.likelihood.freedom
    if freedom is not None:
        # spikes count as they did in the fit, scaled to variance one
        z = z * (freedom + 1) / (freedom + z**2) * ((freedom + 3) / (freedom + 1)) ** 0.5
    return np.asarray(z, float)[problem.schedule.real][:, problem.data.domain.inside]


@eqx.filter_jit
def _changes(equation, xi, problem: Problem, plan, modes) -> Float[Array, "p+m window slot mode"]:
    """How each law and each start coordinate (of all windows at once) moves the residual, projected on modes."""
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    _, factor, variance = problem.targets()
    inside = np.nonzero(problem.data.domain.inside)

    def seen(theta, xi):
        return predict(unravel(theta), xi, problem, plan)

    def whitened(factor, variance, frame, change):
        return problem.likelihood.information(factor, variance, frame)(change)

    def moved(direction):
        d_theta, d_xi = direction[: theta.size], jnp.broadcast_to(direction[theta.size :], xi.shape)
        frames, change = jax.jvp(seen, (theta, xi), (d_theta.astype(theta.dtype), d_xi.astype(xi.dtype)))
        return jax.vmap(jax.vmap(whitened))(factor, variance, frames, change)[:, :, *inside] @ modes.T

    return jax.lax.map(moved, jnp.eye(theta.size + xi.shape[1]))


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

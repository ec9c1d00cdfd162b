"""Whether error bars hold: ranks and coverage over repeated draws of the truth and of the noise."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy import stats

from ..physics.equations import AbstractEquation
from .posterior import Posterior
from .problem import Problem

LEVELS = (0.68, 0.90, 0.95)
# Bins of the rank statistic hold at least this many draws each, as a χ² asks for.
PER_BIN = 10
MOST_BINS = 20


class Calibrated(eqx.Module):
    """Ranks of the truth among posterior draws, over repeated experiments. Printing it gives the table.

    Attributes
    ----------
    ranks
        Number of draws below the truth.
    draws
        Number of draws of each posterior.
    z
        (truth − median) / standard deviation.
    names
        What was asked of each equation.
    levels
        Nominal probabilities of central bands.
    lost
        Why experiments gave no posterior. They are in no figure.
    """

    ranks: Int[np.ndarray, "experiment quantity"]
    draws: Int[np.ndarray, " experiment"]
    z: Float[np.ndarray, "experiment quantity"]
    names: tuple[str, ...] = eqx.field(static=True)
    levels: tuple[float, ...] = eqx.field(default=LEVELS, static=True)
    lost: tuple[str, ...] = eqx.field(default=(), static=True)

    @property
    def covered(self) -> Float[np.ndarray, "level quantity"]:
        """Fraction of experiments whose central band holds the truth."""
        return np.stack([self._inside(level).mean(0) for level in self.levels])

    def interval(self, confidence: float = 0.95) -> Float[np.ndarray, "2 level quantity"]:
        """Clopper–Pearson limits of `covered`."""
        n = len(self.ranks)
        hits = np.stack([self._inside(level).sum(0) for level in self.levels])
        tail = (1 - confidence) / 2
        low = np.where(hits > 0, stats.beta.ppf(tail, np.maximum(hits, 1), n - hits + 1), 0)
        high = np.where(hits < n, stats.beta.ppf(1 - tail, hits + 1, np.maximum(n - hits, 1)), 1)
        return np.stack([low, high])

    def p_values(self) -> Float[np.ndarray, " quantity"]:
        """Probability of ranks as uneven as these, were they uniform (χ² over equal bins)."""
        n = len(self.ranks)
        bins = min(MOST_BINS, n // PER_BIN)
        if bins < 2:
            raise ValueError(f"a test of ranks needs at least {2 * PER_BIN} experiments, got {n}.")
        counts = np.stack([np.histogram(u, bins, (0, 1))[0] for u in self._uniform().T])
        return stats.chi2.sf(((counts - n / bins) ** 2 / (n / bins)).sum(1), bins - 1)

    def _uniform(self):
        # a rank is one of draws + 1 equally probable ones; its middle
        return (self.ranks + 0.5) / (self.draws[:, None] + 1)

    def _inside(self, level):
        return np.abs(self._uniform() - 0.5) <= level / 2

    def __str__(self) -> str:
        covered, (low, high) = 100 * self.covered, 100 * self.interval()
        heads = "".join(f"{100 * level:>21.0f} %" for level in self.levels)
        lines = [f"{'':16}{heads}    rms z   rank p"]
        many = len(self.ranks) >= 2 * PER_BIN
        chances = self.p_values() if many else np.full(len(self.names), np.nan)
        for i, name in enumerate(self.names):
            cells = "".join(
                f"{c[i]:7.1f} [{lo[i]:4.1f}, {hi[i]:5.1f}]".rjust(23) for c, lo, hi in zip(covered, low, high)
            )
            lines.append(f"{name:16}{cells} {np.sqrt(np.mean(self.z[:, i] ** 2)):8.2f} {chances[i]:8.3f}")
        lost = f", {len(self.lost)} lost: {self.lost[0]}" if self.lost else ""
        lines.append(f"{len(self.ranks)} experiments{lost}")
        return "\n".join(lines)


def calibrate(
    make: Callable[[Key[Array, ""]], tuple[AbstractEquation, Problem]],
    infer: Callable[[Problem, Key[Array, ""]], Posterior],
    quantity: Callable[[AbstractEquation], Float[Array, " quantity"]],
    *,
    key: Key[Array, ""],
    size: int,
    names: Sequence[str],
    levels: Sequence[float] = LEVELS,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Repeat an experiment, and count where the truth falls among the draws of its posterior.

    With truths drawn from the prior this is simulation-based calibration: ranks are uniform if the posterior is
    right. With one fixed truth it is the coverage of the bands over repeated noise, which a posterior need only meet
    where the movie says more than the prior.

    Parameters
    ----------
    make
        The truth, and the problem of a movie of it, for a random key.
    infer
        The posterior of a problem.
    quantity
        Numbers to be judged, from an equation.
    key
        Random key. Experiment n depends on it and on n alone.
    size
        Number of experiments.
    names
        What the numbers are.
    levels
        Nominal probabilities of central bands.
    progress
        Called after each experiment with its number and the number of all.

    Returns
    -------
    Calibrated

    Raises
    ------
    ValueError
        If a setting is out of range, or the quantity has another length than ``names``.
    RuntimeError
        If no experiment gave a posterior.

    References
    ----------
    S. Talts et al., arXiv:1804.06788 (2018).
    """
    if size < 1 or not all(0 < level < 1 for level in levels):
        raise ValueError(f"`size` must be positive and `levels` between 0 and 1, got {size} and {tuple(levels)}.")
    rows, lost = [], []
    for number in range(size):
        make_key, infer_key = jax.random.split(jax.random.fold_in(key, number))
        truth, problem = make(make_key)
        expected = np.asarray(quantity(truth))
        if expected.shape != (len(names),):
            raise ValueError(f"`quantity` must give one number for each of {len(names)} names, got {expected.shape}.")
        # an experiment that cannot be fitted is counted, and named in the result
        try:
            drawn = np.asarray(infer(problem, infer_key)(lambda e: jnp.asarray(quantity(e))))
            rows.append(((drawn < expected).sum(0), len(drawn), (expected - np.median(drawn, 0)) / drawn.std(0)))
        except RuntimeError as error:
            lost.append(str(error))
        if progress is not None:
            progress(number + 1, size)
    if not rows:
        raise RuntimeError(f"none of {size} experiments gave a posterior; the first failed with: {lost[0]}")
    ranks, draws, z = (np.asarray(column) for column in zip(*rows))
    return Calibrated(ranks, draws, z, tuple(names), tuple(levels), tuple(lost))

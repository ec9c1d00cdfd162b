"""Whether error bars hold: ranks and coverage over repeated draws of the truth and of the noise."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy import stats

from ..physics.equations import AbstractEquation
from .kept import keep, kept
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
        # a truth on the edge of a band counts in part; the limits hold for such numbers too
        hits = np.stack([self._inside(level).sum(0) for level in self.levels])
        tail = (1 - confidence) / 2
        low = np.where(hits > 0, stats.beta.ppf(tail, np.maximum(hits, 1), n - hits + 1), 0)
        high = np.where(hits < n, stats.beta.ppf(1 - tail, hits + 1, np.maximum(n - hits, 1)), 1)
        return np.stack([low, high])

    @property
    def pooled(self) -> Float[np.ndarray, "3 level"]:
        """Fraction covered over all quantities together, and its 95 % limits from how experiments differ.

        The quantities of one experiment are not independent, experiments are.
        """
        n = len(self.ranks)
        each = np.stack([self._inside(level).mean(1) for level in self.levels])
        mean = each.mean(1)
        room = stats.t.ppf(0.975, max(1, n - 1)) * each.std(1, ddof=1 if n > 1 else 0) / n**0.5
        return np.stack([mean, np.maximum(mean - room, 0), np.minimum(mean + room, 1)])

    def counts(self) -> tuple[Float[np.ndarray, "quantity bin"], Float[np.ndarray, " bin"]]:
        """Ranks in equal bins, and what uniform ranks would give, for a plot and for `p_values`."""
        bins = min(MOST_BINS, len(self.ranks) // PER_BIN)
        # few draws have few ranks, which do not fall into bins evenly
        even = sum(np.histogram((np.arange(d + 1) + 0.5) / (d + 1), bins, (0, 1))[0] / (d + 1) for d in self.draws)
        middle = (self.ranks + 0.5) / (self.draws[:, None] + 1)
        return np.stack([np.histogram(u, bins, (0, 1))[0] for u in middle.T]), even

    def p_values(self) -> Float[np.ndarray, " quantity"]:
        """Probability of ranks as uneven as these, were they uniform (χ² over equal bins)."""
        n = len(self.ranks)
        if n < 2 * PER_BIN:
            raise ValueError(f"a test of ranks needs at least {2 * PER_BIN} experiments, got {n}.")
        counts, even = self.counts()
        return stats.chi2.sf(((counts - even) ** 2 / even).sum(1), len(even) - 1)

    def _inside(self, level):
        """How much of a rank lies in the band: one of draws + 1 equal parts, of which the band's edges may cut two.

        So the expectation is ``level`` for honest posteriors of any number of draws.
        """
        parts = self.draws[:, None] + 1
        low, high = (parts * (0.5 + side * level / 2) for side in (-1, 1))
        return np.clip(np.minimum(self.ranks + 1, high) - np.maximum(self.ranks, low), 0, 1)

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
        middle, low, high = 100 * self.pooled
        cells = "".join(f"{c:7.1f} [{a:4.1f}, {b:5.1f}]".rjust(23) for c, a, b in zip(middle, low, high))
        lines.append(f"{'all together':16}{cells} {np.sqrt(np.mean(self.z**2)):8.2f}")
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
    folder: str | os.PathLike | None = None,
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
    folder
        Where each experiment is written as it finishes. A run that was stopped, or is given a larger ``size``, computes
        only what is missing. One folder for each ``make`` and ``infer``, which it cannot tell apart.
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

    # one function for all experiments, so that it is compiled once
    def asked(equation):
        return jnp.asarray(quantity(equation))

    mark = hashlib.sha256(f"{np.asarray(jax.random.key_data(key)).tolist()} {tuple(names)}".encode()).hexdigest()
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    rows, lost = {} if folder is None else kept(folder, mark, size), []
    for number in range(size):
        if number not in rows:
            make_key, infer_key = jax.random.split(jax.random.fold_in(key, number))
            found, reason = _experiment(make, infer, asked, len(names), make_key, infer_key)
            if reason:
                lost.append(reason)
            else:
                rows[number] = found
            if folder is not None:
                keep(folder, mark, number, found, reason)
        if progress is not None:
            progress(number + 1, size)
    if not rows:
        raise RuntimeError(f"none of {size} experiments gave a posterior; the first failed with: {lost[0]}")
    ranks, draws, z = (np.stack([row[name] for _, row in sorted(rows.items())]) for name in ("below", "draws", "z"))
    return Calibrated(ranks, draws, z, tuple(names), tuple(levels), tuple(lost))


def _experiment(make, infer, quantity, length, make_key, infer_key) -> tuple[dict[str, np.ndarray], str]:
    """Where the truth falls among the draws of one experiment, or why there are none."""
    truth, problem = make(make_key)
    expected = np.asarray(quantity(truth))
    if expected.shape != (length,):
        raise ValueError(f"`quantity` must give one number for each of {length} names, got {expected.shape}.")
    # an experiment that cannot be fitted is counted, and named in the result
    try:
        drawn = np.asarray(infer(problem, infer_key)(quantity))
    except RuntimeError as error:
        return {}, str(error)
    z = (expected - np.median(drawn, 0)) / drawn.std(0)
    return {"below": (drawn < expected).sum(0), "draws": np.asarray(len(drawn)), "z": z}, ""

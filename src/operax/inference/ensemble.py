"""An ensemble of fits to perturbed movies: error bars that need no Gaussian, on one device or on a cluster."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Key

from ..movie import Movie
from ..physics.equations import AbstractEquation
from .checkpoint import fingerprint
from .executors import outcomes
from .fit import Fit, as_fitted, fit
from .kept import FIELDS, keep, kept
from .marginal import widened
from .members import Shared
from .perturb import AbstractPerturbation, Bootstrap, Randomised, expected_frames
from .posterior import Posterior
from .problem import Problem, split, together
from .remade import NEARLY
from .reverse import frozen
from .sample import joint_factor

# Memory that members fitted side by side may take together; a round number for laptops and devices alike, so that
# the batches, and with them the last bits, do not depend on the machine.
ROOM = 2**30
# States kept for every step of the solver in a reverse derivative, a generous count of the stepper's stages.
STAGES = 8
# Number of a key that no member has.
NO_MEMBER = 2**32 - 1
# Beyond this distance, in units of the noise, a member's solver steps were too coarse for its laws.
COARSE = 0.3


def ensemble(
    equation: AbstractEquation | Fit,
    problem: Problem | Sequence[Problem],
    *,
    key: Key[jax.Array, ""],
    size: int = 64,
    method: AbstractPerturbation | None = None,
    remake: Callable[[Movie, Key[jax.Array, ""]], Problem] | None = None,
    executor: Executor | None = None,
    devices: Sequence[jax.Device] = (),
    folder: str | os.PathLike | None = None,
    batch: int | None = None,
    steps: int = 40,
    tolerance: float = 1e-3,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Fit many perturbed movies, each from the optimum of the recorded one, and take the laws found as draws.

    Parameters
    ----------
    equation
        What to fit, or a `Fit` of it to this problem.
    problem
        What judges.
    key
        Random key. Member n depends on it and on n alone, not on ``size``.
    size
        Number of members.
    method
        How members differ: `Randomised` (default), `Bootstrap` (default with ``remake``) or `BlockBootstrap`.
    remake
        Makes the problem again from a movie, with a key: trains the denoiser anew and makes new start states of it,
        so that the whole way from the raw frames is repeated for each member. Members are then fitted one at a
        time, by Levenberg–Marquardt from the optimum.
    executor
        Where members are fitted: any executor of processes that were spawned, not forked, such as those of
        `concurrent.futures` or Dask. Default: here.
    devices
        Devices that share the members of a batch when they are fitted here; default JAX's first.
    folder
        Where each member is written as it finishes. A run that was stopped computes only what is missing, and with
        the same ``batch`` ends with the same bits.
    batch
        Members fitted side by side in one program: default as many as fit into 1 GiB here, and one with an executor.
        It decides the last bits of each member, nothing more.
    steps, tolerance
        Most steps of a member, and the gain in log posterior at which it has converged: a further step of gain g
        would move no law by more than √(2g) posterior standard deviations.
    progress
        Called with the number of members done and all, whenever some finish.

    Returns
    -------
    Posterior
        One draw for each member that converged; its notes name those that did not, and why.

    Raises
    ------
    ValueError
        If a setting is out of range, or the folder holds another ensemble.
    RuntimeError
        If fewer than two members converged, or the executor's processes died.

    Notes
    -----
    Members keep the solver's steps of the fit, unless they are made again. Where these are too coarse for a member's
    laws the notes say so.
    `Randomised` members are draws of the posterior as long as it has one optimum; the bootstraps are draws of the
    estimate over repeated noise, with nothing added for what the movie does not tell. With ``remake`` a frame that no
    window reaches or starts from is drawn around the recorded one, so that its noise is twice that of others.

    References
    ----------
    J. M. Bardsley et al., SIAM J. Sci. Comput. 36, A1895 (2014), doi:10.1137/140964023, for `Randomised`.
    """
    problems, method = together(problem), method or (Randomised() if remake is None else Bootstrap())
    if size < 2 or steps < 1 or not tolerance > 0 or (batch is not None and batch < 1):
        raise ValueError(
            f"`size` must be at least 2, `steps`, `batch` and `tolerance` positive, got {size}, {steps}, {batch}, "
            f"{tolerance}."
        )
    if batch is not None and devices and batch % len(devices):
        raise ValueError(f"`batch` must be a multiple of the {len(devices)} devices that share it, got {batch}.")
    if remake is not None:
        _check_remade(method, batch, devices, key)
    for one in problems:
        method.check(one)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    checkpoint = None if folder is None else Path(folder) / "optimum.h5"
    best = equation if isinstance(equation, Fit) else fit(equation, problems, checkpoint=checkpoint)
    shared = prepared(best, as_fitted(best, problems), key, method, steps, tolerance, remake)
    batch = batch or (1 if executor is not None or remake is not None else _batch(best, problems, size, len(devices)))
    mark = _mark(best, problems, shared)
    found = {} if folder is None else kept(folder, mark, size)
    lost: dict[int, str] = {}
    goal = tolerance if remake is None else max(tolerance, NEARLY)
    # a batch is repeated as a whole, so that it is the same program on the same numbers as before
    batches = [tuple(range(i, i + batch)) for i in range(0, size, batch)]
    missing = [numbers for numbers in batches if any(n < size and n not in found for n in numbers)]
    for numbers, outcome in outcomes(shared, missing, executor, tuple(devices)):
        for row, number in enumerate(numbers):
            if number >= size or number in found:
                continue
            ended = {} if isinstance(outcome, str) else {name: outcome[name][row] for name in FIELDS}
            reason = outcome if isinstance(outcome, str) else _fault(ended, goal)
            if reason:
                lost[number] = reason
            else:
                found[number] = ended
            if folder is not None:
                keep(folder, mark, number, ended, reason)
        if progress is not None:
            progress(len(found) + len(lost), size)
    return _gathered(best, found, lost, method, remake is not None, key)


def prepared(
    best: Fit,
    problems: tuple[Problem, ...],
    key: Key[jax.Array, ""],
    method: AbstractPerturbation,
    steps: int,
    tolerance: float,
    remake: Callable[[Movie, Key[jax.Array, ""]], Problem] | None = None,
) -> Shared:
    """What members need to know, from the fit of the recorded movie."""
    plans = frozen(best.plans)
    parts = zip(split(best.starts, problems), problems, plans)
    expected = [expected_frames(best.equation, *part) for part in parts]
    theta, _ = jax.flatten_util.ravel_pytree(best.equation)
    factor = jnp.asarray(joint_factor(best.normal), theta.dtype)
    seed, generator = jax.random.key_data(key), str(jax.random.key_impl(key))
    return Shared(
        best.equation,
        best.starts,
        best.averaging.tilt,
        factor,
        problems,
        tuple(expected),
        plans,
        method,
        seed,
        generator,
        steps,
        tolerance,
        remake,
    )


def _check_remade(method: AbstractPerturbation, batch: int | None, devices, key) -> None:
    if batch not in (None, 1) or devices:
        raise ValueError(
            f"members with `remake` are fitted one at a time: leave out `batch` and `devices`, got {batch} and "
            f"{len(devices)} devices; give an `executor` to fit several at once."
        )
    if np.any(np.asarray(method.centre(jnp.zeros(1), key=key))):
        raise ValueError(
            f"`remake` repeats the estimate over fresh noise, and `{type(method).__name__}` draws the prior's mean "
            "too; take `Bootstrap()` or `BlockBootstrap(...)`."
        )


def _batch(best: Fit, problems, size: int, devices: int) -> int:
    values = sum(p.data.frames.size * (int(plan.steps) * STAGES + 4) for p, plan in zip(problems, best.plans))
    most = max(1, ROOM // (values * best.starts.dtype.itemsize))
    share = max(1, devices)
    return share * min(most, -(-size // share))


def _mark(best: Fit, problems, shared: Shared) -> str:
    digest = hashlib.sha256(fingerprint(best.equation, problems, shared.perturbation).encode())
    for leaf in jax.tree.leaves((shared.seed, best.starts, best.averaging, shared.plans, shared.perturbation)):
        digest.update(np.asarray(leaf).tobytes())
    digest.update(f"{shared.generator} {shared.steps} {shared.tolerance}".encode())
    if shared.remake is not None:
        # a function goes by its name: its address is another one in every run
        digest.update(eqx.tree_pformat(shared.remake, short_arrays=False).encode())
    return digest.hexdigest()


def _fault(ended: dict[str, np.ndarray], tolerance: float) -> str:
    if not (np.isfinite(ended["unknowns"]).all() and np.isfinite(ended["value"])):
        return "its movie or its solution is not finite"
    if not ended["promised"] <= tolerance:
        return f"not converged after {int(ended['tried'])} steps: a full step promises {float(ended['promised']):.1e}"
    return ""


def _gathered(
    best: Fit, found: dict, lost: dict[int, str], method: AbstractPerturbation, again: bool, key: Key[jax.Array, ""]
) -> Posterior:
    numbers = sorted(found)
    if len(numbers) < 2:
        raise RuntimeError(
            f"fewer than two of {len(found) + len(lost)} members converged; the first failed with: "
            f"{next(iter(lost.values()))}."
        )
    table = {name: jnp.asarray(np.stack([found[n][name] for n in numbers])) for name in FIELDS}
    theta, rebuild = jax.flatten_util.ravel_pytree(best.equation)
    notes = [f"{len(numbers)} members, {float(table['tried'].mean()):.1f} steps each"]
    notes += [f"member {n} was lost: {reason}" for n, reason in sorted(lost.items())]
    coarse = int((table["accuracy"] > COARSE).sum())
    if coarse:
        notes.append(
            f"solver steps were too coarse for the laws of {coarse} members: give shorter windows, or fit again"
        )
    draws = table["unknowns"][:, : theta.size].astype(theta.dtype)
    if isinstance(method, Randomised):
        # the others are draws of the estimate, which learns its spreads from the movie it has
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(key, NO_MEMBER), jnp.asarray(numbers))
        draws = widened(draws, best.averaging, keys)
    words = f"ensemble, {type(method).__name__}" + (", made again from each movie" if again else "")
    return Posterior(
        best.equation, jax.vmap(rebuild)(draws), best, words, tuple(notes), table | {"member": jnp.asarray(numbers)}
    )

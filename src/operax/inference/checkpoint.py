"""A fit that was interrupted: where it stood, on disk."""

import hashlib
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..io import read_arrays, write_arrays
from ..physics.equations import AbstractEquation
from .descent import Point
from .marginal import Averaging
from .problem import Problem

COUNTS = ("tried", "rejected", "failed")


def fingerprint(equation: AbstractEquation, problems: tuple[Problem, ...], method: eqx.Module) -> str:
    """What tells one fit from another: the numbers of its equation and its problems, and how it is done."""
    digest = hashlib.sha256(f"{equation} {method}".encode())
    for problem in problems:
        parts = problem.data, problem.factor, problem.variance, problem.starts, problem.schedule
        for leaf in jax.tree.leaves((equation, parts)):
            digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def written(path: str | os.PathLike, mark: str, stage: int, point: Point, averaging: Averaging) -> None:
    """Write where a fit stands; the file is replaced whole."""
    theta, _ = jax.flatten_util.ravel_pytree(point.equation)
    arrays = {
        "theta": np.asarray(theta),
        "xi": np.asarray(point.xi),
        "history": np.asarray(point.history, float),
        "reach": np.asarray(point.reach, float),
        "steps": np.asarray([int(plan.steps) for plan in point.plans]),
        "linear": np.stack([np.asarray(plan.damping) for plan in point.plans]),
    }
    arrays["tilt"] = np.asarray(averaging.tilt)
    arrays |= {f"spread/{i}": spread for i, spread in enumerate(averaging.spreads)}
    arrays |= {f"memory/{i}": np.asarray(row) for i, row in enumerate(point.memory)}
    write_arrays(path, arrays, {"fit": mark, "stage": stage, **{name: getattr(point, name) for name in COUNTS}})


def resumed(path: str | os.PathLike, mark: str, point: Point, averaging: Averaging) -> tuple[int, Point, Averaging]:
    """The stage, the point and the averaging a file holds; 0 and those given where there is no file.

    Raises
    ------
    ValueError
        If the file holds another fit.
    """
    if not Path(path).exists():
        return 0, point, averaging
    arrays, said = read_arrays(path)
    if said.get("fit") != mark:
        raise ValueError(
            f"{os.fspath(path)}: is the checkpoint of another fit (another equation, movie, prior or method); remove "
            "it or name another `checkpoint`."
        )
    _, unravel = jax.flatten_util.ravel_pytree(point.equation)
    plans = tuple(
        eqx.tree_at(lambda p: (p.steps, p.damping), plan, (jnp.asarray(steps), jnp.asarray(linear)))
        for plan, steps, linear in zip(point.plans, arrays["steps"].tolist(), arrays["linear"])
    )
    spreads = tuple(np.asarray(arrays[f"spread/{i}"]) for i in range(len(averaging.spreads)))
    point = Point(
        unravel(jnp.asarray(arrays["theta"])),
        jnp.asarray(arrays["xi"]),
        plans,
        float(arrays["reach"]),
        tuple(arrays["history"].tolist()),
        int(said["tried"]),
        int(said["rejected"]),
        int(said["failed"]),
        tuple(arrays[f"memory/{i}"] for i in range(sum(name.startswith("memory/") for name in arrays))),
    )
    return said["stage"], point, Averaging(spreads, jnp.asarray(arrays["tilt"]), averaging.doubt)

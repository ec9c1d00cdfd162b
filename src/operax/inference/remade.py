"""Members whose problem is made again from their own movie, denoiser and all, and fitted one at a time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from .descent import excess
from .fit import fit
from .members import Members, Shared, drawn_problems
from .optimise import LevenbergMarquardt
from .problem import Problem, together

# The step counts of a fit follow its laws, which leaves steps in its objective: a member is done where a full step
# promises less than this, or moves no law by more than a fifth of its standard deviation.
NEARLY = 0.02

_drawn = eqx.filter_jit(drawn_problems)


def one_by_one(shared: Shared, numbers: Int[Array, " member"]) -> Members:
    """Fit members ``numbers``, each to what ``shared.remake`` makes of its movie.

    Raises
    ------
    TypeError
        If ``remake`` gives something else than a problem.
    ValueError
        If its problem is judged by another movie.
    """
    return jax.tree.map(lambda *rows: jnp.stack(rows), *(_member(shared, number) for number in numbers))


def _member(shared: Shared, number: Int[Array, ""]) -> Members:
    key, drawn = _drawn(shared, number)
    problems = together([_again(shared, p, k) for p, k in zip(drawn, jax.random.split(key, len(drawn)))])
    best = fit(shared.equation, problems, method=LevenbergMarquardt(shared.steps, shared.tolerance))
    theta, _ = jax.flatten_util.ravel_pytree(best.equation)
    value = best.history[-1]
    promised = best.normal.promise(0.0) / excess(float(value), problems)
    # the fit has chosen the solver's steps for these laws
    return Members(theta, value, jnp.asarray(promised), jnp.asarray(best.history.size), jnp.zeros(()))


def _again(shared: Shared, drawn: Problem, key: Array) -> Problem:
    assert shared.remake is not None
    made = shared.remake(drawn.data, key)
    if not isinstance(made, Problem):
        raise TypeError(f"`remake` must give a `Problem`, got a `{type(made).__name__}`.")
    if not np.array_equal(made.data.frames, drawn.data.frames):
        raise ValueError("`remake` must give a problem whose `data` is the movie that it is called with.")
    return made

"""What single values of a movie do to fitted laws, to first order at the optimum."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .fit import Fit, as_fitted
from .linearise import NormalEquations, predict
from .problem import Problem, split
from .reverse import frozen


def directions(normal: NormalEquations) -> tuple[Float[Array, "p p"], Float[Array, "p window m"]]:
    """How laws and start coordinates answer to a pull on each law: the rows of the inverse curvature."""
    laws = jnp.linalg.inv(normal.schur())
    back = jnp.linalg.solve(normal.starts, jnp.swapaxes(normal.cross, 1, 2))
    return laws, -jnp.einsum("wmp,pq->qwm", back, laws)


@eqx.filter_jit
def _pulls(equation, xi, along_laws, along_starts, problem, plan):
    """What each value of each frame pulls every law by, for the residual it has."""
    theta, rebuild = jax.flatten_util.ravel_pytree(equation)
    targets = problem.targets()
    slope = jax.vmap(jax.vmap(jax.grad(problem.likelihood.loss, argnums=3)))

    def seen(theta, xi):
        return predict(rebuild(theta), xi, problem, plan)

    def one(along):
        frames, change = jax.jvp(seen, (theta, xi), along)
        real = jnp.asarray(problem.schedule.real).reshape(*frames.shape[:2], *(1,) * (frames.ndim - 2))
        return jnp.where(real, -slope(*targets, frames) * change, 0)

    return jax.lax.map(one, (along_laws, along_starts))


def sandwich(fit: Fit, problem: Problem | Sequence[Problem], block: tuple[int, ...]) -> Float[np.ndarray, "p p"]:
    """Covariance of the laws that believes the residuals, not the noise model.

    The pull of the movie on the laws is summed over blocks of frames and pixels; what blocks differ by is its
    spread. The prior's part is that of the prior.

    Parameters
    ----------
    block
        Frames and pixels along every space axis of a block: larger than residuals are correlated.

    Raises
    ------
    ValueError
        If the block has another number of axes than the frames, or there are fewer than twice as many blocks as
        laws.

    References
    ----------
    H. White, Econometrica 50, 1 (1982), doi:10.2307/1912526.
    """
    problems = as_fitted(fit, problem)
    along_laws, along_starts = directions(fit.normal)
    total = along_laws @ along_laws.T + jnp.einsum("pwm,qwm->pq", along_starts, along_starts)
    blocks, begin = 0, 0
    for one, xi, plan in zip(problems, split(fit.starts, problems), frozen(fit.plans)):
        if len(block) != one.data.frames.ndim or any(n < 1 for n in block):
            raise ValueError(
                f"`block` must have one positive length for each axis of the frames {one.data.frames.shape}, got "
                f"{block}."
            )
        own = along_starts[:, begin : begin + len(one.windows), : xi.shape[1]]
        begin += len(one.windows)
        pulls = _pulls(fit.equation, xi, along_laws, own, one, plan)
        real, frames = one.schedule.real, np.asarray(one.schedule.frames)[np.asarray(one.schedule.real)]
        whole = jnp.zeros((len(pulls), *one.data.frames.shape), pulls.dtype).at[:, frames].set(pulls[:, real])
        sums = _summed(whole, block)
        blocks += int((np.abs(np.asarray(sums)).sum(0) > 0).sum())
        total = total + sums @ sums.T
    if blocks < 2 * len(along_laws):
        raise ValueError(
            f"`block` {block} leaves {blocks} blocks for {len(along_laws)} unknown numbers; take smaller ones, so that "
            "there are at least twice as many."
        )
    return np.asarray(total)


def _summed(values: Float[Array, "p time *space"], block: tuple[int, ...]) -> Float[Array, "p block"]:
    for axis, size in enumerate(block, start=1):
        shape = values.shape
        spare = -shape[axis] % size
        values = jnp.pad(values, [(0, spare if i == axis else 0) for i in range(values.ndim)])
        values = values.reshape(*shape[:axis], -1, size, *shape[axis + 1 :]).sum(axis + 1)
    return values.reshape(len(values), -1)

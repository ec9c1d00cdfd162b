"""What a member of an ensemble is fitted to: the movie, and the prior, as they might have been."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..noise import PoissonGaussian
from .likelihood import Likelihood
from .problem import Problem
from .settle import solved


class AbstractPerturbation(eqx.Module):
    """How members differ. ``expected`` holds the movie that the fit of the recorded one predicts."""

    @abc.abstractmethod
    def problem(self, problem: Problem, expected: Float[Array, "time *space"], *, key: Key[Array, ""]) -> Problem:
        """The problem of one member."""

    @abc.abstractmethod
    def centre(self, like: Float[Array, " unknown"], *, key: Key[Array, ""]) -> Float[Array, " unknown"]:
        """The prior's mean of one member."""

    @abc.abstractmethod
    def check(self, problem: Problem) -> None:
        """Refuse, with a ValueError, a problem that cannot be perturbed like this."""


class Randomised(AbstractPerturbation):
    """Randomised maximum likelihood: noise is added to the recorded movie, and the prior's mean is drawn.

    Notes
    -----
    Members are draws of the posterior where the movie depends linearly on the unknowns, and close to it where it
    does not but has a single optimum. Counting noise keeps the variance it has at the optimum; its logarithm, which
    says a little more about the laws, is left out of the members.

    References
    ----------
    Y. Chen and D. S. Oliver, Math. Geosci. 44, 1 (2012), doi:10.1007/s11004-011-9376-z.
    """

    def problem(self, problem, expected, *, key):
        frozen = settled_variance(problem, expected)
        return _with_frames(frozen, problem.data.frames + drawn(frozen, expected, key=key))

    def centre(self, like, *, key):
        return jax.random.normal(key, like.shape, like.dtype)

    def check(self, problem):
        if problem.likelihood.freedom is not None:
            raise ValueError(
                "`Randomised` adds noise to noise, which heavy tails (`StudentT`) do not allow; take `Bootstrap()` or "
                "`BlockBootstrap(...)`."
            )


class Bootstrap(AbstractPerturbation):
    """Parametric bootstrap: the movie that the fit predicts, with fresh noise of the model.

    Notes
    -----
    The spread is that of the estimate over repeated noise. The prior stays where it is, so what the movie does not
    tell has no spread here.

    References
    ----------
    B. Efron, Ann. Statist. 7, 1 (1979), doi:10.1214/aos/1176344552.
    """

    def problem(self, problem, expected, *, key):
        return _with_frames(problem, expected + drawn(problem, expected, key=key))

    def centre(self, like, *, key):
        return jnp.zeros_like(like)

    def check(self, problem):
        return None


class BlockBootstrap(AbstractPerturbation):
    """Wild bootstrap in blocks: the residuals of the fit, with a random sign for every block of frames and pixels.

    It needs no noise model: neither the spread nor the correlations inside a block are assumed.

    Parameters
    ----------
    block
        Frames and pixels along every space axis of a block, e.g. ``(1, 8, 8)``: larger than the noise is correlated,
        far smaller than the movie.

    Raises
    ------
    ValueError
        If a length is not a positive whole number.

    Notes
    -----
    As for `Bootstrap` the prior stays where it is. Residuals are slightly smaller than the noise, by the unknowns
    they were used to fit.

    References
    ----------
    X. Shao, J. Am. Stat. Assoc. 105, 218 (2010), doi:10.1198/jasa.2009.tm08744.
    """

    block: tuple[int, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        if not self.block or any(not isinstance(n, int) or n < 1 for n in self.block):
            raise ValueError(f"`block` must hold positive whole numbers, frames first, got {self.block}.")

    def problem(self, problem, expected, *, key):
        sign_key, shift_key = jax.random.split(key)
        shape = expected.shape
        shifts = jax.random.randint(shift_key, (len(shape),), 0, jnp.asarray(self.block))
        counts = [-(-n // size) + 1 for n, size in zip(shape, self.block)]
        signs = jax.random.rademacher(sign_key, counts, expected.dtype)
        for axis, (n, size) in enumerate(zip(shape, self.block)):
            signs = jnp.take(signs, (jnp.arange(n) + shifts[axis]) // size, axis=axis)
        return _with_frames(problem, expected + signs * (problem.data.frames - expected))

    def centre(self, like, *, key):
        return jnp.zeros_like(like)

    def check(self, problem):
        if len(self.block) != problem.data.frames.ndim:
            raise ValueError(
                f"`block` must have one length for each axis of the frames {problem.data.frames.shape}, got "
                f"{self.block}."
            )


def expected_frames(equation, xi, problem: Problem, plan) -> Float[Array, "time *space"]:
    """The movie an equation predicts; a frame that no window reaches is the state one starts from, or as recorded."""
    real, frames = problem.schedule.real, problem.data.frames
    slots = solved(equation, xi, problem, plan)[2]
    if problem.starts.lead == 0:
        frames = frames.at[np.asarray([window[0] for window in problem.windows])].set(problem.starts.base)
    return frames.at[problem.schedule.frames[real]].set(slots[real])


def drawn(problem: Problem, expected: Float[Array, "time *space"], *, key: Key[Array, ""]) -> Array:
    """Fresh noise of a problem's model around ``expected``, for all frames."""
    judge, dtype = problem.likelihood, expected.dtype
    if judge.freedom is None:
        z = jax.random.normal(key, expected.shape, dtype)
    else:
        z = jax.random.t(key, judge.freedom, expected.shape, dtype)
    if judge.filter is not None:
        space = tuple(range(1, z.ndim))
        z = jnp.fft.irfftn(jnp.fft.rfftn(z, axes=space) / judge.filter, s=z.shape[1:], axes=space).astype(dtype)
    variance = jax.vmap(judge.variance)(problem.variance, expected)
    # a weight is a factor on the inverse variance; values without weight are not judged, but starts may be made of them
    return jnp.sqrt(variance / jnp.where(problem.factor > 0, problem.factor, 1)) * z


def settled_variance(problem: Problem, expected: Float[Array, "time *space"]) -> Problem:
    """The problem with the variance that its noise has at ``expected``, known once and for all."""
    judge = problem.likelihood
    if not isinstance(judge.noise, PoissonGaussian):
        return problem
    variance = jax.vmap(judge.variance)(problem.variance, expected)
    known = Likelihood(None, None, judge.filter, judge.freedom)
    return eqx.tree_at(
        lambda p: (p.variance, p.likelihood), problem, (variance, known), is_leaf=lambda x: isinstance(x, Likelihood)
    )


def _with_frames(problem: Problem, frames: Float[Array, "time *space"]) -> Problem:
    inside = jnp.asarray(problem.data.domain.inside)
    return eqx.tree_at(lambda p: p.data.frames, problem, jnp.where(inside, frames, problem.data.frames))

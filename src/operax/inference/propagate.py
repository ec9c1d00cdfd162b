"""From the noise of raw pixels through the denoiser and the fit to the laws: one derivative, end to end."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..movie import Movie
from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan
from .fit import Fit, as_fitted
from .lean import lean
from .linearise import loss, predict
from .members import descended
from .perturb import expected_frames
from .posterior import Posterior
from .problem import Problem
from .reverse import frozen

# Most steps of a fit to a movie with more noise, and the gain at which it has converged.
STEPS, TOLERANCE = 40, 1e-3


class _Chain(eqx.Module):
    """The whole chain: raw frames to start states to a predicted movie to minus the log posterior."""

    problem: Problem
    plan: StepPlan
    denoiser: Callable | None
    raw: Movie
    equation: AbstractEquation
    tilt: Float[Array, " p"]

    @property
    def laws(self) -> int:
        return jax.flatten_util.ravel_pytree(self.equation)[0].size

    def value(self, x: Float[Array, " unknown"], frames: Float[Array, "time *space"]) -> Float[Array, ""]:
        _, rebuild = jax.flatten_util.ravel_pytree(self.equation)
        xi = x[self.laws :].reshape(self.problem.starts.guess.shape)
        problem = self.judged(frames)
        likely = loss(problem, predict(rebuild(x[: self.laws]), xi, problem, self.plan))
        return likely + 0.5 * jnp.sum(x**2) + self.tilt @ x[: self.laws]

    def judged(self, frames: Float[Array, "time *space"]) -> Problem:
        """The problem as it would be for other raw frames; start states that are given come from them."""
        problem = eqx.tree_at(lambda p: p.data.frames, self.problem, frames)
        if len(problem.starts.modes):
            return problem
        movie = self.raw.replace(frames=frames)
        states = movie if self.denoiser is None else self.denoiser(movie)
        firsts = np.asarray([window[0] for window in problem.windows])
        return eqx.tree_at(lambda p: p.starts.base, problem, states.frames[firsts].astype(frames.dtype))


@eqx.filter_jit
def _curvature(chain: _Chain, x, frames) -> Float[Array, "unknown unknown"]:
    """Exact second derivatives of minus the log posterior."""
    slope = jax.grad(chain.value)
    return jax.lax.map(lambda v: jax.jvp(lambda x: slope(x, frames), (x,), (v,))[1], jnp.eye(x.size, dtype=x.dtype))


@eqx.filter_jit
def _influence(chain: _Chain, x, frames, along) -> Float[Array, "p time *space"]:
    """Change of each law with each raw value, −H⁻¹ ∂²L/∂x∂y: one reverse derivative a law, all in one program."""

    def one(v):
        def pull(frames):
            return jax.jvp(lambda x: chain.value(x, frames), (x,), (v,))[1]

        return -jax.grad(pull)(frames)

    return jax.lax.map(one, along)


@eqx.filter_jit
def _refits(chain: _Chain, x, frames, root, noise) -> tuple[Float[Array, "pair 2 unknown"], Float[Array, "pair 2"]]:
    """Fits to the raw movie with more noise, and with its opposite, and what a further step promises each."""

    def one(more):
        def value(u):
            return chain.value(x + root @ u, frames + more)

        end = descended(jax.value_and_grad(value), x.size, x.dtype, STEPS, TOLERANCE)
        return x + root @ end.u, end.promised

    signs = jnp.array([1.0, -1.0], frames.dtype).reshape(2, *(1,) * frames.ndim)
    return jax.lax.map(lambda more: jax.lax.map(one, signs * more), noise)


def propagate(
    fit: Fit,
    problem: Problem,
    denoiser: Callable[[Movie], Movie] | None,
    raw: Movie,
    *,
    key: Key[Array, ""],
    draws: int = 1000,
    pairs: int = 8,
) -> Posterior:
    """The spread of fitted laws that the noise of raw pixels causes, through denoiser and fit.

    The laws are a function θ̂(y) of the raw values y, with derivative −H⁻¹ ∂²L/∂θ∂y. With `Given` start states the
    denoised frames depend on y too, and the derivative runs through the denoiser.

    Parameters
    ----------
    fit, problem
        The fit, and what it was fitted to.
    denoiser
        What made the problem's ``states`` from ``raw``, as a function that can be differentiated; ``None`` where they
        are the raw frames.
    raw
        The raw movie.
    key
        Random key.
    draws
        Number of draws.
    pairs
        Pairs of refits, to the movie with more noise and with the opposite of it, that the bias is estimated from.

    Returns
    -------
    Posterior
        Draws around the fitted laws, less their bias where start states are given: their covariance is what the noise
        causes and what the movie does not tell, taken together. ``found`` holds by name: ``influence``, the change of
        every unknown number with every raw value, (unknown, time, \\*space); ``covariance``, what the noise causes;
        ``prior``, the covariance left by what the movie does not tell, the prior's width in laws and start states and
        doubt of how widely these spread;
        ``bias`` and ``bias_error``, its standard error.

    Raises
    ------
    ValueError
        If ``raw`` is not the movie the problem judges by, or a setting is out of range.
    RuntimeError
        If the curvature is not positive.

    Notes
    -----
    The noise is that of the problem. ``covariance`` is the estimate's over repeated noise, with the weights of the
    denoiser as they are. The bias is what a second helping of noise adds, which equals the bias of the first as far
    as laws are quadratic in the noise. Where start states are inferred the fit has averaged over them, which takes
    the bias off already; what this spread was learnt from the movie, and what it pulls on the laws, are held. Draws
    lean as those of `laplace` do.
    `PreRoll` priors take their centre and scale from the first frames; these are held too.
    """
    _check(problem, raw, draws, pairs)
    inferred = len(problem.starts.modes) > 0
    shape = lean(fit, problem) if inferred else None
    (problem,) = as_fitted(fit, problem)
    plan = frozen(fit.plans)[0]
    frames = problem.data.frames
    if denoiser is not None and not len(problem.starts.modes):
        states = denoiser(raw.replace(frames=frames)).frames[np.asarray([w[0] for w in problem.windows])]
        if not bool(jnp.allclose(states, problem.starts.base, rtol=1e-3, atol=1e-5)):
            raise ValueError("the problem's start states are not what `denoiser` makes of `raw`; give the one used.")
    chain = _Chain(problem, plan, denoiser, raw.replace(frames=frames), fit.equation, fit.averaging.tilt)
    theta, rebuild = jax.flatten_util.ravel_pytree(fit.equation)
    x = jnp.concatenate([theta, fit.starts.ravel().astype(theta.dtype)])
    curvature = np.asarray(_curvature(chain, x, frames))
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    if not values.min() > 0:
        raise RuntimeError(
            f"the curvature at the optimum is not positive (smallest eigenvalue {values.min():g}): the fit has not "
            f"converged ({fit.result})."
        )
    root = jnp.asarray(vectors / np.sqrt(values), x.dtype)
    along = (root @ root.T)[: theta.size]
    influence = _influence(chain, x, frames, along)
    expected = expected_frames(fit.equation, fit.starts, problem, plan)
    sd = _spread(problem, expected)
    scaled = _coloured(problem, influence * sd).reshape(theta.size, -1)
    covariance = scaled @ scaled.T
    bias_key, draw_key = jax.random.split(key)
    noise = sd * _coloured(problem, jax.random.normal(bias_key, (pairs, *frames.shape), frames.dtype))
    ends, promised = _refits(chain, x, frames, root, noise)
    good = np.asarray((promised <= TOLERANCE).all(1) & jnp.isfinite(ends).all((1, 2)))
    if good.sum() < 2:
        raise RuntimeError(f"only {good.sum()} of {pairs} pairs of refits converged; the movie does not hold the laws.")
    moved = ends[good].mean(1)[:, : theta.size] - theta
    bias, error = moved.mean(0), moved.std(0, ddof=1) / good.sum() ** 0.5
    untold = along @ along.T + fit.averaging.doubt
    spread = jnp.linalg.cholesky(covariance + untold)
    moves = jax.random.normal(draw_key, (draws, theta.size), theta.dtype) @ spread.T
    if shape is not None:
        moves = shape.leant(moves, covariance + untold)
    worst = float(jnp.max(jnp.abs(bias) / jnp.linalg.norm(spread, axis=1)))
    averaged = "start states were averaged over by the fit, so that no bias is taken off"
    notes = [averaged if inferred else f"bias of at most {worst:.2f} standard deviations taken off"]
    if good.sum() < pairs:
        notes.append(f"{pairs - good.sum()} of {pairs} pairs of refits for the bias did not converge and are left out")
    return Posterior(
        fit.equation,
        jax.vmap(rebuild)(theta - (0 if inferred else bias) + moves),
        fit,
        "propagated pixel noise",
        tuple(notes),
        {
            "influence": influence,
            "covariance": covariance,
            "bias": bias,
            "bias_error": error,
            "prior": untold,
        },
    )


def _spread(problem: Problem, expected) -> Float[Array, "time *space"]:
    sd = jnp.sqrt(jax.vmap(problem.likelihood.variance)(problem.variance, expected))
    return jnp.where(jnp.asarray(problem.data.domain.inside), sd, 0)


def _coloured(problem: Problem, values: Float[Array, "row time *space"]) -> Float[Array, "row time *space"]:
    """White frames given the correlation of the noise; the operation is its own transpose."""
    filter_ = problem.likelihood.filter
    if filter_ is None:
        return values
    space = tuple(range(2, values.ndim))
    waves = jnp.fft.rfftn(values, axes=space) / filter_
    return jnp.fft.irfftn(waves, s=values.shape[2:], axes=space).astype(values.dtype)


def _check(problem: Problem, raw: Movie, draws: int, pairs: int) -> None:
    if draws < 1 or pairs < 2:
        raise ValueError(f"`draws` must be at least 1 and `pairs` at least 2, got {draws} and {pairs}.")
    if problem.likelihood.freedom is not None:
        raise ValueError("`propagate` takes Gaussian or counting noise, not heavy tails (`StudentT`); take `ensemble`.")
    same = raw.frames.shape == problem.data.frames.shape
    inside = np.asarray(problem.data.domain.inside)
    if not same or not np.allclose(
        np.asarray(raw.frames)[:, inside], np.asarray(problem.data.frames)[:, inside], rtol=1e-5, atol=1e-6
    ):
        raise ValueError("`raw` must be the movie that the problem judges by, its `data`, with its noise.")

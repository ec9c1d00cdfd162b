"""The misfit of an equation to a problem, and its Gauss–Newton normal equations, streamed frame by frame.

Unknowns are the equation's leaves θ (p numbers) and, for every window, its start coordinates ξ (m numbers), all
standard normal under the prior. Windows share θ only, so the normal matrix is an arrow: one p×p block, and for
each window a p×m and an m×m block. No Jacobian is ever stacked.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.simulate import StepPlan, advance, cut, trajectory
from ..physics.transforms import AbstractTransform
from .problem import Problem


class NormalEquations(eqx.Module):
    """Gauss–Newton curvature and gradient of minus the log posterior, prior included."""

    laws: Float[Array, "p p"]
    cross: Float[Array, "window p m"]
    starts: Float[Array, "window m m"]
    gradient_laws: Float[Array, " p"]
    gradient_starts: Float[Array, "window m"]

    def schur(self) -> Float[Array, "p p"]:
        """Curvature of the laws with the start states marginalised."""
        inner = jnp.linalg.solve(self.starts, jnp.swapaxes(self.cross, 1, 2))
        return self.laws - jnp.einsum("wpm,wmq->pq", self.cross, inner)

    def newton_step(self, damping: float) -> tuple[Float[Array, " p"], Float[Array, "window m"]]:
        """Levenberg–Marquardt step: every diagonal entry of the curvature grown by the factor 1 + damping."""

        def grow(a):
            return a + damping * a * jnp.eye(a.shape[-1], dtype=a.dtype)

        n = NormalEquations(grow(self.laws), self.cross, grow(self.starts), self.gradient_laws, self.gradient_starts)
        inner = jnp.linalg.solve(n.starts, n.gradient_starts[..., None])[..., 0]
        right = n.gradient_laws - jnp.einsum("wpm,wm->p", n.cross, inner)
        laws = -jnp.linalg.solve(n.schur(), right)
        starts = -inner - jnp.linalg.solve(n.starts, jnp.einsum("wpm,p->wm", n.cross, laws)[..., None])[..., 0]
        return laws, starts

    def promise(self, damping: float) -> float:
        """Decrease of the quadratic model by the step with this damping."""
        laws, starts = self.newton_step(damping)
        slope = laws @ self.gradient_laws + jnp.sum(starts * self.gradient_starts)
        curved = (
            laws @ self.laws @ laws
            + 2 * jnp.einsum("p,wpm,wm->", laws, self.cross, starts)
            + jnp.einsum("wm,wmn,wn->", starts, self.starts, starts)
        )
        return float(-slope - 0.5 * curved)


def _observed(problem: Problem, frames):
    return jax.vmap(problem.observe)(frames)


def predict(
    equation: AbstractEquation,
    xi: Float[Array, "window m"],
    problem: Problem,
    geometry: AbstractTransform,
    plan: StepPlan,
) -> Float[Array, "window leg *space"]:
    """The observed state at the end of every leg of every window."""
    times, _, _ = problem.legs()
    ends = StepPlan((1,) * (times.shape[1] - 1), plan.steps, plan.damping, plan.stepper)

    def window(arguments):
        number, coordinates, moments = arguments
        start = problem.starts.state(number, coordinates)
        return _observed(problem, trajectory(equation, geometry, ends, start, moments)[1:])

    return jax.lax.map(window, (jnp.arange(len(xi)), xi, times))


def misfit(problem: Problem, predicted: Float[Array, "window leg *space"]) -> Float[Array, ""]:
    """χ², the noise-weighted sum of squared residuals of what `predict` returned."""
    _, frames, weights = problem.legs()
    return jnp.sum(weights * _residual(frames, weights, predicted) ** 2)


def _residual(frames, weights, predicted):
    # values that are not scored may be anything, NaN too
    return jnp.where(weights > 0, frames - predicted, 0)


def negative_log_posterior(
    equation: AbstractEquation,
    xi: Float[Array, "window m"],
    problem: Problem,
    predicted: Float[Array, "window leg *space"],
) -> Float[Array, ""]:
    """½ χ² + ½ |θ|² + ½ |ξ|², minus the log posterior up to a constant."""
    prior = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(equation)) + jnp.sum(xi**2)
    return 0.5 * (misfit(problem, predicted) + prior)


def linearise(
    equation: AbstractEquation,
    xi: Float[Array, "window m"],
    problem: Problem,
    geometry: AbstractTransform,
    plan: StepPlan,
) -> NormalEquations:
    """Normal equations at a point, by tangents carried along with the solution."""
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    p, m = theta.size, xi.shape[1]
    times, frames, weights = problem.legs()
    inside = np.nonzero(problem.data.domain.inside)

    def leg(state, arguments):
        c, tangents = state
        (start, duration), y, w = arguments

        def ahead(theta, c):
            c = advance(unravel(theta), geometry, plan, start, duration, c)
            return c, problem.observe(c)

        def push(d_theta, d_c):
            return jax.jvp(ahead, (theta, c), (d_theta, d_c))

        along = jnp.concatenate([jnp.eye(p), jnp.zeros((m, p))]).astype(theta.dtype)
        (c, seen), (tangents, d_seen) = jax.vmap(push, out_axes=(None, 0))(along, tangents)
        rows, w_in = d_seen[:, *inside], w[inside]
        weighted = rows * w_in
        curvature = jnp.matmul(weighted, rows.T, precision="highest")
        gradient = -weighted @ _residual(y, w, seen)[inside]
        return (c, tangents), (curvature, gradient)

    def window(arguments):
        number, coordinates, moments, y, w = arguments
        start = problem.starts.state(number, coordinates)
        tangents = jnp.concatenate([jnp.zeros((p, *start.shape), start.dtype), problem.starts.modes])
        spans = cut(moments, (1,) * (moments.size - 1))

        def add(carry, arguments):
            state, curvature, gradient = carry
            state, (more_curvature, more_gradient) = leg(state, arguments)
            return (state, curvature + more_curvature, gradient + more_gradient), None

        zero = (jnp.zeros((p + m, p + m), start.dtype), jnp.zeros(p + m, start.dtype))
        (_, curvature, gradient), _ = jax.lax.scan(add, ((start, tangents), *zero), (spans, y, w))
        return curvature, gradient

    curvature, gradient = jax.lax.map(window, (jnp.arange(len(xi)), xi, times, frames, weights))
    return NormalEquations(
        curvature[:, :p, :p].sum(0) + jnp.eye(p, dtype=theta.dtype),
        curvature[:, :p, p:],
        curvature[:, p:, p:] + jnp.eye(m, dtype=theta.dtype),
        gradient[:, :p].sum(0) + theta,
        gradient[:, p:] + xi,
    )

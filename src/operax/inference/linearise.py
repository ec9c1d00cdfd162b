"""The misfit of an equation to a problem, and its Gauss–Newton normal equations, streamed frame by frame.

Unknowns are the equation's leaves θ (p numbers) and, for every window of every movie, its start coordinates ξ
(m numbers), all standard normal under the prior. Windows share θ only, so the normal matrix is an arrow: one p×p
block, and for each window a p×m and an m×m block. No Jacobian is ever stacked.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..physics.equations import AbstractEquation
from ..physics.plan import StepPlan, advance
from .problem import Problem, split

# Bytes of one field's tangents that are carried side by side. All at once they leave the cache: 32 tangents of 128²
# pixels took 1.4 times as long as in groups of eight, 64 of 64² 1.3 times; one by one 1.7 times.
GROUP = 2**20


class NormalEquations(eqx.Module):
    """Gauss–Newton curvature and gradient of minus the log posterior, prior included."""

    laws: Float[Array, "p p"]
    cross: Float[Array, "window p m"]
    starts: Float[Array, "window m m"]
    gradient_laws: Float[Array, " p"]
    gradient_starts: Float[Array, "window m"]

    def schur(self) -> Float[np.ndarray, "p p"]:
        """Curvature of the laws with the start states marginalised."""
        laws, cross, starts = (np.asarray(a, float) for a in (self.laws, self.cross, self.starts))
        return laws - (cross @ np.linalg.solve(starts, np.swapaxes(cross, 1, 2))).sum(0)

    def informed(self) -> float:
        """How many numbers the movies fixed, start states included: unknowns less those the prior holds."""
        laws = np.linalg.inv(self.schur())
        fixed = len(laws) - np.trace(laws)
        for inner, cross in zip(np.asarray(self.starts, float), np.asarray(self.cross, float)):
            if inner.size:
                alone = np.linalg.inv(inner)
                shift = alone @ cross.T
                fixed += len(inner) - np.trace(alone) - np.trace(shift @ laws @ shift.T)
        return float(fixed)

    def newton_step(self, damping: float) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "window m"]]:
        """Levenberg–Marquardt step: every diagonal entry of the curvature grown by the factor 1 + damping."""
        n = self._exact()

        def grown(a):
            return a * (1 + damping * np.eye(a.shape[-1]))

        n = NormalEquations(grown(n.laws), n.cross, grown(n.starts), n.gradient_laws, n.gradient_starts)
        inner = np.linalg.solve(n.starts, n.gradient_starts[..., None])
        laws = -np.linalg.solve(n.schur(), n.gradient_laws - (n.cross @ inner).sum(0)[:, 0])
        starts = -inner - np.linalg.solve(n.starts, np.swapaxes(n.cross, 1, 2) @ laws[:, None])
        dtypes = self.gradient_laws.dtype, self.gradient_starts.dtype
        return laws.astype(dtypes[0]), starts[..., 0].astype(dtypes[1])

    def promise(self, damping: float) -> float:
        """Decrease of the quadratic model by the step with this damping."""
        n = self._exact()
        laws, starts = self.newton_step(damping)
        slope = laws @ n.gradient_laws + np.sum(starts * n.gradient_starts)
        curved = laws @ n.laws @ laws + np.sum(
            starts[..., None] * (2 * np.swapaxes(n.cross, 1, 2) @ laws[:, None] + n.starts @ starts[..., None])
        )
        return float(-slope - 0.5 * curved)

    def _exact(self) -> "NormalEquations":
        """The same on the host in double precision: small matrices, for which nothing need be compiled."""
        return jax.tree.map(lambda a: np.asarray(a, float), self)


def predict(
    equation: AbstractEquation, xi: Float[Array, "window mode"], problem: Problem, plan: StepPlan
) -> Float[Array, "window slot *space"]:
    """What the instrument would show in every frame of every window of one movie."""

    def window(arguments):
        number, coordinates, legs, ends = arguments
        start = problem.starts.state(number, coordinates)

        @jax.checkpoint
        def leg(carry, span):
            c, seen = carry
            begin, duration, share, _, last = span
            c = _onward(equation, problem, plan, begin, duration, c)
            seen = seen + share * problem.observe(c)
            return (c, jnp.where(last, 0, seen)), seen

        return jax.lax.scan(leg, (start, jnp.zeros_like(start)), legs)[1][ends]

    s = problem.schedule
    return jax.lax.map(window, (jnp.arange(len(xi)), xi, s.legs, s.ends))


def _onward(equation, problem, plan, begin, duration, c):
    """The state one leg later; a leg of no duration, beyond what is judged, costs nothing."""
    return jax.lax.cond(
        duration > 0, lambda c: advance(equation, problem.geometry, plan, begin, duration, c), lambda c: c, c
    )


def loss(problem: Problem, predicted: Float[Array, "window slot *space"]) -> Float[Array, ""]:
    """Minus the log likelihood of a movie, up to a constant."""
    per_frame = jax.vmap(jax.vmap(problem.likelihood.loss))
    return jnp.sum(per_frame(*problem.targets(), predicted))


def misfit(problem: Problem, predicted: Float[Array, "window slot *space"]) -> Float[Array, ""]:
    """χ²: the squared residuals of what `predict` returned in units of the noise, summed."""
    per_frame = jax.vmap(jax.vmap(problem.likelihood.chi2))
    return jnp.sum(per_frame(*problem.targets(), predicted))


def negative_log_posterior(
    equation: AbstractEquation,
    xi: Float[Array, "window mode"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
) -> Float[Array, ""]:
    """Minus the log posterior up to a constant: losses of all movies + ½ |θ|² + ½ |ξ|²."""
    prior = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(equation)) + jnp.sum(xi**2)
    return 0.5 * prior + sum(
        loss(problem, predict(equation, own, problem, plan))
        for problem, own, plan in zip(problems, split(xi, problems), plans)
    )


@eqx.filter_jit
def _blocks(
    equation: AbstractEquation, xi: Float[Array, "window m"], problem: Problem, plan: StepPlan
) -> tuple[Float[Array, "window p+m p+m"], Float[Array, "window p+m"]]:
    """Curvature and gradient of minus the log likelihood for each window of one movie."""
    theta, unravel = jax.flatten_util.ravel_pytree(equation)
    p, m = theta.size, xi.shape[1]
    judge = problem.likelihood
    inside = np.nonzero(problem.data.domain.inside)

    def window(arguments):
        number, coordinates, legs, frames, real = arguments
        start = problem.starts.state(number, coordinates)
        dtype = start.dtype
        groups = _groups(p + m, start)
        along = _grouped(jnp.concatenate([jnp.eye(p), jnp.zeros((m, p))]).astype(theta.dtype), groups)

        def compared(slot, seen, tangents):
            """What a complete frame adds."""
            frame = frames[slot]
            target = problem.data.frames[frame], problem.factor[frame] * real[slot], problem.variance[frame]
            tangents = tangents.reshape(-1, *seen.shape)[: p + m]
            rows = jax.vmap(judge.information(*target[1:], seen))(tangents)[:, *inside]
            slope = jax.grad(judge.loss, argnums=3)(*target, seen)
            # spare legs of a short window may have gone anywhere
            slope = jnp.where(real[slot], slope, 0)[inside]
            rows = jnp.where(real[slot], rows, 0)
            return jnp.matmul(rows, rows.T, precision="highest"), tangents[:, *inside] @ slope

        def leg(carry, span):
            c, tangents, seen, seen_tangents, curvature, gradient = carry
            begin, duration, share, slot, last = span

            def ahead(theta, c):
                c = _onward(unravel(theta), problem, plan, begin, duration, c)
                return c, share * problem.observe(c)

            def push(d_theta, d_c):
                return jax.jvp(ahead, (theta, c), (d_theta, d_c))

            def group(_, directions):
                # the state itself is the same for every group
                return jax.vmap(push, out_axes=(None, 0))(*directions)

            (c, more), (tangents, more_tangents) = jax.lax.scan(group, (c, seen), (along, tangents))
            seen, seen_tangents = seen + more, seen_tangents + more_tangents
            zero = jnp.zeros_like(curvature), jnp.zeros_like(gradient)
            added = jax.lax.cond(last, compared, lambda *_: zero, slot, seen, seen_tangents)
            seen, seen_tangents = jnp.where(last, 0, seen), jnp.where(last, 0, seen_tangents)
            return (c, tangents, seen, seen_tangents, curvature + added[0], gradient + added[1]), None

        tangents = _grouped(jnp.concatenate([jnp.zeros((p, *start.shape), dtype), problem.starts.modes]), groups)
        nothing = jnp.zeros((p + m, p + m), dtype), jnp.zeros(p + m, dtype)
        carry = (start, tangents, jnp.zeros_like(start), jnp.zeros_like(tangents), *nothing)
        return jax.lax.scan(leg, carry, legs)[0][-2:]

    s = problem.schedule
    return jax.lax.map(window, (jnp.arange(len(xi)), xi, s.legs, jnp.asarray(s.frames), jnp.asarray(s.real)))


def _groups(count: int, c: Array) -> int:
    """In how many groups so many tangents of a state are carried."""
    if jax.default_backend() != "cpu":
        return 1
    return -(-count // max(2, GROUP // c.nbytes))


def _grouped(rows: Array, groups: int) -> Array:
    """Rows in groups of equal size, the last filled up with zeros."""
    each = -(-len(rows) // groups)
    spare = groups * each - len(rows)
    return jnp.pad(rows, ((0, spare), *((0, 0),) * (rows.ndim - 1))).reshape(groups, each, *rows.shape[1:])


def linearise(
    equation: AbstractEquation,
    xi: Float[Array, "window m"],
    problems: tuple[Problem, ...],
    plans: tuple[StepPlan, ...],
) -> NormalEquations:
    """Normal equations at a point, by tangents carried along with the solution."""
    theta = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(equation)])
    p, most = theta.size, xi.shape[1]
    curvatures, gradients = [], []
    for problem, own, plan in zip(problems, split(xi, problems), plans):
        curvature, gradient = map(np.asarray, _blocks(equation, own, problem, plan))
        spare = most - own.shape[1]
        curvatures.append(np.pad(curvature, ((0, 0), (0, spare), (0, spare))))
        gradients.append(np.pad(gradient, ((0, 0), (0, spare))))
    curvature, gradient = np.concatenate(curvatures), np.concatenate(gradients)
    blocks = (
        curvature[:, :p, :p].sum(0) + np.eye(p, dtype=theta.dtype),
        curvature[:, :p, p:],
        curvature[:, p:, p:] + np.eye(most, dtype=theta.dtype),
        gradient[:, :p].sum(0) + theta,
        gradient[:, p:] + np.asarray(xi),
    )
    return NormalEquations(*map(jnp.asarray, blocks))

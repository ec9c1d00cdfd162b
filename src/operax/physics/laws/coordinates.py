"""The unknown numbers of a law as one vector: draw them from the prior, differentiate by them, make them known."""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from .law import AbstractLaw, as_law

Tree = TypeVar("Tree", bound=PyTree)


def draw(law: Tree, *, key: Key[Array, ""]) -> Tree:
    """The same law, or equation, with its unknown numbers drawn from their prior by a random ``key``."""
    theta, rebuild = ravel_pytree(law)
    return rebuild(jax.random.normal(key, theta.shape, theta.dtype))


def tangents(law: AbstractLaw, c: Float[Array, "*shape"]) -> Float[Array, "unknowns *shape"]:
    """How the law at every composition changes with each of its unknown numbers.

    For a law that is linear in its unknown numbers (Legendre, Spline, RedlichKister) these are its basis
    functions times the prior standard deviations, so the prior variance of the law is their sum of squares.

    Returns
    -------
    tangents
        ∂law(c)/∂θᵢ in the order of the law's leaves; none for a known law.
    """
    theta, rebuild = ravel_pytree(law)
    c = jnp.asarray(c)
    if theta.size == 0:
        return jnp.zeros((0, *c.shape), c.dtype)
    along = jax.linearize(lambda theta: rebuild(theta)(c), theta)[1]
    return jax.vmap(along)(jnp.eye(theta.size, dtype=theta.dtype))


class Frozen(AbstractLaw):
    """A law whose unknown ``numbers`` are now known, with its ``structure``; made by `freeze`."""

    structure: jax.tree_util.PyTreeDef = eqx.field(static=True)
    numbers: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...] = eqx.field(static=True)

    def __call__(self, c):
        dtype = jnp.result_type(c)
        leaves = [jnp.asarray(np.reshape(values, shape), dtype) for shape, values in self.numbers]
        return jax.tree_util.tree_unflatten(self.structure, leaves)(c)

    @property
    def uniform(self):
        leaves = [np.reshape(values, shape) for shape, values in self.numbers]
        return jax.tree_util.tree_unflatten(self.structure, leaves).uniform


def freeze(law: AbstractLaw) -> AbstractLaw:
    """The same law with its present coefficients known, so that a fit leaves it alone."""
    leaves, structure = jax.tree_util.tree_flatten(as_law(law))
    return Frozen(structure, tuple((np.shape(x), tuple(np.ravel(x).tolist())) for x in leaves))

"""Equations with many small positive definite matrices, written out: batched LAPACK calls can wait for each other."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def solved(
    matrices: Float[Array, "*pixel n n"], right: Float[Array, "*pixel n k"]
) -> tuple[Float[Array, "*pixel n k"], Float[Array, "*pixel"]]:
    """Solutions X of A X = B, and log det A, by Gauss–Jordan elimination.

    A positive definite matrix needs no pivoting.
    """
    n = matrices.shape[-1]
    rows = jnp.concatenate([matrices, right], -1)
    logarithm = jnp.zeros(matrices.shape[:-2], matrices.dtype)
    for k in range(n):
        head = rows[..., k, k]
        logarithm = logarithm + jnp.log(head)
        pivot = rows[..., k, :] / head[..., None]
        rows = (rows - rows[..., :, k, None] * pivot[..., None, :]).at[..., k, :].set(pivot)
    return rows[..., n:], logarithm

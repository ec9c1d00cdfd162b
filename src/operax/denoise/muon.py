"""Muon: momentum made orthogonal, which trains small convolution networks in a third of Adam's steps."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Memory of the momentum and of Adam's two averages, the latter for biases and output layers.
MOMENTUM = 0.9
SQUARES = 0.99
# Newton-Schulz coefficients that lift singular values towards one in five rounds.
ROUNDS = 5
LIFT = (3.4445, -4.7750, 2.0315)
# Root mean square of an update, as large as Adam's typically is.
SIZE = 0.2
# Layers that give fewer numbers than this a pixel are output layers.
OUTPUTS = 3


def orthogonal(matrix: Float[Array, "row column"]) -> Float[Array, "row column"]:
    """The matrix with all its singular values brought near one, at a root mean square of `SIZE`."""
    rows, columns = matrix.shape
    x = matrix.T if rows > columns else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    a, b, c = LIFT

    def lifted(_, x):
        gram = x @ x.T
        return a * x + (b * gram + c * gram @ gram) @ x

    # A compiled loop takes half the time of five rounds written out.
    x = jax.lax.fori_loop(0, ROUNDS, lifted, x)
    return SIZE * max(rows, columns) ** 0.5 * (x.T if rows > columns else x)


def begin(weights) -> tuple:
    """State before the first step: momentum, mean squares, count."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return zeros, zeros, jnp.zeros((), jnp.float32)


def step(gradient, state) -> tuple:
    """The direction to go against, of about unit size an entry, and the next state.

    References
    ----------
    Jordan et al. (2024), https://kellerjordan.github.io/posts/muon; its scale beside Adam: Liu et al. (2025),
    arXiv:2502.16982. Adam: Kingma, Ba (2015), arXiv:1412.6980.
    """
    momentum, squares, count = state
    count = count + 1
    momentum = jax.tree.map(lambda m, g: MOMENTUM * m + (1 - MOMENTUM) * g, momentum, gradient)
    squares = jax.tree.map(lambda s, g: SQUARES * s + (1 - SQUARES) * g**2, squares, gradient)

    def direction(g, m, s):
        if g.ndim > 1 and g.shape[-1] >= OUTPUTS:
            ahead = MOMENTUM * m + (1 - MOMENTUM) * g
            return orthogonal(ahead.reshape(-1, g.shape[-1])).reshape(g.shape)
        return m / (1 - MOMENTUM**count) / (jnp.sqrt(s / (1 - SQUARES**count)) + 1e-8)

    return jax.tree.map(direction, gradient, momentum, squares), (momentum, squares, count)

"""What an instrument makes of a state before it is compared with a frame."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..domain import Domain


class AsItIs(eqx.Module):
    """An instrument that shows the state itself."""

    def __call__(self, c: Float[Array, "*space"]) -> Float[Array, "*space"]:
        return c


class Function(eqx.Module):
    """A function of the state, held by identity: a fresh lambda for every problem compiles every time anew."""

    function: Callable = eqx.field(static=True)

    def __call__(self, c: Float[Array, "*space"]) -> Float[Array, "*space"]:
        return self.function(c)


class Blur(eqx.Module):
    """Point-spread function: a Gaussian blur of the image, as `Problem`'s ``observe``.

    Parameters
    ----------
    domain
        Where the movie lies; no-flux ends reflect, periodic ones go round.
    width
        Standard deviation of the point-spread function in units of length; one number or one an axis.
    background
        Value the instrument sees outside the particles.

    Raises
    ------
    ValueError
        If a width is negative or not finite.
    """

    along: tuple[Float[np.ndarray, "n n"], ...]
    outside: Float[np.ndarray, "*space"]

    def __init__(self, domain: Domain, width: float | tuple[float, ...], background: float = 0.0):
        widths = np.broadcast_to(np.asarray(width, float), (domain.ndim,))
        if not (np.isfinite(widths).all() and (widths >= 0).all()):
            raise ValueError(f"`width` must be finite and zero or positive, got {width}.")
        self.along = tuple(
            _spread(n, w / h, boundary)
            for n, w, h, boundary in zip(domain.shape, widths, domain.spacing, domain.boundary)
        )
        self.outside = np.where(domain.inside, 0.0, background)

    def __call__(self, c: Float[Array, "*space"]) -> Float[Array, "*space"]:
        image = c + jnp.asarray(self.outside, c.dtype)
        for axis, matrix in enumerate(self.along):
            m = jnp.asarray(matrix, c.dtype)
            image = jnp.moveaxis(jnp.tensordot(m, image, (1, axis), precision="highest"), 0, axis)
        return image


def _spread(n: int, width: float, boundary: str) -> np.ndarray:
    """What pixel j gives to pixel i, rows summing to one; ``width`` in pixels."""
    if width == 0:
        return np.eye(n)
    # images of a pixel in the mirrors, or round the ring, as far as the Gaussian reaches
    reach = int(np.ceil(8 * width / n)) + 1
    x = np.arange(n)
    matrix = np.zeros((n, n))
    for turn in range(-reach, reach + 1):
        sources = [x + turn * n] if boundary == "periodic" else [x + 2 * turn * n, -1 - x + 2 * turn * n]
        for source in sources:
            matrix += np.exp(-0.5 * ((x[:, None] - source[None]) / width) ** 2)
    return matrix / matrix.sum(1, keepdims=True)

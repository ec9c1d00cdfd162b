"""A small network as a law, for what is left over by the others."""

from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .extension import LEVEL, check_span, extended
from .law import AbstractLaw
from .unknown import check_std

# Prior spread of a unit's steepness, as a part of it, and of its place, in units of the distance between units.
STEEPNESS, PLACE = 0.5, 1.0
# Points of the span over which the mean is taken out.
NODES = 24


def _units(width):
    """Steepness and offset of every unit at the prior's centre: steps at even distances over [-1, 1]."""
    steepness = np.full(width, width / 2)
    return steepness, -steepness * ((2 * np.arange(width) + 1) / width - 1)


@lru_cache(maxsize=64)
def _spread(width: int) -> float:
    """Root of the prior variance over the span of Σₕ vₕ tanh(wₕx + bₕ), vₕ standard normal, by quadrature."""
    z, weight = np.polynomial.hermite_e.hermegauss(16)
    weight = weight / weight.sum()
    x, over = np.polynomial.legendre.leggauss(NODES)
    steepness, offset = (u[:, None, None, None] for u in _units(width))
    w = steepness * (1 + STEEPNESS * z[:, None, None])
    b = offset + PLACE * z[:, None]
    step = np.tanh(w * x + b)
    variance = (step**2 @ (over / 2)) - (step @ (over / 2)) ** 2
    return float(np.sqrt(np.einsum("hij,i,j->", variance, weight, weight)))


class Neural(AbstractLaw):
    """Unknown network with one hidden layer and zero mean over its span, to be added to other laws.

        f(c) ∝ Σₕ vₕ ( tanh(wₕ x + bₕ) − mean ),    x from -1 to 1 over ``span``

    The prior's centre of the hidden layer is not zero but steps at even distances over the span: at v = 0 the law
    is zero and its gradient by v is not, and no two units are alike. There is nothing to draw, so two networks of
    one shape are the same law. Outside ``span`` the law goes on along its tangent and levels off.

    Parameters
    ----------
    width
        Number of hidden units, at least two. Three unknown numbers each.
    std
        Prior standard deviation of the law, as a root mean square over ``span``.
    span
        Range of compositions mapped to [-1, 1].

    Notes
    -----
    The law is not linear in its unknown numbers: its posterior may have several modes, fits take more steps, and
    Gaussian bands are less to be trusted. Take it for a residual that `Spline` or `Legendre` cannot follow.
    """

    width: int = eqx.field(static=True)
    std: float = eqx.field(static=True, converter=float)
    span: tuple[float, float] = eqx.field(static=True)
    coordinates: Float[Array, "3 width"]

    def __init__(self, width=8, std=1.0, span=(0.0, 1.0)):
        self.width, self.std, self.span = width, std, (float(span[0]), float(span[1]))
        self.coordinates = jnp.zeros((3, max(int(width), 0)))

    def __check_init__(self):
        if not (isinstance(self.width, int) and self.width >= 2):
            raise ValueError(f"`width` must be an integer of at least two, got {self.width!r}.")
        check_span(self.span)
        check_std(self.std)

    def __call__(self, c):
        dtype = self.coordinates.dtype
        steepness, offset = (jnp.asarray(u, dtype) for u in _units(self.width))
        w = steepness * (1 + STEEPNESS * self.coordinates[1])
        b = offset + PLACE * self.coordinates[2]
        v = self.coordinates[0] * (self.std / _spread(self.width))
        x, over = (jnp.asarray(u, dtype) for u in np.polynomial.legendre.leggauss(NODES))
        mean = v @ jnp.tanh(jnp.outer(w, x) + b[:, None]) @ (over / 2)
        low, high = self.span

        def network(c, v, w, b, mean):
            x = (2 * c - low - high) / (high - low)
            return sum(v[h] * jnp.tanh(w[h] * x + b[h]) for h in range(self.width)) - mean

        return extended(network, c, low, high, LEVEL * (high - low), (v, w, b, mean))

    @property
    def uniform(self):
        return False

"""What every geometry answers; the steppers know a geometry only through this."""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from ...domain import Domain


class AbstractTransform(eqx.Module):
    """Between pixels and the eigenmodes of minus the discrete Laplacian.

    The Laplacian is that of the geometry with nothing given at its ends: a fixed value is zero there.
    """

    domain: eqx.AbstractVar[Domain]
    eigenvalues: eqx.AbstractVar[Float[np.ndarray, "*modes"]]  # λ ≥ 0, per length²

    @abc.abstractmethod
    def forward(self, u: Float[Array, "*space"]) -> Inexact[Array, "*modes"]:
        """Mode amplitudes of one field."""

    @abc.abstractmethod
    def inverse(self, amplitudes: Inexact[Array, "*modes"]) -> Float[Array, "*space"]:
        """The field with these mode amplitudes."""

    @abc.abstractmethod
    def solve(
        self, a: float | Float[Array, ""], b: float | Float[Array, ""], c: float | Float[Array, ""],
        u: Float[Array, "*space"],
    ) -> Float[Array, "*space"]:  # fmt: skip
        """The field x with (a + bΛ + cΛ²) x = u, Λ minus the discrete Laplacian; a > 0, b ≥ 0 and c ≥ 0."""


def solve_by_modes(geometry: AbstractTransform, a, b, c, u: Float[Array, "*space"]) -> Float[Array, "*space"]:
    """`AbstractTransform.solve` where there is a transform: a division in the eigenmodes."""
    eigenvalues = jnp.asarray(geometry.eigenvalues, u.dtype)
    return geometry.inverse(geometry.forward(u) / (a + b * eigenvalues + c * eigenvalues**2))

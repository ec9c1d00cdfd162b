"""One transform for each geometry: it diagonalises the discrete Laplacian of `operators` exactly.

The steppers know a geometry only through ``forward``, ``inverse`` and ``eigenvalues``. A box takes cosines along
its no-flux axes and a real Fourier transform along its periodic ones; a particle mask takes the eigenvectors of
its own Laplacian.
"""

import abc
from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Inexact

from ..domain import Domain

# A dense eigenbasis of n pixels costs n² numbers and an O(n³) factorisation, once a mask.
LARGEST_MASK = 5000


class AbstractTransform(eqx.Module):
    """Between pixels and the eigenmodes of minus the discrete Laplacian."""

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


def by_modes(geometry: AbstractTransform, a, b, c, u: Float[Array, "*space"]) -> Float[Array, "*space"]:
    """`AbstractTransform.solve` where there is a transform: a division in the eigenmodes."""
    eigenvalues = jnp.asarray(geometry.eigenvalues, u.dtype)
    return geometry.inverse(geometry.forward(u) / (a + b * eigenvalues + c * eigenvalues**2))


class Box(AbstractTransform):
    """Cosines (matrix products) along no-flux axes, real Fourier transform along periodic axes."""

    domain: Domain = eqx.field(static=True)
    eigenvalues: Float[np.ndarray, "*modes"]
    cosines: tuple[Float[np.ndarray, "n n"], ...]

    def __init__(self, domain: Domain):
        self.domain = domain
        last = max(self._axes("periodic"), default=None)
        total = np.zeros(())
        for axis, (n, h, boundary) in enumerate(zip(domain.shape, domain.spacing, domain.boundary)):
            total = np.add.outer(total, _eigenvalues(n, h, boundary)[: n // 2 + 1 if axis == last else n])
        self.eigenvalues = total
        self.cosines = tuple(_cosines(domain.shape[axis]) for axis in self._axes("no-flux"))

    def _axes(self, boundary):
        return tuple(i for i, b in enumerate(self.domain.boundary) if b == boundary)

    def _rotate(self, u, transpose):
        for axis, matrix in zip(self._axes("no-flux"), self.cosines):
            m = jnp.asarray(matrix.T if transpose else matrix, u.real.dtype)
            u = jnp.moveaxis(jnp.tensordot(m, u, (1, axis), precision="highest"), 0, axis)
        return u

    def forward(self, u):
        u = self._rotate(u, transpose=False)
        periodic = self._axes("periodic")
        return jnp.fft.rfftn(u, axes=periodic) if periodic else u

    def inverse(self, amplitudes):
        periodic = self._axes("periodic")
        if periodic:
            shape = [self.domain.shape[i] for i in periodic]
            amplitudes = jnp.fft.irfftn(amplitudes, s=shape, axes=periodic)
        return self._rotate(amplitudes, transpose=True)

    def solve(self, a, b, c, u):
        return by_modes(self, a, b, c, u)


class Eigenbasis(AbstractTransform):
    """The eigenvectors of the Laplacian of the pixels inside a particle mask; fields are zero outside."""

    domain: Domain = eqx.field(static=True)
    eigenvalues: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"]  # pixel, mode

    def __init__(self, domain: Domain):
        pixels = int(domain.inside.sum())
        if pixels > LARGEST_MASK:
            raise ValueError(
                f"the particle mask has {pixels} pixels inside; the eigenbasis of a mask is made for up to "
                f"{LARGEST_MASK}. Crop to fewer particles or bin the movie."
            )
        self.domain = domain
        self.eigenvalues, self.vectors = scipy.linalg.eigh(_mask_laplacian(domain), driver="evd")
        self.eigenvalues = np.maximum(self.eigenvalues, 0.0)

    def forward(self, u):
        inside = u[np.nonzero(self.domain.inside)]
        return jnp.matmul(inside, jnp.asarray(self.vectors, u.dtype), precision="highest")

    def inverse(self, amplitudes):
        inside = jnp.matmul(jnp.asarray(self.vectors, amplitudes.dtype), amplitudes, precision="highest")
        return jnp.zeros(self.domain.shape, inside.dtype).at[np.nonzero(self.domain.inside)].set(inside)

    def solve(self, a, b, c, u):
        return by_modes(self, a, b, c, u)


def _eigenvalues(n, h, boundary):
    k = np.arange(n)
    angle = np.pi * k / n if boundary == "no-flux" else 2 * np.pi * k / n
    return (2 - 2 * np.cos(angle)) / h**2


def _cosines(n):
    """Orthonormal DCT-II as a matrix, mode by pixel."""
    k, x = np.arange(n)[:, None], np.arange(n)[None] + 0.5
    matrix = np.sqrt(2 / n) * np.cos(np.pi * k * x / n)
    matrix[0] /= np.sqrt(2)
    return matrix


def _mask_laplacian(domain):
    """Minus the discrete Laplacian between the pixels inside, as a dense symmetric matrix."""
    number = np.full(domain.shape, -1)
    number[domain.inside] = np.arange(domain.inside.sum())
    matrix = np.zeros((number.max() + 1,) * 2)
    for axis, (h, boundary) in enumerate(zip(domain.spacing, domain.boundary)):
        high = np.roll(number, -1, axis)
        low = number
        if boundary == "no-flux":
            cut = [slice(None)] * domain.ndim
            cut[axis] = slice(0, -1)
            low, high = number[tuple(cut)], high[tuple(cut)]
        joined = (low >= 0) & (high >= 0) & (low != high)
        i, j = low[joined], high[joined]
        np.add.at(matrix, (i, i), h**-2)
        np.add.at(matrix, (j, j), h**-2)
        np.add.at(matrix, (i, j), -(h**-2))
        np.add.at(matrix, (j, i), -(h**-2))
    return matrix


@lru_cache(maxsize=16)
def transform(domain: Domain) -> AbstractTransform:
    """The transform of a domain; the last few are kept."""
    return Eigenbasis(domain) if domain.masked else Box(domain)


def smooth_modes(
    domain: Domain, largest: float
) -> tuple[Float[np.ndarray, "modes *space"], Float[np.ndarray, " modes"]]:
    """Real eigenmodes of minus the Laplacian with wavenumber up to ``largest``, smoothest first.

    Returns
    -------
    modes, wavenumbers
        Modes of mean square one over the inside and zero outside, and √λ of each, in radians per length.
    """
    if domain.masked:
        basis = transform(domain)
        assert isinstance(basis, Eigenbasis)
        keep = np.sqrt(basis.eigenvalues) <= largest
        modes = np.zeros((keep.sum(), *domain.shape))
        modes[:, domain.inside] = basis.vectors[:, keep].T * np.sqrt(domain.inside.sum())
        return modes, np.sqrt(basis.eigenvalues[keep])
    modes, squares = np.ones((1,)), np.zeros(1)
    for n, h, boundary in zip(domain.shape, domain.spacing, domain.boundary):
        along, values = _axis_modes(n, h, boundary)
        along, values = along[values <= largest**2], values[values <= largest**2]
        modes = np.einsum("i...,jx->ij...x", modes, along).reshape(-1, *modes.shape[1:], n)
        squares = np.add.outer(squares, values).ravel()
        modes, squares = modes[squares <= largest**2], squares[squares <= largest**2]
    order = np.argsort(squares, kind="stable")
    return modes[order], np.sqrt(squares[order])


def _axis_modes(n, h, boundary):
    if boundary == "no-flux":
        return _cosines(n) * np.sqrt(n), _eigenvalues(n, h, boundary)
    k, x = np.arange(1, (n - 1) // 2 + 1)[:, None], np.arange(n)[None]
    waves = [
        np.ones((1, n)),
        np.sqrt(2) * np.cos(2 * np.pi * k * x / n),
        np.sqrt(2) * np.sin(2 * np.pi * k * x / n),
    ]
    values = _eigenvalues(n, h, boundary)
    squares = [values[:1], values[1 : len(k) + 1], values[1 : len(k) + 1]]
    if n % 2 == 0:
        waves.append(np.cos(np.pi * x))
        squares.append(values[n // 2 : n // 2 + 1])
    return np.concatenate(waves), np.concatenate(squares)

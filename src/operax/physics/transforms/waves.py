"""Sines and cosines along one axis: the eigenvectors of minus the second difference, for every kind of ends.

With pixel centres at x = (j + ½)/n a closed end (no flux, or a fixed flux) makes a wave even about it, a fixed
value makes it odd: cosines, sines, and quarter waves where the two ends differ.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Up to here a product with the matrix of the waves is faster than a Fourier transform of twice the length.
LARGEST_MATRIX = 128


def angles(n: int, ends: tuple[str, str]) -> Float[np.ndarray, " n"]:
    """Phase advance from pixel to pixel of each wave, lowest first; an axis that is periodic has no such order."""
    if ends[0] == "periodic":
        return 2 * np.pi * np.arange(n) / n
    fixed = [end == "fixed-value" for end in ends]
    return np.pi * (np.arange(n) + sum(fixed) / 2) / n


def eigenvalues(n: int, h: float, ends: tuple[str, str]) -> Float[np.ndarray, " n"]:
    """Eigenvalue of minus the second difference for each wave: (2 − 2 cos θ)/h² = (4/h²) sin²(θ/2)."""
    return (2 * np.sin(angles(n, ends) / 2) / h) ** 2


def matrix(n: int, ends: tuple[str, str]) -> Float[np.ndarray, "n n"]:
    """Orthonormal waves of an axis with two ends, wave by pixel."""
    phase = angles(n, ends)[:, None] * (np.arange(n) + 0.5)
    waves = np.sqrt(2 / n) * (np.sin(phase) if ends[0] == "fixed-value" else np.cos(phase))
    fixed = [end == "fixed-value" for end in ends]
    if not any(fixed):
        waves[0] /= np.sqrt(2)
    if all(fixed):
        waves[-1] /= np.sqrt(2)  # sin(π (j + ½)) = ±1
    return waves


class Waves(eqx.Module):
    """The transform along an axis with two ends: a matrix product for few pixels, a mirrored FFT for many."""

    size: int = eqx.field(static=True)
    ends: tuple[str, str] = eqx.field(static=True)
    matrix: Float[np.ndarray, "n n"] | None

    def __init__(self, size: int, ends: tuple[str, str]):
        self.size, self.ends = size, ends
        self.matrix = matrix(size, ends) if size <= LARGEST_MATRIX else None

    def forward(self, u: Float[Array, "*space"], axis: int) -> Float[Array, "*space"]:
        """Amplitudes along one axis."""
        return self._fast(u, axis, inverse=False) if self.matrix is None else _multiply(self.matrix, u, axis)

    def inverse(self, amplitudes: Float[Array, "*space"], axis: int) -> Float[Array, "*space"]:
        """Values along one axis."""
        if self.matrix is None:
            return self._fast(amplitudes, axis, inverse=True)
        return _multiply(self.matrix.T, amplitudes, axis)

    def _fast(self, u, axis, inverse):
        u = jnp.moveaxis(u, axis, -1)
        signs = jnp.asarray((-1.0) ** np.arange(self.size), u.dtype)
        match [end == "fixed-value" for end in self.ends]:
            case [False, False]:
                u = _cosines_back(u) if inverse else _cosines(u)
            case [True, True]:  # sin(π k x) = ± cos(π (n − k) x) at the pixels
                u = signs * _cosines_back(u[..., ::-1]) if inverse else _cosines(signs * u)[..., ::-1]
            case [False, True]:
                u = _quarter_cosines(u)
            case [True, False]:  # a quarter sine is a quarter cosine seen from the other end
                u = _quarter_cosines(signs * u)[..., ::-1] if inverse else signs * _quarter_cosines(u[..., ::-1])
        return jnp.moveaxis(u, -1, axis)


def _multiply(matrix, u, axis):
    product = jnp.tensordot(jnp.asarray(matrix, u.dtype), u, (1, axis), precision="highest")
    return jnp.moveaxis(product, 0, axis)


def _turn(angle, like):
    return jnp.asarray(np.exp(1j * angle), jnp.result_type(like.dtype, jnp.complex64))


def _cosines(u):
    """Orthonormal DCT-II along the last axis, by a real FFT of twice the length."""
    n = u.shape[-1]
    scale = np.full(n, np.sqrt(2 / n))
    scale[0] = np.sqrt(1 / n)
    turned = jnp.fft.rfft(u, 2 * n)[..., :n] * _turn(-np.pi * np.arange(n) / (2 * n), u)
    return turned.real * jnp.asarray(scale, u.dtype)


def _cosines_back(a):
    """The inverse of `_cosines`."""
    n = a.shape[-1]
    scale = np.full(n, np.sqrt(2 * n))
    scale[0] = 2 * np.sqrt(n)
    turned = a * jnp.asarray(scale, a.dtype) * _turn(np.pi * np.arange(n) / (2 * n), a)
    return jnp.fft.irfft(turned, 2 * n)[..., :n]


def _quarter_cosines(u):
    """Orthonormal DCT-IV along the last axis, its own inverse: (k + ½)(j + ½) = kj + j/2 + k/2 + ¼."""
    n = u.shape[-1]
    steps = np.arange(n)
    transformed = jnp.fft.fft(u * _turn(-np.pi * steps / (2 * n), u), 2 * n)[..., :n]
    return (transformed * _turn(-np.pi * (steps / 2 + 0.25) / n, u)).real * float(np.sqrt(2 / n))

"""The transform of a particle mask: the eigenvectors of its own Laplacian, one block a particle."""

from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from ...domain import Domain
from .cache import kept_or_made
from .interface import AbstractTransform, solve_by_modes
from .particles import particles

# Particles up to this many pixels share a batch with others of nearly their size; larger ones stand alone.
SMALL = 256
# A batch is filled up with empty pixels to its largest particle; none is smaller than this part of it.
FILLED = 0.75


class Eigenbasis(AbstractTransform):
    """Eigenvectors of the Laplacian of the pixels inside a particle mask; fields are zero outside.

    Each particle is a block of its own, and its level mode is exact, so each keeps its mass. Particles of
    nearly equal size are batched; amplitudes of the pixels that fill up a batch are zero.
    """

    domain: Domain = eqx.field(static=True)
    eigenvalues: Float[np.ndarray, " n"]
    blocks: tuple[Float[np.ndarray, "particles pixels modes"], ...]

    def __init__(self, domain: Domain):
        self.domain = domain
        matrix = particles(domain).laplacian
        number = np.full(domain.inside.size, -1)
        number[np.flatnonzero(domain.inside)] = np.arange(matrix.shape[0])
        every, blocks = [], []
        for batch in _batches(domain):
            size = batch.shape[1]
            values, vectors = np.zeros(batch.shape), np.zeros((len(batch), size, size))
            for k, places in enumerate(batch):
                inside = number[places[places >= 0]]
                n = len(inside)
                values[k, :n], vectors[k, :n, :n] = kept_or_made(matrix[inside][:, inside], _modes)
            every.append(values.ravel())
            blocks.append(vectors)
        self.eigenvalues, self.blocks = np.concatenate(every), tuple(blocks)

    def forward(self, u):
        u = u.ravel()
        amplitudes = []
        for places, vectors in zip(_batches(self.domain), self.blocks):
            # empty pixels read any value: their rows are zero
            here, basis = u[places], jnp.asarray(vectors, u.dtype)
            if len(basis) == 1:  # not a batch: a plain product is what runs fast under `jax.vmap`
                product = jnp.matmul(here[0], basis[0], precision="highest")
            else:
                product = jnp.einsum("pi,pij->pj", here, basis, precision="highest")
            amplitudes.append(product.ravel())
        return jnp.concatenate(amplitudes)

    def inverse(self, amplitudes):
        u, start = jnp.zeros(self.domain.inside.size, amplitudes.dtype), 0
        for places, vectors in zip(_batches(self.domain), self.blocks):
            here, basis = amplitudes[start : start + places.size], jnp.asarray(vectors, amplitudes.dtype)
            start += places.size
            if len(basis) == 1:
                product = jnp.matmul(basis[0], here, precision="highest")[None]
            else:
                product = jnp.einsum("pij,pj->pi", basis, here.reshape(places.shape), precision="highest")
            filled = places >= 0
            u = u.at[places[filled]].set(product[np.nonzero(filled)])
        return u.reshape(self.domain.shape)

    def solve(self, a, b, c, u):
        return solve_by_modes(self, a, b, c, u)

    def modes(self, largest: float) -> tuple[Float[np.ndarray, "modes *space"], Float[np.ndarray, " modes"]]:
        """Orthonormal eigenvectors with eigenvalue up to ``largest`` as fields, smoothest first, and eigenvalues."""
        found, squares, start = [], [], 0
        for places, vectors in zip(_batches(self.domain), self.blocks):
            for pixels, columns in zip(places, vectors):
                values = self.eigenvalues[start : start + len(pixels)]
                start += len(pixels)
                keep = np.flatnonzero((values <= largest) & (np.arange(len(pixels)) < (pixels >= 0).sum()))
                fields = np.zeros((len(keep), self.domain.inside.size))
                fields[:, pixels[pixels >= 0]] = columns[pixels >= 0][:, keep].T
                found.append(fields)
                squares.append(values[keep])
        order = np.argsort(np.concatenate(squares), kind="stable")
        return (
            np.concatenate(found)[order].reshape(-1, *self.domain.shape),
            np.concatenate(squares)[order],
        )


@lru_cache(maxsize=16)
def _batches(domain: Domain) -> tuple[np.ndarray, ...]:
    """Positions of the pixels of each batch of particles, (particle, pixel), −1 where a batch is filled up."""
    groups: list[list[np.ndarray]] = []
    for pixels in particles(domain).pixels:  # largest first
        alone = len(pixels) > SMALL
        if groups and not alone and FILLED * len(groups[-1][0]) <= len(pixels) and len(groups[-1][0]) <= SMALL:
            groups[-1].append(pixels)
        else:
            groups.append([pixels])
    batches = []
    for group in groups:
        # one width of numbers in single and double precision: jax keeps the constants that it has seen
        batch = np.full((len(group), len(group[0])), -1, np.int32)
        for row, pixels in zip(batch, group):
            row[: len(pixels)] = pixels
        batches.append(batch)
    return tuple(batches)


def _modes(matrix) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
    """Eigenvalues and eigenvectors of minus the Laplacian of one particle, the level mode exact."""
    values, vectors = scipy.linalg.eigh(matrix.toarray(), driver="evd")
    values = np.maximum(values, 0.0)
    if np.abs(matrix.sum(1)).max() <= 1e-9 * np.abs(matrix.data).max(initial=0.0):  # no fixed value is seen
        values[0], vectors[:, 0] = 0.0, 1 / np.sqrt(len(values))
        vectors[:, 1:] -= vectors[:, 1:].mean(0)
    return values, vectors


def numbers_needed(domain: Domain) -> int:
    """How many numbers the eigenvectors of a mask are."""
    return sum(batch.shape[0] * batch.shape[1] ** 2 for batch in _batches(domain))

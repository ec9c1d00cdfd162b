"""Smooth fields on a domain: the first eigenmodes of its Laplacian, as fields."""

import numpy as np
import scipy.sparse.linalg
from jaxtyping import Float

from ...domain import Domain
from .choice import transform
from .eigenbasis import Eigenbasis
from .particles import particles
from .waves import eigenvalues, matrix


def smooth_modes(
    domain: Domain, largest: float
) -> tuple[Float[np.ndarray, "modes *space"], Float[np.ndarray, " modes"]]:
    """Real eigenmodes of minus the Laplacian with wavenumber up to ``largest``, smoothest first.

    Every end that is not periodic is closed for them: what is fixed there is the equation's business, and a field
    made of modes that vanish at an end could not meet a value fixed there.

    Returns
    -------
    modes, wavenumbers
        Modes of mean square one over the inside and zero outside, and √λ of each, in radians per length.
    """
    closed = tuple("periodic" if b == "periodic" else "no-flux" for b in domain.boundary)
    domain = Domain(domain.shape, domain.spacing, closed, domain.inside)
    if domain.masked:
        basis = transform(domain)
        modes, squares = basis.modes(largest**2) if isinstance(basis, Eigenbasis) else _sparse_modes(domain, largest**2)
        return modes * np.sqrt(domain.inside.sum()), np.sqrt(squares)
    modes, squares = np.ones((1,)), np.zeros(1)
    for n, h, ends in zip(domain.shape, domain.spacing, domain.ends):
        along, values = _axis_modes(n, h, ends)
        along, values = along[values <= largest**2], values[values <= largest**2]
        modes = np.einsum("i...,jx->ij...x", modes, along).reshape(-1, *modes.shape[1:], n)
        squares = np.add.outer(squares, values).ravel()
        modes, squares = modes[squares <= largest**2], squares[squares <= largest**2]
    order = np.argsort(squares, kind="stable")
    return modes[order], np.sqrt(squares[order])


def _axis_modes(n, h, ends):
    if ends[0] != "periodic":
        return matrix(n, ends) * np.sqrt(n), eigenvalues(n, h, ends)
    k, x = np.arange(1, (n - 1) // 2 + 1)[:, None], np.arange(n)[None]
    waves = [
        np.ones((1, n)),
        np.sqrt(2) * np.cos(2 * np.pi * k * x / n),
        np.sqrt(2) * np.sin(2 * np.pi * k * x / n),
    ]
    values = eigenvalues(n, h, ends)
    squares = [values[:1], values[1 : len(k) + 1], values[1 : len(k) + 1]]
    if n % 2 == 0:
        waves.append(np.cos(np.pi * x))
        squares.append(values[n // 2 : n // 2 + 1])
    return np.concatenate(waves), np.concatenate(squares)


def _sparse_modes(domain, largest):
    """The first modes of a mask too large for an eigenbasis, by Lanczos iteration about zero."""
    laplacian = particles(domain).laplacian
    scale, count = laplacian.diagonal().max(), 32
    while True:
        count = min(count, laplacian.shape[0] - 2)
        # shifted a little below zero, where the level modes would make it singular
        start = np.random.default_rng(0).normal(size=laplacian.shape[0])
        squares, vectors = scipy.sparse.linalg.eigsh(laplacian, count, sigma=-1e-6 * scale, v0=start)
        if squares.max() > largest or count == laplacian.shape[0] - 2:
            break
        count *= 2
    order = np.argsort(squares)
    keep = order[squares[order] <= largest]
    modes = np.zeros((len(keep), *domain.shape))
    modes[:, domain.inside] = vectors[:, keep].T
    return modes, np.maximum(squares[keep], 0.0)

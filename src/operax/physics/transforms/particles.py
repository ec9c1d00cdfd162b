"""The Laplacian of the pixels inside a mask, and the particles it falls into."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Int

from ...domain import Domain


class Particles(NamedTuple):
    """Pixels inside a mask that hang together by their faces.

    Parameters
    ----------
    laplacian
        Minus the discrete Laplacian between the pixels inside, in row-major order.
    pixels
        For each particle, largest first, the positions of its pixels in the raveled domain.
    kept
        Whether each particle keeps its mass: it touches no end with a fixed value.
    """

    laplacian: scipy.sparse.csr_array
    pixels: tuple[Int[np.ndarray, " n"], ...]
    kept: Bool[np.ndarray, " particles"]


@lru_cache(maxsize=16)
def particles(domain: Domain) -> Particles:
    """The particles of a domain's mask; the last few are kept."""
    matrix = _laplacian(domain)
    count, label = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    # a level state has no flux inside, so rows that do not sum to zero see a fixed value
    seen = np.abs(matrix.sum(1)) > 1e-9 * matrix.diagonal()
    place = np.flatnonzero(domain.inside)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=count))[:-1])
    members.sort(key=len, reverse=True)
    return Particles(matrix, tuple(place[m] for m in members), np.array([not seen[m].any() for m in members]))


def _laplacian(domain):
    """Minus the stencil of `operators.laplacian` between the pixels inside, as a sparse symmetric matrix."""
    pixels = int(domain.inside.sum())
    number = np.full(domain.shape, -1)
    number[domain.inside] = np.arange(pixels)
    diagonal, links = np.zeros(pixels), []
    for axis, (h, ends) in enumerate(zip(domain.spacing, domain.ends)):
        n = domain.shape[axis]
        low, high = number, np.roll(number, -1, axis)
        if ends[0] != "periodic":
            low, high = np.take(low, range(n - 1), axis), np.take(high, range(n - 1), axis)
        joined = (low >= 0) & (high >= 0) & (low != high)
        links.append((low[joined], high[joined], np.full(joined.sum(), h**-2)))
        for end, layer in zip(ends, (0, n - 1)):
            touching = np.take(number, layer, axis).ravel()
            # over half a pixel
            diagonal[touching[touching >= 0]] += 2 / h**2 if end == "fixed-value" else 0.0
    i, j, weight = (np.concatenate(parts) for parts in zip(*links))
    coupling = scipy.sparse.coo_array((weight, (i, j)), (pixels, pixels)).tocsr()
    coupling = coupling + coupling.T
    return (scipy.sparse.diags_array(diagonal + coupling.sum(1)) - coupling).tocsr()

"""Eigenvectors of large particles, kept on disk: their factorisation takes minutes, reading them a second."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse
from jaxtyping import Float

from ...io import replacing

# Smaller particles are factorised within a second.
WORTH_KEEPING = 800
VARIABLE = "OPERAX_CACHE"

Modes = tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]


def folder() -> Path | None:
    """Where eigenvectors are kept: ``OPERAX_CACHE``, or operax in the platform's cache; None if that is empty."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA")
        return Path(root) / "operax" / "cache" if root else None
    if sys.platform == "darwin":
        return Path("~/Library/Caches/operax").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "operax"


def kept_or_made(matrix: scipy.sparse.csr_array, make: Callable[[scipy.sparse.csr_array], Modes]) -> Modes:
    """``make(matrix)``, eigenvalues and eigenvectors, from the disk if they were made before.

    The file's name is a hash of the matrix itself, which is to say of mask, spacing and boundary. A damaged file
    is made anew; where nothing can be written nothing is kept.
    """
    place = folder() if matrix.shape[0] >= WORTH_KEEPING else None
    if place is None:
        return make(matrix)
    path = place / f"{_fingerprint(matrix)}.npz"
    kept = _read(path, matrix)
    if kept is not None:
        return kept
    values, vectors = make(matrix)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part, open(part, "wb") as file:
            np.savez(file, values=values, vectors=vectors)
    except OSError:  # read-only or full: the next run factorises again
        pass
    return values, vectors


def _fingerprint(matrix):
    matrix = matrix.tocsr().sorted_indices()
    parts = (matrix.indptr.astype("<i8"), matrix.indices.astype("<i8"), matrix.data.astype("<f8"))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def _read(path, matrix) -> Modes | None:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            values, vectors = file["values"], file["vectors"]
    except Exception:  # whatever a damaged archive makes numpy and zipfile say
        return None
    n = matrix.shape[0]
    if values.shape != (n,) or vectors.shape != (n, n) or values.dtype != float or vectors.dtype != float:
        return None
    # one product tells whether these still are eigenvectors of this matrix
    probe = np.random.default_rng(0).normal(size=n)
    error = np.abs(matrix @ (vectors @ probe) - vectors @ (values * probe)).max()
    length = abs(np.linalg.norm(vectors @ probe) / np.linalg.norm(probe) - 1)
    return (values, vectors) if error <= 1e-10 * matrix.diagonal().max() * n and length < 1e-10 else None

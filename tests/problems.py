"""Problems with exact answers: a start state, an equation, and what must come out.

Each problem states the truth of the *discrete* equation where there is one (a cosine decays with the eigenvalue of
the stencil, not with k²), and that of the continuum with its error where there is none.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws
from operax.physics.equations import AbstractEquation


class Problem(NamedTuple):
    """What to solve, and the frames that must come out."""

    equation: AbstractEquation
    domain: Domain
    times: np.ndarray
    dt: float
    frames: np.ndarray
    tolerance: float  # largest error, relative to the largest change of the exact frames


def stencil_eigenvalue(k, h):
    """Eigenvalue of minus the second difference for a wave of wavenumber k: (4/h²) sin²(kh/2), not k²."""
    return (2 / h * np.sin(k * h / 2)) ** 2


def cosine_decay(boundary):
    """One mode of linear diffusion: c = ½ + a exp(−D λ t) φ, φ a product of cosines along the axes."""
    shape = (24, 16)[: len(boundary)]
    domain = Domain(shape, (0.1, 0.15)[: len(boundary)], boundary)
    phi, eigenvalue = np.ones(()), 0.0
    for x, n, h, kind, mode in zip(domain.centres(), shape, domain.spacing, boundary, (3, 1)):
        k = (np.pi if kind == "no-flux" else 2 * np.pi) * mode / (n * h)
        phi = np.multiply.outer(phi, np.cos(k * x))
        eigenvalue += stencil_eigenvalue(k, h)
    times = np.linspace(0, 1.5, 4) / eigenvalue / 0.7
    decay = np.exp(-0.7 * eigenvalue * times)
    frames = 0.5 + 0.3 * decay.reshape(-1, *(1,) * len(shape)) * phi
    return Problem(Diffusion(0.7), domain, times, times[1] / 32, frames, 1e-6)


def spinodal_growth(ndim):
    """The fastest mode of spinodal decomposition, growing from nothing: ω = −M λ (μ′ + κ λ) = 125.

    Regular solution Ω = 3 at c = ½ (μ′ = −2), κ = 0.002, M = c(1 − c) = ¼; the maximum M μ′²/4κ is at λ = −μ′/2κ.
    """
    h, n, kappa, slope, mobility = 0.01, 28, 0.002, -2.0, 0.25
    k = 2 * np.pi / (n * h)  # nearly √500
    eigenvalue = stencil_eigenvalue(k, h)
    growth = -mobility * eigenvalue * (slope + kappa * eigenvalue)
    domain = Domain((n, 4)[:ndim], h, "periodic")
    wave = np.cos(k * domain.centres()[0]).reshape(-1, *(1,) * (ndim - 1)) * np.ones(domain.shape)
    times = np.linspace(0, 0.03, 4)
    frames = 0.5 + 1e-6 * np.exp(growth * times).reshape(-1, *(1,) * ndim) * wave
    equation = CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(3.0), kappa)
    return Problem(equation, domain, times, 5e-4, frames, 1e-5)


def spreading(c):
    return 2 * jnp.maximum(c, 0)


def barenblatt(ndim):
    """A droplet in a porous medium, ∂c/∂t = ∇²c² (D = 2c), that spreads with a sharp edge of compact support.

    c = t^−α (1 − k r² t^−2β)₊ with α = d/(d + 2), β = α/d, k = α/4d.

    References
    ----------
    G. I. Barenblatt, Prikl. Mat. Mekh. 16, 67 (1952); J. L. Vázquez, The Porous Medium Equation (2006),
    doi:10.1093/acprof:oso/9780198569039.001.0001, eq. 1.8.
    """
    n, width = (120, 16.0) if ndim == 1 else (36, 12.0)
    domain = Domain((n,) * ndim, width / n, "no-flux")
    radius2 = sum((x - width / 2) ** 2 for x in np.meshgrid(*domain.centres(), indexing="ij"))
    alpha = ndim / (ndim + 2)
    beta, k = alpha / ndim, alpha / (4 * ndim)
    times = np.array([1.0, 2.0, 4.0])
    frames = np.stack([t**-alpha * np.maximum(1 - k * radius2 * t ** (-2 * beta), 0) for t in times])
    return Problem(Diffusion(spreading), domain, times, 0.02, frames, 0.03)  # first order at the edge


PROBLEMS = {
    "decay of a cosine, periodic line": lambda: cosine_decay(("periodic",)),
    "decay of a cosine, no-flux line": lambda: cosine_decay(("no-flux",)),
    "decay of a cosine, periodic square": lambda: cosine_decay(("periodic", "periodic")),
    "decay of a cosine, no-flux square": lambda: cosine_decay(("no-flux", "no-flux")),
    "decay of a cosine, mixed square": lambda: cosine_decay(("no-flux", "periodic")),
    "spinodal growth, line": lambda: spinodal_growth(1),
    "spinodal growth, square": lambda: spinodal_growth(2),
    "Barenblatt, line": lambda: barenblatt(1),
    "Barenblatt, square": lambda: barenblatt(2),
}


def double_well(c):
    """μ of f = ¼ (c² − 1)²."""
    return c**3 - c


def tanh_interface(spacing, kappa=0.02, length=4.0):
    """A flat interface at rest, c = tanh(x/√(2κ)), and its energy (2√2/3)√κ.

    The energy of `CahnHilliard` has f(½) = 0, so that of the interface is 9/64 a length more.
    """
    domain = Domain(round(length / spacing), spacing, "no-flux")
    x = domain.centres()[0] - length / 2
    c = jnp.asarray(np.tanh(x / np.sqrt(2 * kappa)))
    tension = 2 * np.sqrt(2) / 3 * np.sqrt(kappa)
    return CahnHilliard(1.0, double_well, kappa), domain, c, tension - 9 / 64 * length


def pfhub(c):
    """μ of f = 5 (c − 0.3)² (0.7 − c)²."""
    return 10 * (c - 0.3) * (0.7 - c) * (1 - 2 * c)


# Energies of the PFHub benchmark 1 at t = 1, 5, 10 and 20, from a pseudo-spectral run with steps of 0.02. The start of
# 1a is discontinuous across the period, so its pixels are at i L/N; those of 1b at (i + ½) L/N.
# https://pages.nist.gov/pfhub/benchmarks/benchmark1.ipynb
PFHUB_ENERGIES = {"periodic": (318.856, 316.394, 297.961, 213.157), "no-flux": (318.838, 317.019, 304.125, 209.423)}


def pfhub_spinodal(boundary):
    """PFHub benchmark 1a (periodic) and 1b (no-flux): equation, domain, start state.

    The energy of `CahnHilliard` has f(½) = 0; that of the benchmark is 0.008 a unit area more.
    """
    n = 200
    domain = Domain((n, n), 1.0, boundary)
    x, y = np.mgrid[:n, :n] + (0.0 if boundary == "periodic" else 0.5)
    c0 = 0.5 + 0.01 * (
        np.cos(0.105 * x) * np.cos(0.11 * y)
        + (np.cos(0.13 * x) * np.cos(0.087 * y)) ** 2
        + np.cos(0.025 * x - 0.15 * y) * np.cos(0.07 * x - 0.02 * y)
    )
    return CahnHilliard(5.0, pfhub, 2.0), domain, c0, 0.008 * n**2

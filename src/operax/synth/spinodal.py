"""Spinodal decomposition in a box or in platelets, with noise on the composition."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from ..domain import Domain
from ..movie import Movie
from ..noise import Gaussian
from ..physics import CahnHilliard, laws, simulate
from ..physics.transforms import smooth_modes

# Standard deviation of the lithium fraction of one STXM pixel of LiFePO4, from bootstrap and reference images:
# Zhao et al., Nature 621, 289 (2023), doi:10.1038/s41586-023-06393-x, Methods.
STXM_NOISE = 0.07
# Root-mean-square of the random start.
FAINT = 0.02


class Truth(eqx.Module):
    """A simulated experiment.

    Attributes
    ----------
    noisy
        What is seen.
    clean
        What was really there.
    equation
        The law that made it.
    noise
        What came on top.
    """

    noisy: Movie
    clean: Movie
    equation: CahnHilliard
    noise: Gaussian


def cahn_hilliard(
    domain: Domain,
    times: Float[Array | np.ndarray, " time"],
    *,
    key: Key[Array, ""],
    equation: CahnHilliard | None = None,
    noise: Gaussian | None = None,
    mean: float = 0.5,
    spin_up: float = 0.03,
    cutoff: float = 60.0,
    dt: float | None = None,
    units: tuple[str, str, str] = ("1", "1", "Li fraction"),
) -> Truth:
    """A movie of spinodal decomposition from a faint random start.

    Parameters
    ----------
    domain
        Where; particles are the domain's ``inside``.
    times
        Frame times; decomposition began ``spin_up`` before the first.
    key
        Random key of the start and the noise.
    equation
        The law; default M = c (1 - c), Ω = 3, κ = 2e-3 (a common test case: with spacing 0.01 an interface
        covers about nine pixels).
    noise
        Default Gaussian of standard deviation `STXM_NOISE`.
    mean
        Mean composition at the start.
    spin_up
        Time between the random start and the first frame.
    cutoff
        Largest wavenumber of the random start, radians per length.
    dt
        Longest solver step; ``None`` chooses it.
    units
        Units of length, time and value.
    """
    equation = equation or CahnHilliard(
        laws.Degenerate(laws.Constant(1.0)), laws.RegularSolution(laws.Constant(3.0)), laws.Constant(2e-3)
    )
    noise = noise or Gaussian(STXM_NOISE)
    start_key, noise_key = jax.random.split(key)
    modes, k = smooth_modes(domain, cutoff)
    amplitude = FAINT / np.sqrt(len(k)) * jax.random.normal(start_key, k.shape)
    amplitude = jnp.where(k > 0, amplitude, 0.0)
    c0 = jnp.where(jnp.asarray(domain.inside), mean + jnp.tensordot(amplitude, jnp.asarray(modes), 1), 0.0)
    times = jnp.asarray(times, float)
    run = simulate(equation, c0, jnp.concatenate([times[:1] - spin_up, times]), domain, dt=dt)
    clean = Movie(run.frames[1:], times, domain, units=units)
    noisy = clean.replace(frames=noise.sample(clean.frames, key=noise_key))
    return Truth(noisy, clean, equation, noise)


def particles(size: int) -> Bool[np.ndarray, "size size"]:
    """Mask of three platelets, as LiFePO4 particles lie in an STXM frame: rounded, of unequal size and tilt."""
    row, column = (np.mgrid[:size, :size] + 0.5) / size
    mask = np.zeros((size, size), bool)
    for r, c, long, short, tilt in (
        (0.28, 0.30, 0.24, 0.19, 0.5),
        (0.70, 0.36, 0.24, 0.16, -0.3),
        (0.50, 0.78, 0.30, 0.15, 1.4),
    ):
        along = (row - r) * np.cos(tilt) + (column - c) * np.sin(tilt)
        across = (column - c) * np.cos(tilt) - (row - r) * np.sin(tilt)
        mask |= (np.abs(across) / long) ** 3 + (np.abs(along) / short) ** 3 < 1
    return mask


def lfp_stxm(*, key: Key[Array, ""], size: int = 48, frames: int = 24, sigma: float = STXM_NOISE) -> Truth:
    """A scaled STXM movie of lithium fraction in three LiFePO4-like particles separating into phases.

    Regular solution Ω = 3, κ = 2e-3, M = c (1 - c), pixel 0.01, in scaled units: length in units of 100 pixels,
    chemical potential in kT, time in units of length² over mobility. The interface covers about nine pixels;
    that of real LiFePO4 (3 nm) is far below a 50 nm STXM pixel, so a real movie shows an effective, broader κ.

    Parameters
    ----------
    key
        Random key.
    size
        Rows and columns.
    frames
        Number of frames, 2e-3 apart.
    sigma
        Standard deviation of the noise on the lithium fraction.
    """
    domain = Domain((size, size), 0.01, "no-flux", particles(size))
    return cahn_hilliard(domain, 2e-3 * np.arange(frames), key=key, noise=Gaussian(sigma), dt=2.5e-4)

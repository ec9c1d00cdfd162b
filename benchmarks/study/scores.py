"""What a movie is worth beside the true one: pixels, then mass, energy, interface width and structure factor."""

import jax
import jax.numpy as jnp
import numpy as np
from skimage.metrics import structural_similarity
from starts import TRUTH

import operax as ox
from denoise import scores
from operax.modalities.stxm import structure_factor

# Pixels whose true value is this close to one half belong to an interface.
NEAR = 0.1


def image(movie: ox.Movie, clean: ox.Movie) -> dict[str, float]:
    """Decibels, structural similarity, and bias in per cent of the clean range: overall and of the worst eighth."""
    frames, truth = (np.asarray(m.frames, float) for m in (movie, clean))
    span = np.ptp(truth)
    similar = [structural_similarity(a, b, data_range=span) for a, b in zip(frames, truth)]
    found = scores(frames, truth)
    kept = ("psnr [dB]", "bias [%]", "worst bin bias [%]")
    return {name: found[name] for name in kept} | {"ssim": float(np.mean(similar))}


def steepness(frames: np.ndarray, where: np.ndarray, domain: ox.Domain) -> float:
    """Mean |∇c| over the interfaces of a periodic movie."""
    slopes = [
        (np.roll(frames, -1, axis) - np.roll(frames, 1, axis)) / (2 * domain.spacing[axis - 1]) for axis in (1, 2)
    ]
    return float(np.hypot(*slopes)[where].mean())


def physics(movie: ox.Movie, clean: ox.Movie) -> dict[str, float]:
    """Errors in per cent: mass of a frame, energy in units of what it falls by, interface width, structure factor."""
    frames, truth = (np.asarray(m.frames, float) for m in (movie, clean))
    domain = clean.domain
    energies = jax.jit(jax.vmap(lambda c: TRUTH.energy(c, domain)))
    energy, true_energy = (np.asarray(energies(jnp.asarray(c))) for c in (frames, truth))
    where = np.abs(truth - 0.5) < NEAR
    structure, true_structure = (
        np.asarray(structure_factor(m.replace(variance=None)).power, float) for m in (movie, clean)
    )
    mass = np.sqrt(np.mean((frames.mean((1, 2)) - truth.mean((1, 2))) ** 2)) / truth.mean()
    return {
        "mass [%]": 100 * float(mass),
        "energy [%]": 100 * float(np.mean(np.abs(energy - true_energy)) / np.ptp(true_energy)),
        "width [%]": 100 * (steepness(truth, where, domain) / steepness(frames, where, domain) - 1),
        "structure [%]": 100 * float(np.linalg.norm(structure - true_structure) / np.linalg.norm(true_structure)),
    }

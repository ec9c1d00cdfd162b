"""Movies with a known truth for the denoising benchmark: simulated ones and quiet recordings, and their noises."""

import numpy as np
from scipy.ndimage import gaussian_filter

import operax as ox

# Units per count at 20 counts for a value of one.
GAIN = 1 / 20


def front(frames: int, size: int, seed: int) -> np.ndarray:
    """Textured particles that a diffuse front lights up one after the other; values about 0.1 to 1.1."""
    generator = np.random.default_rng(seed)
    arrival = gaussian_filter(generator.standard_normal((size, size)), size / 8, mode="wrap")
    arrival = (arrival - arrival.min()) / np.ptp(arrival)
    texture = gaussian_filter(generator.standard_normal((size, size)), 1.5, mode="wrap")
    texture = 0.04 * texture / texture.std()
    row, column = np.mgrid[:size, :size] / size
    mask = np.zeros((size, size))
    for _ in range(6):
        y, x, radius = generator.random(), generator.random(), 0.12 + 0.15 * generator.random()
        edge = np.clip((radius - np.hypot(row - y, column - x)) * size / 0.8, -60, 60)
        mask = np.maximum(mask, 1 / (1 + np.exp(-edge)))
    time = np.linspace(0.1, 0.9, frames)[:, None, None]
    lit = 1 / (1 + np.exp(-(time - arrival) / 0.04))
    return np.clip(0.1 + 0.9 * mask * (0.15 + 0.85 * lit) * (1 + texture), 0, 1.2).astype(np.float32)


def spinodal(size: int, frames: np.ndarray | None = None, count: int = 32) -> ox.Movie:
    """Phases that part, the laws known; with ``frames``, those at the times of the simulated ones.

    The box grows with its pixels, whose spacing and times are those of `starts`.
    """
    from starts import EARLIEST, INTERVAL, SIDE, TRUTH

    domain = ox.Domain((size, size), SIDE / 24, "periodic")
    times = EARLIEST + INTERVAL * np.arange(count)
    if frames is not None:
        return ox.Movie(frames, times, domain)
    seed = 0.5 + 0.05 * np.random.default_rng(1).standard_normal(domain.shape)
    return ox.simulate(TRUTH, seed, np.concatenate([[0.0], times]), domain)[1:]


def recorded(path: str, frames: int, size: int) -> np.ndarray:
    """The middle of a quiet recording, values from 0.1 to 1.1: its own noise counts as truth."""
    movie = ox.load(path, frames=slice(frames), times=1.0, spacing=1.0)
    corner = [(n - size) // 2 for n in movie.domain.shape]
    shown = np.asarray(movie.frames, float)[:, corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    return (0.1 + (shown - shown.min()) / np.ptp(shown)).astype(np.float32)


def noisy(clean: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """A noisy copy: ``gauss SIGMA``, ``poisson`` (20 counts at one), ``blurred``, ``rows`` (and their offsets)."""
    generator = np.random.default_rng(1000 + seed)
    name, *number = kind.split()
    if name == "gauss":
        out = clean + float(number[0]) * generator.standard_normal(clean.shape)
    elif name == "poisson":
        out = generator.poisson(clean / GAIN) * GAIN
    elif name in ("blurred", "rows"):
        blurred = gaussian_filter(generator.standard_normal(clean.shape), (0, 0.7, 0.7), mode="wrap")
        offsets = generator.standard_normal(clean.shape[:2])[..., None]
        out = clean + 0.18 * blurred / blurred.std() + (0.06 * offsets if name == "rows" else 0)
    else:
        raise ValueError(f"`kind` must be gauss SIGMA, poisson, blurred or rows, got {kind!r}.")
    return out.astype(np.float32)

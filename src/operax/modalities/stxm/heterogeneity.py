"""How unevenly a particle reacts: uniformity, structure factor, sizes of Li-rich domains."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import label

from ...movie import Movie


def _values(movie: Movie, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and noise variances of the pixels inside, one row a frame."""
    if movie.channels_ndim:
        raise ValueError(f"`{name}` needs one composition a pixel, got a colour movie of shape {movie.frames.shape}.")
    inside = movie.domain.inside
    variance = np.zeros(movie.frames.shape) if movie.variance is None else np.asarray(movie.variance, float)
    return (
        np.asarray(movie.frames, float)[:, inside],
        np.broadcast_to(variance, movie.frames.shape)[:, inside],
    )


def uniformity(movie: Movie) -> float:
    """Uniformity coefficient of a reaction: 1 for solid solution, 0 for complete separation at all times.

    UC = 1 − Σ_t √(v_t m_t) / Σ_t m_t, with m_t = c̄_t (1 − c̄_t), which is the variance of complete separation,
    and v_t the variance of composition over the pixels inside less that of the noise.

    Parameters
    ----------
    movie
        Lithium fraction of one particle; a movie with variance has its noise taken off.

    Raises
    ------
    ValueError
        If the mean composition leaves 0 to 1 or never enters between them, or the movie has colour.

    Notes
    -----
    Take one particle at a time: differences between particles count like differences within one.
    """
    c, noise = _values(movie, "uniformity")
    mean = c.mean(1)
    if not ((mean >= 0) & (mean <= 1)).all() or not (mean * (1 - mean) > 0).any():
        raise ValueError(
            f"`movie` must have mean fractions from 0 to 1, got {mean.min():.3g} to {mean.max():.3g}; "
            "is it a lithium fraction?"
        )
    spread = np.maximum(c.var(1) - noise.mean(1), 0)
    most = mean * (1 - mean)
    return float(1 - np.sqrt(spread * most).sum() / most.sum())


class StructureFactor(eqx.Module):
    """Power of composition fluctuations by wavenumber.

    Parameters
    ----------
    wavenumbers
        Middle of each ring, radians per length.
    power
        Mean of |ĉ(k)|² over each ring and frame, normalised so that white fluctuations of variance v give v
        times the pixel's area; the noise is taken off where the movie has a variance.
    length
        Characteristic length of each frame, 2π over the mean wavenumber weighted by power.
    """

    wavenumbers: Float[Array, " ring"]
    power: Float[Array, "time ring"]
    length: Float[Array, " time"]


def structure_factor(movie: Movie, *, rings: int = 24) -> StructureFactor:
    """Structure factor of each frame, averaged over directions.

    Parameters
    ----------
    movie
        Composition in two dimensions.
    rings
        Number of rings between zero and the largest wavenumber of the pixel grid.

    Raises
    ------
    ValueError
        If the movie is not of two dimensions, or has colour.

    Notes
    -----
    The outline of a mask is in the transform too: structure at the size of the particle is not that of its
    composition.
    """
    _values(movie, "structure_factor")
    if movie.domain.ndim != 2:
        raise ValueError(f"`structure_factor` needs two space axes, got {movie.domain.axes}.")
    inside = movie.domain.inside
    c = np.where(inside, np.asarray(movie.frames, float), 0)
    count = inside.sum()
    c = np.where(inside, c - c.sum((1, 2), keepdims=True) / count, 0)
    area = movie.domain.pixel_volume
    power = np.abs(np.fft.fft2(c)) ** 2 / count * area
    if movie.variance is not None:
        noise = np.where(inside, np.broadcast_to(np.asarray(movie.variance), c.shape), 0).sum((1, 2)) / count
        power = power - noise[:, None, None] * area
    k = np.hypot(*np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n, h) for n, h in zip(c.shape[1:], movie.domain.spacing)),
                              indexing="ij"))  # fmt: skip
    edges = np.linspace(0, np.pi / max(movie.domain.spacing), rings + 1)
    ring = np.digitize(k, edges) - 1
    held = [(ring == i) & (k > 0) for i in range(rings)]
    kept = [i for i in range(rings) if held[i].any()]
    dtype = movie.frames.dtype
    disc = np.where(k < edges[-1], np.maximum(power, 0), 0)
    mean = (disc * k).sum((1, 2)) / np.maximum(disc.sum((1, 2)), 1e-300)
    return StructureFactor(
        jnp.asarray([k[held[i]].mean() for i in kept], dtype),
        jnp.asarray(np.stack([power[:, held[i]].mean(1) for i in kept], 1), dtype),
        jnp.asarray(2 * np.pi / np.maximum(mean, 1e-300), dtype),
    )


def domain_sizes(movie: Movie, *, above: float = 0.5) -> tuple[Float[np.ndarray, " domain"], ...]:
    """Diameters of the connected Li-rich domains of each frame, as circles of equal area, largest first.

    Parameters
    ----------
    movie
        Lithium fraction in two dimensions.
    above
        Fraction from which a pixel is Li-rich.

    Raises
    ------
    ValueError
        If the movie is not of two dimensions, or has colour.

    Notes
    -----
    Noise makes many domains of one pixel: denoise first, or look at the largest.
    """
    _values(movie, "domain_sizes")
    if movie.domain.ndim != 2:
        raise ValueError(f"`domain_sizes` needs two space axes, got {movie.domain.axes}.")
    found = []
    for frame in np.asarray(movie.frames):
        numbers, _ = label((frame > above) & movie.domain.inside)
        areas = np.bincount(numbers.ravel())[1:] * movie.domain.pixel_volume
        found.append(np.sort(np.sqrt(4 * areas / np.pi))[::-1])
    return tuple(found)

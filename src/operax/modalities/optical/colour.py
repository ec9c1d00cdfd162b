"""Colour that means something: linear light, corrected for the lamp and the field of view."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from ...movie import Movie

# Transfer function of sRGB, IEC 61966-2-1.
KNEE, SLOPE, SHIFT, POWER = 0.04045, 12.92, 0.055, 2.4


def coloured(movie: Movie, name: str, channels: int | None = None) -> None:
    count = movie.frames.shape[-1] if movie.channels_ndim else 0
    if not count or (channels is not None and count != channels):
        wanted = "a channel axis" if channels is None else f"{channels} channels (red, green, blue)"
        raise ValueError(f"`{name}` needs {wanted}, got axes {movie.axes} of shape {movie.frames.shape}.")


def _inside(movie: Movie):
    return jnp.asarray(movie.domain.inside.reshape(movie.domain.shape + (1,) * movie.channels_ndim))


def linear(movie: Movie, *, full: float = 255.0) -> Movie:
    """Linear light from gamma-coded sRGB pictures, from 0 to 1.

    Parameters
    ----------
    movie
        Frames as a consumer camera, a video or a PNG holds them. Frames of a scientific camera are linear as
        they are: divide them by ``full`` instead.
    full
        Value of the brightest pixel that the format can hold: 255 for 8 bits, 65535 for 16.

    Raises
    ------
    ValueError
        If values inside lie outside 0 to ``full``.

    Notes
    -----
    Saturated pixels stay at one and are not marked; a variance is carried along to first order.
    """
    values = movie.frames / full
    held = np.asarray(values)[:, movie.domain.inside]
    if held.min() < 0 or held.max() > 1:
        raise ValueError(
            f"`linear` expects values from 0 to {full:g}, got {held.min() * full:g} to {held.max() * full:g}; state "
            "the largest value of the format with `full=`."
        )
    dark = values <= KNEE
    bright = (jnp.where(dark, 1.0, values) + SHIFT) / (1 + SHIFT)
    frames = jnp.where(dark, values / SLOPE, bright**POWER)
    variance = None
    if movie.variance is not None:
        steep = jnp.where(dark, 1 / SLOPE, POWER / (1 + SHIFT) * bright ** (POWER - 1))
        variance = movie.variance * (steep / full) ** 2
    return movie.replace(frames=frames, variance=variance, units=(*movie.units[:2], "1"))


def background(movie: Movie, ground: Bool[np.ndarray, "row column"], *, degree: int = 2) -> Movie:
    """Illumination of every frame and channel, a polynomial laid through pixels that do not change.

    Parameters
    ----------
    movie
        Linear light.
    ground
        Pixels of bare substrate or electrolyte in all frames.
    degree
        Total degree of the polynomial in row and column: 0 follows a lamp that drifts, 2 also a field of view
        that darkens towards its corners.

    Returns
    -------
    Movie
        The illumination, of the movie's shape; without variance, as it is common to many pixels.

    Raises
    ------
    ValueError
        If the mask does not fit or holds too few pixels.

    Notes
    -----
    Where particles cover much of one side, the polynomial is extrapolated there: use a white reference.
    """
    if movie.domain.ndim != 2:
        raise ValueError(f"`background` needs two space axes, got {movie.domain.axes}.")
    mask = np.asarray(ground, bool)
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    if mask.shape != movie.domain.shape or mask.sum() < 4 * len(powers):
        raise ValueError(
            f"`ground` must be a mask of shape {movie.domain.shape} with at least {4 * len(powers)} pixels for degree "
            f"{degree}; got shape {mask.shape} with {int(mask.sum())}."
        )
    rows, columns = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in mask.shape)
    terms = np.stack([np.outer(rows**i, columns**j) for i, j in powers], -1)
    values = np.asarray(movie.frames, float)
    held = np.moveaxis(values[:, mask], 1, 0)
    solution = np.linalg.lstsq(terms[mask], held.reshape(len(held), -1), rcond=None)[0]
    fitted = np.tensordot(terms, solution.reshape(len(powers), *held.shape[1:]), 1)
    return movie.replace(frames=np.moveaxis(fitted, 2, 0).astype(values.dtype), variance=None)


def contrast(movie: Movie, reference: Movie) -> Movie:
    """Contrast I / I_ref − 1 against the illumination.

    Parameters
    ----------
    movie
        Linear light.
    reference
        From `background`, or pictures of a white reference, which are averaged; of the same view.

    Raises
    ------
    ValueError
        If the views differ or the reference is not positive inside.

    Notes
    -----
    Noise of the reference is left out of the variance: average enough of it.
    """
    level = _level(movie, reference)
    inside = _inside(movie)
    frames = jnp.where(inside, movie.frames / level - 1, 0.0)
    variance = None if movie.variance is None else jnp.where(inside, movie.variance / level**2, 0.0)
    return movie.replace(frames=frames, variance=variance, units=(*movie.units[:2], "contrast"))


def absorbance(movie: Movie, reference: Movie) -> Movie:
    """Absorbance −ln(I / I_ref) of every channel, with variance Var I / I².

    Differences of channels of it do not change with exposure.

    Parameters
    ----------
    movie, reference
        As for `contrast`.

    Raises
    ------
    ValueError
        As `contrast`, or if a pixel inside is not positive.
    """
    level, inside = _level(movie, reference), _inside(movie)
    dark = int(np.asarray((movie.frames <= 0) & inside).sum())
    if dark:
        raise ValueError(f"the logarithm needs positive light; {dark} values are zero or negative. Mask these pixels.")
    light = jnp.where(inside, movie.frames, 1.0)
    variance = None if movie.variance is None else jnp.where(inside, movie.variance / light**2, 0.0)
    frames = jnp.where(inside, jnp.log(level / light), 0.0)
    return movie.replace(frames=frames, variance=variance, units=(*movie.units[:2], "absorbance"))


def _level(movie: Movie, reference: Movie):
    if reference.domain.shape != movie.domain.shape or reference.frames.shape[-1:] != movie.frames.shape[-1:]:
        raise ValueError(
            f"`reference` must show the movie's view and channels, {movie.frames.shape[1:]}, got "
            f"{reference.frames.shape[1:]}."
        )
    level = reference.frames if len(reference) == len(movie) else reference.frames.mean(0)
    inside = _inside(movie)
    if not np.asarray(jnp.where(inside, level, 1.0) > 0).all():
        raise ValueError("`reference` must be positive wherever the movie counts; fit a smoother one, or mask pixels.")
    return jnp.where(inside, level, 1.0)


def lab(movie: Movie) -> Movie:
    """CIELAB lightness, green–red and blue–yellow of linear RGB, for white D65.

    Parameters
    ----------
    movie
        Linear light in red, green and blue relative to a white reference, from 0 to 1: `contrast` plus one.

    Raises
    ------
    ValueError
        If there are not three channels.

    Notes
    -----
    Values beyond 0 to 1 are cut. The variance is dropped: the cube root near black has no first order.
    """
    from skimage.color import rgb2lab

    coloured(movie, "lab", 3)
    light = np.clip(np.asarray(movie.frames, float), 0, 1)
    coded = np.where(light <= KNEE / SLOPE, light * SLOPE, (1 + SHIFT) * light ** (1 / POWER) - SHIFT)
    frames = rgb2lab(coded).astype(np.asarray(movie.frames).dtype)
    return movie.replace(frames=frames, variance=None, units=(*movie.units[:2], "CIELAB"))

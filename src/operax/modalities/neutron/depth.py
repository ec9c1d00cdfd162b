"""Neutron radiography: from transmitted intensity to the amount of an absorber."""

import jax.numpy as jnp
import numpy as np
from scipy.constants import N_A

from ...movie import Movie


def water_content(movie: Movie, *, reference: int | Movie = 0, attenuation: float = 1.0) -> Movie:
    """Amount of absorber added since a reference frame, by Beer–Lambert: −ln(I / I_ref) / Σ.

    Parameters
    ----------
    movie
        Transmitted intensity, one channel, positive inside the particles.
    reference
        Frame number of the reference, or a movie of the same view without the absorber; its frames are averaged.
    attenuation
        Σ, the attenuation of the beam by a unit amount, in the reciprocal of the unit wanted (0.32 per
        millimetre of water for cold neutrons, say). The default 1 leaves the amount as optical density.

    Returns
    -------
    Movie
        Amount, zero in the reference; variance by first-order propagation where the movie has one, the
        noise of the reference included.

    Raises
    ------
    ValueError
        If an intensity is not positive, or the reference does not fit.

    Notes
    -----
    Scattered neutrons make thick absorbers look thinner; no correction is made here. The logarithm of a noisy
    intensity is biased by half its relative variance: denoise or average first where counts are low. The noise
    of the reference is the same in every frame, so errors of different frames are correlated by it.
    """
    if movie.channels_ndim:
        raise ValueError(
            f"`water_content` needs one intensity a pixel, got a colour movie of shape {movie.frames.shape}; "
            "load it with `channel=`."
        )
    if not (np.isfinite(attenuation) and attenuation > 0):
        raise ValueError(f"`attenuation` must be positive and finite, got {attenuation}.")
    if isinstance(reference, Movie):
        dry = reference
        if dry.domain.shape != movie.domain.shape or dry.channels_ndim:
            raise ValueError(
                f"`reference` must show the same pixels as the movie, {movie.domain.shape}, got {dry.domain.shape}."
            )
    else:
        if not -len(movie) <= reference < len(movie):
            raise ValueError(f"`reference` must be one of the {len(movie)} frame numbers, got {reference}.")
        dry = movie[[reference % len(movie)]]
    inside = jnp.asarray(movie.domain.inside)
    for name, m in (("movie", movie), ("reference", dry)):
        dark = np.asarray((m.frames <= 0) & inside)
        if dark.any():
            raise ValueError(
                f"the logarithm needs positive intensities; {int(dark.sum())} values of the {name} are zero or "
                "negative. Subtract a smaller dark frame, crop away the frame of the camera, or mask these pixels."
            )
    clear = jnp.where(inside, dry.frames.mean(0), 1.0)
    frames = jnp.where(inside, -jnp.log(jnp.where(inside, movie.frames, 1.0) / clear) / attenuation, 0.0)
    variance = None
    if movie.variance is not None:
        relative = movie.variance / jnp.where(inside, movie.frames, 1.0) ** 2
        if dry.variance is not None:
            spread = jnp.broadcast_to(dry.variance, dry.frames.shape).mean(0) / len(dry)
            relative = relative + spread / clear**2
        variance = relative / attenuation**2
    unit = "optical density" if attenuation == 1 else "amount"
    return movie.replace(frames=frames, variance=variance, units=(*movie.units[:2], unit))


def optical_depth(transmitted: Movie) -> Movie:
    """Optical depth −ln T of a transmission, with variance Var T / T².

    Raises
    ------
    ValueError
        If a transmission inside is not positive, or the movie has colour.

    Notes
    -----
    Biased upwards by Var T / (2 T²): average or denoise the transmission first where that matters.
    """
    open_beam = transmitted[[0]].replace(frames=jnp.ones_like(transmitted.frames[:1]), variance=None)
    depth = water_content(transmitted, reference=open_beam)
    return depth.replace(units=(*depth.units[:2], "optical depth"))


def change(movie: Movie, reference: int | slice = 0) -> Movie:
    """What has changed since a reference: I_t − I_ref, frame by frame, with its variance.

    Parameters
    ----------
    movie
        Transmission, optical depth, or any quantity that adds up.
    reference
        Number of the reference frame, or a slice of frames that are averaged.

    Raises
    ------
    ValueError
        If the reference holds no frame.

    Notes
    -----
    The noise of the reference is in every frame: a reference of n frames adds 1/n of a frame's variance, common
    to all. Frames of the reference itself are compared with a mean that they are part of; their stated variance
    is too large.
    """
    picked = [reference] if isinstance(reference, int) else list(range(len(movie)))[reference]
    if not picked or not -len(movie) <= picked[0] < len(movie):
        raise ValueError(f"`reference` must pick at least one of {len(movie)} frames, got {reference!r}.")
    base = movie[[i % len(movie) for i in picked]]
    inside = jnp.asarray(movie.domain.inside.reshape(movie.domain.shape + (1,) * movie.channels_ndim))
    frames = jnp.where(inside, movie.frames - base.frames.mean(0), 0.0)
    variance = None
    if movie.variance is not None and base.variance is not None:
        spread = jnp.broadcast_to(base.variance, base.frames.shape).mean(0) / len(base)
        variance = jnp.broadcast_to(movie.variance, movie.frames.shape) + spread
    # every frame has now read the reference too
    offsets = {int(i) - t for i in np.arange(len(movie))[picked] for t in range(len(movie))}
    return movie.replace(frames=frames, variance=variance, reads=sorted({*movie.reads, *offsets}))


def concentration(depth: Movie, thickness: float, *, cross_section: float, unit: str = "mol/m^3") -> Movie:
    """Concentration of an absorber from optical depth, c = depth / (N_A σ d), in mol/m³.

    Parameters
    ----------
    depth
        Optical depth that the absorber causes, or its change.
    thickness
        Length d of the beam's way through the material, mm.
    cross_section
        σ of one atom in barns, from `cross_section`.
    unit
        Label of the result.

    Raises
    ------
    ValueError
        If thickness or cross-section is not positive.

    Notes
    -----
    For lithium moving between electrodes the change of depth is that of lithium alone only if nothing else
    moves: swelling, gas and electrolyte that leaves the beam count as well.
    """
    if not (thickness > 0 and cross_section > 0):
        raise ValueError(f"`thickness` and `cross_section` must be positive, got {thickness} and {cross_section}.")
    # barn = 1e-28 m², mm = 1e-3 m
    factor = 1 / (N_A * cross_section * 1e-28 * thickness * 1e-3)
    variance = None if depth.variance is None else depth.variance * factor**2
    return depth.replace(frames=depth.frames * factor, variance=variance, units=(*depth.units[:2], unit))

"""Neutron radiography: from transmitted intensity to the amount of an absorber."""

import jax.numpy as jnp
import numpy as np

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

"""Phase fractions of particles, and the state of charge that follows from stages, with bands."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...movie import Movie


class Fractions(eqx.Module):
    """Share of each phase in each particle over time.

    Parameters
    ----------
    values
        From 0 to 1, adding up to one over phases; zero where a particle is not seen.
    covariance
        Between phases of one particle at one time.
    times
        Of the frames.
    pixels
        Number of pixels of each particle; 0 where it is not seen.
    particles
        Label of each.
    """

    values: Float[Array, "time particle phase"]
    covariance: Float[Array, "time particle phase phase"]
    times: Float[Array, " time"]
    pixels: Int[np.ndarray, "time particle"] = eqx.field(static=False)
    particles: tuple[int, ...] = eqx.field(static=True)


def fractions(chances: Movie, labels: Int[np.ndarray, "*time row column"], *, together: float = 1.0) -> Fractions:
    """Phase fractions of every particle, as means of the pixel probabilities.

    Parameters
    ----------
    chances
        From `probabilities` or `by_threshold`.
    labels
        Particles, one picture for all frames or one a frame, from `segment` and `track`.
    together
        Number of neighbouring pixels that are right or wrong together: the area over which noise is correlated
        or the optics blur. It widens the bands.

    Raises
    ------
    ValueError
        If shapes disagree, there is no particle, or ``together`` is below one.

    Notes
    -----
    Bands hold the doubt of single pixels, not a colour class that is wrong for all of them. Pixels at phase
    boundaries mix colours and may look like a third phase between.
    """
    numbers = np.asarray(labels)
    frames = np.asarray(chances.frames, float)
    if not chances.channels_ndim or numbers.shape not in (chances.domain.shape, frames.shape[:-1]):
        raise ValueError(
            f"`labels` must number the pixels of movies of phases, shape {chances.domain.shape} or "
            f"{frames.shape[:-1]}, got {numbers.shape} for axes {chances.axes}."
        )
    if not together >= 1:
        raise ValueError(f"`together` must be at least one pixel, got {together}.")
    numbers = np.broadcast_to(numbers, frames.shape[:-1])
    kept = [int(n) for n in np.unique(numbers) if n > 0]
    if not kept:
        raise ValueError("`labels` numbers no particle.")
    count, phases = len(frames), frames.shape[-1]
    pixels = np.zeros((count, len(kept)), int)
    mean = np.zeros((count, len(kept), phases))
    covariance = np.zeros((count, len(kept), phases, phases))
    for t in range(count):
        held = np.searchsorted(kept, numbers[t])
        used = (numbers[t] > 0) & chances.domain.inside
        index, p = held[used], frames[t][used]
        pixels[t] = np.bincount(index, minlength=len(kept))
        size = np.maximum(pixels[t], 1)
        for a in range(phases):
            mean[t, :, a] = np.bincount(index, p[:, a], len(kept)) / size
            for b in range(phases):
                # one draw of a pixel's phase: Cov = p_a δ_ab − p_a p_b
                spread = (p[:, a] if a == b else 0.0) - p[:, a] * p[:, b]
                covariance[t, :, a, b] = np.bincount(index, spread, len(kept)) * together / size**2
    dtype = chances.frames.dtype
    return Fractions(jnp.asarray(mean, dtype), jnp.asarray(covariance, dtype), chances.times, pixels, tuple(kept))


def state_of_charge(
    found: Fractions, stoichiometry: Sequence[float]
) -> tuple[Float[Array, "time particle"], Float[Array, "time particle"]]:
    """State of charge of the surface of each particle and its standard deviation, from phase fractions.

    Parameters
    ----------
    found
        From `fractions`.
    stoichiometry
        Lithium content of each phase relative to full: for graphite 0.5 for stage 2 (LiC12), 1 for stage 1
        (LiC6), and that of the dilute stages in between them and zero.

    Returns
    -------
    mean, std
        NaN where a particle is not seen.

    Raises
    ------
    ValueError
        If there is not one number for each phase.

    Notes
    -----
    What the microscope sees is the surface. It is the state of charge of the particle only where colour was
    calibrated against charge passed; gold appears at about 0.7 to 0.8 of full concentration.
    """
    x = jnp.asarray(stoichiometry, found.values.dtype)
    if x.shape != found.values.shape[-1:]:
        raise ValueError(
            f"`stoichiometry` must have one number for each of {found.values.shape[-1]} phases, got {x.shape}."
        )
    seen = jnp.asarray(found.pixels > 0)
    mean = jnp.where(seen, found.values @ x, jnp.nan)
    variance = jnp.einsum("tpab,a,b->tp", found.covariance, x, x)
    return mean, jnp.where(seen, jnp.sqrt(jnp.maximum(variance, 0)), jnp.nan)

"""A simulated neutron radiography of lithium that diffuses through an electrode."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key
from scipy.ndimage import gaussian_filter

from ..domain import Domain
from ..movie import Movie
from ..noise import PoissonGaussian
from ..physics import Diffusion, Ends, laws, simulate

PIXEL = 0.01  # mm
INTERVAL = 60.0  # s
# mm²/s: effective, of a porous electrode; it rises threefold from empty to full.
SLOW, STEEP = 6e-5, 1.1
# Mean lithium fraction at the end.
FILLED = 0.55
EMPTY = 0.05
# Optical depth of housing and host, and what full lithiation adds.
HOUSING, LITHIUM = 0.5, 1.0
# Camera: grey values of the dark frame and its read noise, grey values for each neutron.
DARK, READ, GAIN = 300.0, 6.0, 3.0


def diffusivity(c: Float[Array, "..."]) -> Float[Array, "..."]:
    """The law behind `neutron_cell`, D(c) in mm²/s."""
    return SLOW * jnp.exp(STEEP * c)


class Radiographs(eqx.Module):
    """A simulated neutron experiment: what the camera writes, what was really there, and the law.

    Parameters
    ----------
    sample, open_beam, dark
        Grey values of the camera.
    fraction
        Lithium fraction, sharp and without noise, on the view; rows run through the thickness.
    profile
        The same on the line through the thickness, from the beginning of the charge, where the law was solved.
    equation
        Diffusion with the inflow of lithium at the first row.
    noise
        Of grey values.
    spots
        Where gamma rays hit the camera behind the sample.
    lithium, blur
        Optical depth of full lithiation; standard deviation of the instrument's blur in pixels.
    """

    sample: Movie
    open_beam: Movie
    dark: Movie
    fraction: Movie
    profile: Movie
    equation: Diffusion
    noise: PoissonGaussian
    spots: Bool[np.ndarray, "time row column"]
    lithium: float = eqx.field(static=True)
    blur: float = eqx.field(static=True)


def neutron_cell(
    *,
    key: Key[Array, ""],
    size: int = 40,
    width: int = 48,
    frames: int = 32,
    neutrons: float = 120.0,
    blur: float = 0.7,
    spots: float = 1e-3,
    references: int = 20,
    rest: int = 0,
) -> Radiographs:
    """A movie of lithium entering an electrode from the separator, as counts with open beam and dark frames.

    Through the thickness ∂c/∂t = ∂/∂x (D(c) ∂c/∂x) with D = 6e-5 mm²/s exp(1.1 c), a constant inflow at the first row
    and none at the last. The camera sees exp(−0.5 − c) of an uneven beam, blurred, with the shot noise of so
    many neutrons, read noise, and gamma spots.

    Parameters
    ----------
    key
        Random key.
    size, width
        Rows through the thickness and columns along the electrode, 0.01 mm each.
    frames
        Number of frames, a minute apart.
    neutrons
        Counted by a pixel of the open beam in one frame.
    blur
        Standard deviation of the instrument's blur, pixels.
    spots
        Share of pixels that a gamma ray hits in one frame.
    references
        Number of frames of the open beam, and of the dark. Their noise is the same in every transmission.
    rest
        Number of frames before the charge begins, at negative times: what later frames can be compared with.
    """
    line = Domain(size, PIXEL, (("fixed-flux", "no-flux"),))
    times = INTERVAL * jnp.arange(float(frames))
    inflow = (FILLED - EMPTY) * size * PIXEL / float(times[-1])
    equation = Diffusion(laws.Known(diffusivity), ends=(Ends(low=laws.Constant(inflow)),))
    run = simulate(equation, jnp.full(size, EMPTY), times, line, dt=INTERVAL / 4)
    profile = Movie(run.frames, times, line, units=("mm", "s", "Li fraction"))

    view = Domain((size, width), PIXEL)
    before = jnp.full((rest, size), EMPTY)
    clean = jnp.broadcast_to(jnp.concatenate([before, profile.frames])[..., None], (rest + frames, size, width))
    row, column = (np.mgrid[:size, :width] + 0.5) / np.array([size, width])[:, None, None]
    beam = neutrons * GAIN * (1 - 0.3 * (row - 0.4) ** 2 - 0.2 * (column - 0.6) ** 2)
    through = np.exp(-HOUSING - LITHIUM * np.asarray(clean, float))
    seen = np.stack([gaussian_filter(beam * t, blur, mode="nearest") for t in through])
    noise = PoissonGaussian(GAIN, DARK, READ)
    keys = jax.random.split(key, 5)

    def taken(light, count, key) -> Movie:
        grey = noise.sample(jnp.broadcast_to(jnp.asarray(DARK + light, float), (count, size, width)), key=key)
        return Movie(grey, INTERVAL * jnp.arange(float(count)), view, units=("mm", "s", "counts"))

    all_times = INTERVAL * jnp.arange(-float(rest), float(frames))
    sample = taken(seen, rest + frames, keys[0]).replace(times=all_times)
    hit = jax.random.bernoulli(keys[3], spots, sample.frames.shape)
    flash = 5 * neutrons * GAIN * jax.random.exponential(keys[4], sample.frames.shape)
    return Radiographs(
        sample.replace(frames=sample.frames + jnp.where(hit, flash, 0.0)),
        taken(beam, references, keys[1]),
        taken(0 * beam, references, keys[2]),
        Movie(clean, all_times, view, units=("mm", "s", "Li fraction")),
        profile,
        equation,
        noise,
        np.asarray(hit),
        LITHIUM,
        blur,
    )

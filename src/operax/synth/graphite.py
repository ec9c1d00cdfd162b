"""A simulated optical movie of lithiated graphite: many particles stage by stage, in colour."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.ndimage import gaussian_filter

from ..domain import Domain
from ..movie import Movie
from ..physics import Current, TwoLayerGraphite, kinetics, laws, simulate
from ..physics.rate_field import as_field

PIXEL = 0.5  # µm
# Exchange rate j₀ √(c (1 − c)) per hour, gradient energy in kT µm², spread of log k between particles.
EXCHANGE, KAPPA, SPREAD = 3.0, 0.5, 0.6
START, END, HOURS = 0.03, 0.95, 1.0
# Reflected red, green and blue light, relative to white, of graphite with this share of its lithium. Dilute stages
# are dark grey-blue, stage 2 (LiC12) is red, stage 1 (LiC6) gold; drawn after published descriptions, not measured.
SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)
COLOURS = ((0.20, 0.22, 0.26), (0.22, 0.22, 0.27), (0.52, 0.20, 0.17), (0.72, 0.50, 0.18), (0.80, 0.60, 0.20))
GROUND = (0.06, 0.06, 0.07)
# Share of lithium from which a pixel is called stage 2 and stage 1: half way between their colours.
GRAPHITE_LIMITS = (0.35, 0.67)


def exchange(c: Float[Array, "..."]) -> Float[Array, "..."]:
    """The law behind `graphite_optical`, exchange rate j₀(c) per hour."""
    return EXCHANGE * jnp.sqrt(jnp.clip(c * (1 - c), 1e-6))


def graphite_colour(share: Float[Array, "*shape"]) -> Float[Array, "*shape 3"]:
    """Reflected red, green and blue light of `graphite_optical`, relative to white, for a share of lithium."""
    table = jnp.asarray(COLOURS)
    return jnp.stack([jnp.interp(share, jnp.asarray(SHARES), table[:, k]) for k in range(3)], -1)


class Colours(eqx.Module):
    """A simulated optical experiment: what the camera writes, what was really there, and the laws.

    Parameters
    ----------
    noisy, clean
        Linear light in red, green and blue with and without noise; the illumination drifts and is uneven.
    white
        A white card under the same field, without noise to speak of.
    lithium
        Share of lithium in the particles, mean of both layers.
    labels
        Number of each particle, 0 on the ground.
    stage
        True phase of every pixel: 0 dilute, 1 stage 2 (red), 2 stage 1 (gold); −1 on the ground.
    rates
        Rate of each particle, in the order of its number: the factor k on the law's exchange rate.
    voltage
        Voltage of the cell at each frame in kT/e, as a potentiostat records it; more negative inserts.
    equation
        The law.
    sigma
        Standard deviation of the noise of a channel.
    """

    noisy: Movie
    clean: Movie
    white: Movie
    lithium: Movie
    labels: Int[np.ndarray, "row column"]
    stage: Int[np.ndarray, "time row column"]
    rates: Float[np.ndarray, " particle"]
    voltage: Float[Array, " time"]
    equation: TwoLayerGraphite
    sigma: float = eqx.field(static=True)


def flakes(size: int, count: int, *, seed: int) -> Int[np.ndarray, "size size"]:
    """Labels of rounded flakes that hardly touch: cells around jittered places on a grid, with gaps between."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    step = size / side
    places = (np.moveaxis(np.mgrid[:side, :side], 0, -1).reshape(-1, 2)[:count] + 0.5) * step
    places = places + rng.uniform(-0.14, 0.14, places.shape) * step
    row, column = np.mgrid[:size, :size] + 0.5
    labels = np.zeros((size, size), int)
    for i, (r, c) in enumerate(places, 1):
        angle, long, wide = rng.uniform(0, np.pi), *(step * rng.uniform(0.30, 0.42, 2))
        along = (row - r) * np.cos(angle) + (column - c) * np.sin(angle)
        across = (column - c) * np.cos(angle) - (row - r) * np.sin(angle)
        labels[((along / long) ** 2 + (across / wide) ** 2 < 1) & (labels == 0)] = i
    return labels


def graphite_optical(
    *,
    key: Key[Array, ""],
    size: int = 64,
    particles: int = 36,
    frames: int = 40,
    sigma: float = 0.1,
    spread: float = SPREAD,
) -> Colours:
    """A colour movie of graphite particles lithiated together at constant current.

    Two-layer graphite with Butler–Volmer kinetics, j₀ = 3 √(c (1 − c)) per hour and a rate that differs from particle
    to particle; the mean share of lithium goes from 0.03 to 0.95 in an hour. Light is reflected with the colour of the
    local share of lithium, blurred by the optics, lit by a lamp that drifts and a field that darkens outwards.

    Parameters
    ----------
    key
        Random key.
    size
        Rows and columns of 0.5 µm.
    particles
        Number of particles.
    frames
        Number of frames.
    sigma
        Standard deviation of the noise of a channel, relative to white; colours of neighbouring stages differ by
        0.2 to 0.3, so that 0.1 to 0.15 is a signal-to-noise ratio of two.
    spread
        Standard deviation of log k between particles; 0 gives all the same rate.
    """
    placing, rating, starting, seeing = jax.random.split(key, 4)
    labels = flakes(size, particles, seed=int(jax.random.randint(placing, (), 0, 2**30)))
    inside = labels > 0
    domain = Domain((size, size), PIXEL, "no-flux", inside)
    rates = np.exp(spread * np.asarray(jax.random.normal(rating, (particles + 1,))))
    equation = TwoLayerGraphite(
        kinetics.ButlerVolmer(laws.Known(exchange)),
        laws.Constant(KAPPA),
        Current(laws.Constant((END - START) / HOURS)),
        rate_field=as_field(np.where(inside, rates[labels], 1.0)),
    )
    times = jnp.linspace(0.0, HOURS, frames)
    seed = 1 + 0.3 * jax.random.normal(starting, (size, size, 2))
    c0 = jnp.where(jnp.asarray(inside)[..., None], START * jnp.clip(seed, 0.2, 2.0), 0.0)
    run = simulate(equation, c0, times, domain, dt=HOURS / 1000)
    voltage = jax.vmap(equation.voltage, (0, 0, None))(times, run.frames, domain)
    share = run.frames.mean(-1)
    here = jnp.asarray(inside)
    painted = jnp.where(here[..., None], graphite_colour(share), jnp.asarray(GROUND))
    sharp = gaussian_filter(np.asarray(painted), (0, 0.6, 0.6, 0), mode="nearest")
    row, column = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    field = 1 - 0.5 * (row**2 + column**2)
    lamp = 1 + 0.08 * np.sin(2 * np.pi * np.arange(frames) / frames)
    light = jnp.asarray(sharp * (lamp[:, None, None] * field)[..., None])
    view = Domain((size, size), PIXEL)
    clean = Movie(light, times, view, units=("um", "h", "1"))
    white = Movie(jnp.broadcast_to(field[..., None], (1, size, size, 3)), jnp.zeros(1), view, units=("um", "h", "1"))
    noisy = clean.replace(frames=light + sigma * jax.random.normal(seeing, light.shape))
    lithium = Movie(share, times, domain, units=("um", "h", "Li share"))
    stage = np.where(inside, np.digitize(np.asarray(share), GRAPHITE_LIMITS), -1)
    return Colours(noisy, clean, white, lithium, labels, stage, rates[1:], voltage, equation, float(sigma))

"""A simulated STXM experiment: LiFePO4 particles take up lithium, seen at two energies of the iron edge."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..domain import Domain
from ..movie import Movie
from ..physics import Current, Intercalation, RateField, kinetics, laws, simulate
from ..physics.rate_field import as_field
from .iron import iron_edge
from .spinodal import particles

# Energies of the two movies, eV: the highest lines of LiFePO4 and FePO4.
PAIR = (708.2, 710.2)
PIXEL = 0.05  # µm
# Rate of exchange j₀ √(c (1 − c)) per hour, regular-solution parameter, gradient energy in kT µm², spread of log k.
EXCHANGE, OMEGA, KAPPA, SPREAD = 4.0, 2.6, 0.012, 0.35
LFP_START, END, HOURS = 0.15, 0.85, 1.0
# Optical density of the highest line behind the mean thickness, and of what does not change at the edge.
THICK, BEFORE = 0.8, 0.25
# Counts of an empty pixel, and how the noise of neighbours in a row is correlated.
FLUX, ALONG = 1250.0, 0.65


def exchange(c: Float[Array, "..."]) -> Float[Array, "..."]:
    """The law behind `lfp_insertion`, exchange rate j₀(c) per hour."""
    return EXCHANGE * jnp.sqrt(jnp.clip(c * (1 - c), 1e-6))


class Scans(eqx.Module):
    """A simulated two-energy experiment: counts of both energies, what was really there, and the laws.

    Parameters
    ----------
    counts
        Movies at the two `energies`, taken at the same moments.
    fraction
        Lithium fraction without noise.
    equation
        The law.
    rate
        k(x), the factor on the rate.
    thickness
        Of the particles, in units of the references.
    before
        Optical density that does not change at the edge.
    energies, flux, along
        eV; counts of an empty pixel; correlation of the noise of neighbours in a row.
    """

    counts: tuple[Movie, Movie]
    fraction: Movie
    equation: Intercalation
    rate: Float[Array, "row column"]
    thickness: Float[Array, "row column"]
    before: float = eqx.field(static=True)
    energies: tuple[float, float] = eqx.field(static=True)
    flux: float = eqx.field(static=True)
    along: float = eqx.field(static=True)


def row_noise(shape: tuple[int, ...], along: float, *, key: Key[Array, ""]) -> Float[Array, "*shape"]:
    """Standard normal noise of a ``shape``, correlated along the last axis as ρ^|lag| and white along all others.

    Parameters
    ----------
    shape
        Of the noise.
    along
        The correlation ρ of neighbours along the last axis.
    key
        Random key.
    """
    white = jnp.moveaxis(jax.random.normal(key, shape), -1, 0)

    def step(last, fresh):
        now = along * last + np.sqrt(1 - along**2) * fresh
        return now, now

    _, rest = jax.lax.scan(step, white[0], white[1:])
    return jnp.moveaxis(jnp.concatenate([white[:1], rest]), 0, -1)


def lfp_insertion(
    *, key: Key[Array, ""], size: int = 40, frames: int = 60, flux: float = FLUX, along: float = ALONG
) -> Scans:
    """Three LiFePO4-like platelets lithiated at constant current, as STXM counts at two energies.

    Reaction at every pixel with Butler–Volmer kinetics, j₀ = 4 √(c (1 − c)) per hour, regular solution Ω = 2.6,
    κ = 0.012 kT µm² and a rate k(x) that varies from place to place by up to twofold; the mean fraction goes from 0.15
    to 0.85 in an hour. The interface covers about four pixels of 50 nm; that of bare LiFePO4 is far narrower.

    Parameters
    ----------
    key
        Random key.
    size
        Rows and columns.
    frames
        Number of frames.
    flux
        Counts of an empty pixel: with 1250, one pixel of the lithium fraction has a standard deviation of about
        0.07, as published.
    along
        Correlation of the noise of neighbours in a row, as the scanned beam and alignment leave it.
    """
    inside = particles(size)
    domain = Domain((size, size), PIXEL, "no-flux", inside)
    rating, starting, thick, first, second = jax.random.split(key, 5)
    field = RateField(domain, 12, SPREAD)
    field = eqx.tree_at(lambda f: f.coordinates, field, jax.random.normal(rating, field.coordinates.shape))
    rate = jnp.where(jnp.asarray(inside), field(), 1.0)
    times = jnp.linspace(0.0, HOURS, frames)
    equation = Intercalation(
        kinetics.ButlerVolmer(laws.Known(exchange)),
        laws.RegularSolution(laws.Constant(OMEGA)),
        laws.Constant(KAPPA),
        Current(laws.Constant((END - LFP_START) / HOURS)),
        rate_field=as_field(np.asarray(rate)),
    )
    c0 = jnp.where(jnp.asarray(inside), LFP_START + 0.02 * jax.random.normal(starting, domain.shape), 0.0)
    run = simulate(equation, c0, times, domain, dt=HOURS / 240)
    fraction = run.replace(units=("um", "h", "Li fraction"))

    across = RateField(domain, 6, 0.1)
    across = eqx.tree_at(lambda f: f.coordinates, across, jax.random.normal(thick, across.coordinates.shape))
    thickness = jnp.where(jnp.asarray(inside), THICK * across(), 0.0)
    full, empty = iron_edge(np.asarray(PAIR))
    counts = []
    for at, noisy in ((0, first), (1, second)):
        depth = thickness * (run.frames * full[at] + (1 - run.frames) * empty[at]) + BEFORE * jnp.asarray(inside)
        clean = flux * jnp.exp(-depth)
        seen = clean + jnp.sqrt(clean) * row_noise(clean.shape, along, key=noisy)
        counts.append(Movie(seen, times, Domain((size, size), PIXEL), units=("um", "h", "counts")))
    return Scans((counts[0], counts[1]), fraction, equation, rate, thickness, BEFORE, PAIR, flux, along)

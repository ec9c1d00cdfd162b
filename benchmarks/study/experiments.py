"""Spinodal movies with known laws and three kinds of noise, drawn in pairs of opposite sign. Runs nothing by itself.

The clean movie and the true laws are those of `starts.py`: a periodic Cahn–Hilliard box whose phases have begun to
part. Of the laws M has a level and a shape in c, μ_h a polynomial on top of an ideal mixture that repels; κ is known,
which fixes the gauge.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from starts import clean_movie

import operax as ox
from operax import laws

SIZE, FRAMES = 24, 16
UNKNOWN = ox.CahnHilliard(
    laws.Degenerate(laws.positive(1.3, factor=2) * laws.Exp(laws.Legendre(2, 0.3))),
    laws.RegularSolution(2.45) + laws.Legendre(3, 0.3),
    2e-3,
)
# Neighbours along a row share this part of a white field.
SMEAR = 0.3
KINDS = ("gauss", "counts", "rows")
AT = np.array([0.2, 0.35, 0.5, 0.65, 0.8])
NAMES = tuple(f"D({c:g})" for c in AT) + tuple(f"μ({c:g})" for c in AT if c != 0.5)


def numbers(e) -> jax.Array:
    """D and μ_h at a few compositions, μ_h from that at one half."""
    others = jnp.asarray(AT[AT != 0.5])
    return jnp.concatenate([e.diffusivity(jnp.asarray(AT)), potential(e, others)])


def potential(e, c):
    return e.potential(c) - e.potential(jnp.array(0.5))


def clean() -> ox.Movie:
    return clean_movie(SIZE, FRAMES)


def model(kind: str, sigma: float):
    """The noise as it is judged: σ is the standard deviation of a value, for counts that at c = ½."""
    if kind == "counts":
        # half of the variance at c = ½ is counting noise
        return ox.noise.PoissonGaussian(sigma**2, 0.0, sigma * 0.5**0.5)
    white = ox.noise.Gaussian(sigma)
    if kind == "gauss":
        return white
    total = 1 + 2 * SMEAR**2
    row = np.array([SMEAR**2, 2 * SMEAR, total, 2 * SMEAR, SMEAR**2]) / total
    lags = np.zeros((5, 5))
    lags[2] = row
    return ox.Correlated(white, lags)


def pair(kind: str, sigma: float, movie: ox.Movie, number: int) -> tuple[ox.Movie, ox.Movie]:
    """Two noisy copies with opposite noise: what is linear in the noise cancels in their mean."""
    generator = np.random.default_rng((number, int(1e4 * sigma), KINDS.index(kind)))
    frames = np.asarray(movie.frames)
    z = generator.standard_normal(frames.shape)
    if kind == "rows":
        z = (z + SMEAR * (np.roll(z, 1, -1) + np.roll(z, -1, -1))) / (1 + 2 * SMEAR**2) ** 0.5
    noise = [sigma * z, -sigma * z]
    if kind == "counts":
        u = generator.random(frames.shape)
        expected = np.maximum(frames, 0) / sigma**2
        noise = [
            sigma**2 * (stats.poisson.ppf(chance, expected) - expected) + sigma * 0.5**0.5 * read
            for chance, read in ((u, z), (1 - u, -z))
        ]
    plus, minus = (movie.replace(frames=jnp.asarray(frames + n)) for n in noise)
    return plus, minus

"""Small problems with known laws, solved once for all tests of inference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws


@pytest.fixture(scope="session")
def line():
    """Diffusion of a step on a line, D = 2 + c: equation, clean movie, noisy movie, noise."""
    domain = ox.Domain((30,), 1.0)
    equation = ox.Diffusion(lambda c: 2 + c)
    c0 = 1 / (1 + jnp.exp((domain.centres()[0] - 12) / 1.5))
    clean = ox.simulate(equation, c0, jnp.arange(10.0), domain)
    noise = ox.noise.Gaussian(0.02)
    noisy = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(1)))
    return equation, clean, noisy, noise


@pytest.fixture(scope="session")
def unknown():
    """A diffusivity to be found, within a factor two of two, with a slope."""
    return ox.Diffusion(laws.positive(2.0, factor=2) * laws.Exp(laws.Legendre(1, 0.5)))


@pytest.fixture(scope="session")
def solved(line, unknown):
    _, _, noisy, noise = line
    problem = ox.Problem(noisy, None, noise)
    return problem, ox.fit(unknown, problem)


@pytest.fixture(scope="session")
def points():
    return jnp.asarray(np.linspace(0.05, 0.95, 7))


@pytest.fixture(scope="session")
def small():
    """Diffusion with D = 2 on a line of 16 pixels, start unknown: noisy movie, noise, problem, fit."""
    domain = ox.Domain((16,), 1.0)
    x = domain.centres()[0]
    waves = jnp.exp(-2.0 * (jnp.pi / 16 * jnp.array([1, 3])) ** 2 * 0.5 * jnp.arange(6.0)[:, None])
    shapes = jnp.stack([0.3 * jnp.cos(jnp.pi * x / 16), 0.2 * jnp.cos(3 * jnp.pi * x / 16)])
    clean = ox.Movie(0.5 + waves @ shapes, 0.5 * jnp.arange(6.0), domain)
    noise = ox.noise.Gaussian(0.02)
    noisy = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(1)))
    problem = ox.Problem(noisy, None, noise, start=ox.PreRoll(cutoff=0.6))
    return clean, noisy, noise, problem, ox.fit(ox.Diffusion(ox.laws.positive(2.0, factor=2)), problem)

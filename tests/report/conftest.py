import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.inference import Problem, fit, fitted, laplace
from operax.noise import Gaussian
from operax.physics import Diffusion, laws, simulate

UNITS = ("px", "frame", "water content")


@pytest.fixture(scope="session")
def truth():
    return Diffusion(2.0)


@pytest.fixture(scope="session")
def noise():
    return Gaussian(0.02)


@pytest.fixture(scope="session")
def clean(truth):
    domain = Domain(20)
    x = domain.centres()[0]
    c0 = jnp.asarray(0.1 + 0.7 / (1 + np.exp(x - 8)))
    return simulate(truth, c0, jnp.arange(6.0), domain).replace(units=UNITS)


@pytest.fixture(scope="session")
def raw(clean, noise):
    # drawn by numpy, so that it is the same movie in both precisions
    draw = np.random.default_rng(1).normal(size=clean.frames.shape)
    return clean.replace(frames=clean.frames + noise.std * jnp.asarray(draw))


@pytest.fixture(scope="session")
def problem(raw, noise):
    return Problem(raw, noise=noise, window=None)


@pytest.fixture(scope="session")
def posterior(problem):
    equation = Diffusion(laws.Exp(laws.Unknown(0.0, 1.0) + laws.Legendre(2, 0.3)))
    return laplace(fit(equation, problem), problem, key=jax.random.key(2), draws=300)


@pytest.fixture(scope="session")
def predicted(posterior, problem):
    return fitted(posterior.fit, problem)

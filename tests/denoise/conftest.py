import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise
from operax.denoise import BlindSpot, train
from operax.domain import Domain
from operax.movie import Movie

STD = 0.1


@pytest.fixture(scope="session")
def clean():
    """Smooth waves that drift slowly over a particle with a round outline, values 0.05 to 0.95."""
    t, y, x = np.meshgrid(np.arange(14), np.arange(33), np.arange(30), indexing="ij")
    wave = np.sin(2 * np.pi * (x - 0.4 * t) / 22) * np.cos(2 * np.pi * (y + 0.3 * t) / 26)
    inside = (y[0] - 16) ** 2 + (x[0] - 14) ** 2 < 13**2
    frames = jnp.asarray(0.5 + 0.45 * np.tanh(2 * wave), jnp.float32)
    return Movie(frames, 2.0 * np.arange(14), Domain((33, 30), 0.1, inside=inside), units=("um", "s", "1"))


@pytest.fixture(scope="session")
def raw(clean):
    noisy = noise.Gaussian(STD).sample(clean.frames, key=jax.random.key(1))
    # Nothing outside the particle may be looked at.
    return clean.replace(frames=jnp.where(clean.domain.inside, noisy, jnp.nan))


@pytest.fixture(scope="session")
def calls():
    return []


@pytest.fixture(scope="session")
def denoiser(raw, calls):
    return train(
        raw,
        noise.Gaussian(STD),
        key=jax.random.key(0),
        network=BlindSpot(reach=3, width=8),
        steps=150,
        batch=2,
        learning_rate=1e-2,  # short training
        progress=lambda *call: calls.append(call),
    )

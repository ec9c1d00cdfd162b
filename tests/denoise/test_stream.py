"""Piece by piece and tile by tile, the result is that of the whole movie at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise
from operax.denoise import UDVD, BlindSpot, Denoiser, stream
from operax.denoise.cosines import SIZE
from operax.denoise.share import Gain
from operax.domain import Domain
from operax.movie import Movie


def untrained(network, movie, posterior):
    """A denoiser with random weights: what it says is of no use, but depends on all it reads."""
    graph, weights = network.build(key=jax.random.key(0))
    weights["heads"]["kernel"] = 0.1 * jax.random.normal(jax.random.key(1), weights["heads"]["kernel"].shape)
    model = noise.Gaussian(jnp.linspace(0.5, 1.5, movie.domain.shape[1]))
    share, doubt, spread, height = jax.random.uniform(jax.random.key(2), (4, 3))
    spectrum = jnp.linspace(0.5, 1.5, SIZE**2).reshape(SIZE, SIZE)
    ratios, levels = jnp.asarray([0.05, 0.1, 0.2]), jnp.asarray([-0.5, 0.0, 0.5])
    gain = Gain(ratios, share, doubt, spread, levels, height, spectrum, jnp.asarray(0.7), jnp.asarray([0.2]))
    return Denoiser(weights, jnp.zeros(()), jnp.ones(()), model, jnp.zeros(1), gain, graph, network, "", posterior, ())


@pytest.mark.parametrize(
    ("network", "posterior", "shape"),
    [
        (BlindSpot(2, 2), True, (15, 70, 85)),
        pytest.param(BlindSpot(2, 2), True, (43, 90, 121), marks=pytest.mark.slow),
        pytest.param(BlindSpot(2, 2, skip=1), True, (43, 90, 61), marks=pytest.mark.slow),
        pytest.param(BlindSpot(2, 2, footprint=(3, None)), False, (11, 150, 61), marks=pytest.mark.slow),
        pytest.param(UDVD(2, together=3), True, (19, 200, 37), marks=pytest.mark.slow),
    ],
)
def test_tiles_and_pieces_are_the_whole(network, posterior, shape):
    inside = np.hypot(*np.mgrid[: shape[1], : shape[2]]) > 20
    frames = np.where(inside, np.random.default_rng(0).standard_normal(shape), np.nan)
    domain = Domain(shape[1:], inside=inside)
    movie = Movie(frames.astype(np.float32), np.arange(float(len(frames))), domain, units=("um", "s", "1"))
    denoiser = untrained(network, movie, posterior)
    whole = denoiser(movie)
    pieces = list(stream(denoiser, movie, frames=8, tile=38))
    assert [len(piece) for piece in pieces][:-1] == [8] * ((len(movie) - 1) // 8)
    assert all(p.reads == whole.reads and p.units == whole.units and p.domain == whole.domain for p in pieces)
    np.testing.assert_array_equal(np.concatenate([p.times for p in pieces]), whole.times)
    for name in ("frames", "variance"):
        together = np.concatenate([getattr(p, name) for p in pieces])
        np.testing.assert_allclose(together[:, inside], getattr(whole, name)[:, inside], atol=1e-6)


def test_bad_sizes_are_refused(denoiser, raw):
    with pytest.raises(ValueError, match="`tile` must be at least 1, got 0"):
        stream(denoiser, raw, tile=0)
    with pytest.raises(ValueError, match="`frames` must be at least 1, got -1"):
        stream(denoiser, raw, frames=-1)

"""Which frames are shown for each frame: mirrored at the ends, never the frame itself, never one left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise
from operax.denoise import UDVD, BlindSpot, Denoiser, FrameBlind
from operax.denoise.clips import neighbours, offsets
from operax.denoise.share import nothing
from operax.domain import Domain
from operax.movie import Movie


def test_offsets_leave_out_the_frames_a_fit_is_judged_on():
    assert offsets(2, 0) == (-2, -1, 1, 2)
    assert offsets(2, 3) == (-2, -1, 4, 5)
    assert offsets(2, None) == (-2, -1)


def test_ends_are_mirrored():
    table = neighbours(7, offsets(3, 0))
    assert table[0].tolist() == [3, 2, 1, 1, 2, 3]
    assert table[6].tolist() == [3, 4, 5, 5, 4, 3]


@pytest.mark.parametrize("skip", [0, 1, 4, None])
@pytest.mark.parametrize("count", [5, 6, 12])
def test_only_allowed_frames_fill_a_slot(skip, count):
    wanted = offsets(2, skip)
    table = neighbours(count, wanted)
    for t, row in enumerate(table):
        assert all(i == -1 or (0 <= i < count and i - t in wanted) for i in row)
        there = any(0 <= t + o < count for o in wanted)
        assert ((row >= 0) == there).all()


def test_udvd_mirrors_whole_runs():
    assert UDVD().clips(6)[0].tolist() == [2, 1, 0, 1, 2]
    assert UDVD().clips(6)[5].tolist() == [3, 4, 5, 4, 3]
    assert UDVD(together=3).clips(6)[-1].tolist() == [1, 2, 3, 4, 5, 4, 3]


NETWORKS = [
    pytest.param(BlindSpot(2, 2, skip=3), id="excluding"),
    pytest.param(BlindSpot(2, 2, skip=None), id="causal", marks=pytest.mark.slow),
    pytest.param(FrameBlind(2, 2, skip=2), id="frame-blind", marks=pytest.mark.slow),
    pytest.param(UDVD(2, together=3), id="UDVD", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_frame_reads_exactly_what_it_says(network):
    """Derivatives of every denoised frame, ends included, by every recorded one."""
    movie = Movie(np.random.default_rng(0).standard_normal((8, 8, 10)), np.arange(8.0), Domain((8, 10)))
    graph, weights = network.build(key=jax.random.key(0))
    weights["heads"]["kernel"] = jax.random.normal(jax.random.key(1), weights["heads"]["kernel"].shape)
    zero, one = jnp.zeros(()), jnp.ones(())
    numbers = weights, zero, one, noise.Gaussian(1.0), jnp.zeros(1), nothing(jnp.float32)
    denoiser = Denoiser(*numbers, graph, network, "", False, ())
    result = denoiser.blind(movie)
    assert result.reads == network.reads

    def column(frames):
        return denoiser.blind(movie.replace(frames=frames)).frames.sum((1, 2))

    read = np.asarray((jax.jit(jax.jacrev(column))(movie.frames) != 0).any((2, 3)))
    for t in range(8):
        seen = set(np.flatnonzero(read[t]) - t)
        assert seen <= set(network.reads)
        assert {o for o in network.reads if 0 <= t + o < 8} <= seen

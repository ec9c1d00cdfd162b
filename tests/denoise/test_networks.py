"""Blindness of every network, probed by derivatives: exact zeros where promised, anything but zero elsewhere."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.denoise import UDVD, BlindSpot, FrameBlind, networks
from operax.denoise.networks.layers import convolve

ROWS, COLUMNS = 19, 22
PIXELS = [(9, 10), (0, 0), (18, 21)]

apply = eqx.filter_jit(networks.apply)


def built(network, channels=1):
    graph, weights = network.build(channels, key=jax.random.key(0))
    # The heads start at zero; give them something to say.
    weights["heads"]["kernel"] = jax.random.normal(jax.random.key(5), weights["heads"]["kernel"].shape)
    return graph, weights


def picture(network, count=None, channels=1, shape=(ROWS, COLUMNS)):
    count = network.clips(30).shape[1] if count is None else count
    return jax.random.normal(jax.random.key(1), (1, count, *shape, channels))


def run(network, parts, clip):
    seen = jnp.ones(clip.shape[:2], bool)
    return apply(*parts, clip, seen, jnp.ones((len(clip), *clip.shape[2:4]), bool))


def blind(footprint, pixel):
    """Boolean picture of the blind rectangle around a pixel."""
    spans = [
        np.ones(n, bool) if size is None else np.abs(np.arange(n) - at) <= size // 2
        for n, size, at in zip((ROWS, COLUMNS), footprint, pixel)
    ]
    return spans[0][:, None] & spans[1]


def ring(hidden, footprint, pixel):
    """Pixels that touch the blind rectangle, not far along an axis that is blind from end to end."""
    grown = np.pad(hidden, 1)
    grown = sum(grown[1 + i : ROWS + 1 + i, 1 + j : COLUMNS + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)) > 0
    near = np.ones((ROWS, COLUMNS), bool)
    for axis, (size, at) in enumerate(zip(footprint, pixel)):
        far = np.abs(np.arange(near.shape[axis]) - at) > (3 if size is None else near.size)
        near &= ~(far[:, None] if axis == 0 else far)
    return grown & ~hidden & near


NETWORKS = [
    BlindSpot(2, 4),
    pytest.param(BlindSpot(2, 4, skip=None), marks=pytest.mark.slow),
    pytest.param(BlindSpot(2, 4, skip=2), marks=pytest.mark.slow),
    pytest.param(BlindSpot(2, 4, footprint=(3, 3)), marks=pytest.mark.slow),
    pytest.param(BlindSpot(2, 4, footprint=(1, 5)), marks=pytest.mark.slow),
    BlindSpot(2, 4, footprint=(3, None)),
    pytest.param(BlindSpot(2, 4, footprint=(None, 1)), marks=pytest.mark.slow),
    pytest.param(FrameBlind(2, 4), marks=pytest.mark.slow),
    UDVD(4),
    pytest.param(UDVD(4, footprint=(3, 3)), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_derivatives_vanish_in_the_footprint_and_nowhere_near_it(network):
    (graph, weights), clip = built(network), picture(network)
    target = network.targets[0]
    seen, inside = jnp.ones(clip.shape[:2], bool), jnp.ones((1, ROWS, COLUMNS), bool)

    @jax.jit
    def derivative(end):
        return jax.vjp(lambda c: networks.apply(graph, weights, c, seen, inside), clip)[1](end)[0][0, ..., 0]

    for pixel in PIXELS:
        hidden = blind(network.footprint, pixel)
        one = jnp.zeros((1, 1, ROWS, COLUMNS, 1)).at[0, 0, *pixel].set(1)
        for mean, spread in ((1, 0), (0, 1)):
            gradient = np.asarray(derivative((mean * one, spread * one[..., None])))
            assert (gradient[target][hidden] == 0).all()
            assert (
                isinstance(network, FrameBlind) or (gradient[target][ring(hidden, network.footprint, pixel)] != 0).all()
            )
            if isinstance(network, UDVD):
                assert (gradient[:, hidden] == 0).all()
                assert (gradient[:, ring(hidden, network.footprint, pixel)] != 0).all()
            else:
                assert all(gradient[i][pixel] != 0 for i in range(clip.shape[1]) if i != target)


@pytest.mark.slow
@pytest.mark.parametrize("network", [BlindSpot(1, 2), UDVD(2)], ids=str)
def test_every_pixel_is_blind_to_itself_at_once(network):
    """The whole diagonal of the Jacobian, not a few chosen pixels."""
    parts, clip = built(network), picture(network, shape=(8, 9))
    target = network.targets[0]

    def predict(frame):
        return run(network, parts, clip.at[0, target].set(frame.reshape(8, 9, 1)))[0].ravel()

    jacobian = jax.jacfwd(predict)(clip[0, target].ravel())
    assert (jnp.diag(jacobian) == 0).all()
    assert (jacobian != 0).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("network", [BlindSpot(1, 4), UDVD(4)], ids=str)
def test_colour_is_blind_in_all_channels_at_once(network):
    parts, clip = built(network, 3), picture(network, channels=3)
    mean, factor = run(network, parts, clip)
    assert factor.shape == (1, 1, ROWS, COLUMNS, 3, 3)
    assert (factor[..., 0, 1:] == 0).all()
    assert (factor[..., 1, 0] != 0).all()
    target = network.targets[0]

    def value(c):
        mean, factor = run(network, parts, c)
        return mean[0, 0, 9, 10, 1] + factor[0, 0, 9, 10, 2, 0]

    gradient = jax.grad(value)(clip)[0, target]
    assert (gradient[9, 10] == 0).all()
    assert (gradient[9, 11] != 0).all()


@pytest.mark.slow
def test_first_stage_is_shared_and_changes_nothing():
    """Frames estimated together are those estimated one by one, for the price of fewer first stages."""
    one, three = UDVD(4), UDVD(4, together=3)
    parts, clip = built(one), picture(one, 7)
    together = run(three, parts, clip)
    for i in range(3):
        alone = run(one, parts, clip[:, i : i + 5])
        for a, b in zip(together, alone):
            np.testing.assert_allclose(a[:, i], b[:, 0], atol=1e-5)


@pytest.mark.parametrize("network", [BlindSpot(1, 2), pytest.param(UDVD(2), marks=pytest.mark.slow)], ids=str)
def test_nothing_beyond_the_halo_is_read(network):
    size = 2 * network.halo + 9
    (graph, weights), clip = built(network), picture(network, shape=(size, 5))
    seen, inside = jnp.ones(clip.shape[:2], bool), jnp.ones((1, size, 5), bool)
    middle = size // 2

    @jax.jit
    def derivative(clip):
        return jax.grad(lambda c: networks.apply(graph, weights, c, seen, inside)[0][0, 0, middle].sum())(clip)

    read = np.flatnonzero(np.asarray(derivative(clip) != 0).any((0, 1, 3, 4)))
    assert 0 < middle - read.min() <= network.halo
    assert 0 < read.max() - middle <= network.halo


def test_odd_picture_sizes_come_back():
    network = BlindSpot(1, 4)
    mean, factor = run(network, built(network), picture(network, shape=(5, 18)))
    assert mean.shape == (1, 1, 5, 18, 1)
    assert (factor > 0).all()


def test_pixels_outside_and_empty_slots_are_hidden_even_if_they_are_not_numbers():
    network = BlindSpot(1, 4)
    parts, clip = built(network), picture(network)
    inside = jnp.asarray(np.arange(COLUMNS) < 12) & jnp.ones((1, ROWS, 1), bool)
    # The first slot is empty: a frame at an end of a movie may have no neighbour to read.
    seen = jnp.ones(clip.shape[:2], bool).at[:, 0].set(False)
    known = inside[:, None, ..., None] & seen[..., None, None, None]
    shown, other = (apply(*parts, jnp.where(known, clip, hidden), seen, inside) for hidden in (jnp.nan, 7.0))
    assert all(jnp.isfinite(x).all() for x in shown)
    assert all((a == b).all() for a, b in zip(shown, other))


def test_starts_as_the_mean_of_the_other_frames():
    network = FrameBlind(1, 4)
    graph, weights = network.build(key=jax.random.key(0))
    mean, _ = run(network, (graph, weights), jnp.full((1, 3, 8, 8, 1), 2.5))
    np.testing.assert_allclose(mean, 2.5, rtol=1e-5)


def test_weights_are_plain_arrays_and_the_graph_is_the_same_for_every_key():
    (graph, weights), (other, fresh) = (BlindSpot(2, 4).build(key=jax.random.key(i)) for i in (0, 1))
    assert graph == other
    assert hash(graph) == hash(other)
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights))
    assert (weights["enter"]["kernel"] != fresh["enter"]["kernel"]).all()


@pytest.mark.parametrize(("dilation", "pads"), [((1, 2), ((2, 0), (2, 2)))])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_convolution_and_its_gradients_are_those_of_the_library(channels, dilation, pads):
    shapes = (2, 9, 11, channels), (3, 3, channels, 5)
    x, kernel = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate(shapes))

    def plain(x, k):
        axes = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, k, (1, 1), pads, rhs_dilation=dilation, dimension_numbers=axes)

    def total(call):
        return lambda x, k: jnp.sum(jnp.sin(call(x, k)))

    np.testing.assert_allclose(convolve(x, kernel, dilation, pads), plain(x, kernel), atol=1e-5)
    ours = total(lambda x, k: convolve(x, k, dilation, pads))
    for i in (0, 1):
        np.testing.assert_allclose(jax.grad(ours, i)(x, kernel), jax.grad(total(plain), i)(x, kernel), atol=1e-5)
    (_, forth), (_, expected) = (jax.jvp(f, (x, kernel), (x, kernel)) for f in (ours, total(plain)))
    np.testing.assert_allclose(forth, expected, rtol=1e-5)


def test_reads_names_the_frames():
    assert BlindSpot(reach=2).reads == (-2, -1, 0, 1, 2)
    assert BlindSpot(reach=2, skip=None).reads == (-2, -1, 0)
    assert BlindSpot(reach=2, skip=3).reads == (-2, -1, 0, 4, 5)
    assert FrameBlind(reach=2).reads == (-2, -1, 1, 2)
    assert UDVD().reads == (-2, -1, 0, 1, 2)


@pytest.mark.parametrize("network", [BlindSpot, FrameBlind])
@pytest.mark.parametrize(("name", "value"), [("reach", 0), ("width", -3), ("reach", 1.5), ("skip", -1)])
def test_bad_sizes_are_refused(network, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least"):
        network(**{name: value})


def test_bad_footprints_are_refused():
    for footprint in ((2, 1), (None, None), (1,), 3):
        with pytest.raises(ValueError, match=r"`footprint` must be two odd numbers of pixels"):
            BlindSpot(footprint=footprint)
    with pytest.raises(ValueError, match="must be two equal odd numbers"):
        UDVD(footprint=(1, 3))
    with pytest.raises(ValueError, match="`together` must be a whole number"):
        UDVD(together=0)
    with pytest.raises(ValueError, match=r"UDVD reads 2 frames on either side .* at least 5 frames, got 4"):
        UDVD().clips(4)

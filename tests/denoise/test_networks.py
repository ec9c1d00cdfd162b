"""The blind spot, probed by derivatives: exact zeros where promised, anything but zero elsewhere."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.denoise import BlindSpot, networks

REACH = 2
apply = eqx.filter_jit(networks.apply)
ROWS, COLUMNS = 19, 22


@pytest.fixture(scope="module")
def built():
    graph, weights = BlindSpot(reach=REACH, width=4).build(key=jax.random.key(0))
    # The head starts at zero; give it something to say.
    weights["heads"]["kernel"] = jax.random.normal(jax.random.key(5), weights["heads"]["kernel"].shape)
    return graph, weights


@pytest.fixture(scope="module")
def clip():
    return jax.random.normal(jax.random.key(1), (1, 2 * REACH + 1, ROWS, COLUMNS))


def everywhere(clip):
    return jnp.ones((len(clip), *clip.shape[2:]), bool)


@pytest.mark.parametrize("head", [0, 1])
@pytest.mark.parametrize("pixel", [(9, 10), (0, 0), (18, 21)])
def test_a_pixel_does_not_see_its_own_noise(built, clip, pixel, head):
    _, back = jax.vjp(lambda c: apply(*built, c, everywhere(c))[head], clip)
    gradient = back(jnp.zeros((1, ROWS, COLUMNS)).at[0, *pixel].set(1))[0][0]
    assert gradient[REACH, *pixel] == 0
    around = [
        (pixel[0] + i, pixel[1] + j)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i or j) and 0 <= pixel[0] + i < ROWS and 0 <= pixel[1] + j < COLUMNS
    ]
    assert all(gradient[REACH, *p] != 0 for p in around)
    assert all(gradient[t, *pixel] != 0 for t in range(2 * REACH + 1) if t != REACH)


def test_every_pixel_is_blind_to_itself_at_once(built):
    """The whole diagonal of the Jacobian, not a few chosen pixels."""
    frames = jax.random.normal(jax.random.key(2), (1, 2 * REACH + 1, 7, 9))

    def predict(middle):
        return apply(*built, frames.at[0, REACH].set(middle.reshape(7, 9)), everywhere(frames))[0].ravel()

    jacobian = jax.jacfwd(predict)(frames[0, REACH].ravel())
    assert (jnp.diag(jacobian) == 0).all()
    assert (jacobian != 0).mean() > 0.8


@pytest.mark.parametrize("shape", [(8, 8), (33, 17), (5, 40)])
def test_any_picture_size_comes_back(built, shape):
    frames = jnp.zeros((2, 2 * REACH + 1, *shape))
    mean, spread = apply(*built, frames, everywhere(frames))
    assert mean.shape == spread.shape == (2, *shape)
    assert (spread > 0).all()


def test_pixels_outside_are_hidden_even_if_they_are_not_numbers(built, clip):
    inside = jnp.asarray(np.arange(COLUMNS) < 12) & jnp.ones((1, ROWS, 1), bool)
    shown = apply(*built, jnp.where(inside[:, None], clip, jnp.nan), inside)
    other = apply(*built, jnp.where(inside[:, None], clip, 7.0), inside)
    assert all(jnp.isfinite(x).all() for x in shown)
    assert all((a == b).all() for a, b in zip(shown, other))


def test_starts_as_the_mean_of_the_other_frames():
    graph, weights = BlindSpot(reach=1, width=4).build(key=jax.random.key(0))
    frames = jax.random.normal(jax.random.key(1), (1, 3, 8, 8))
    mean, _ = apply(graph, weights, frames, everywhere(frames))
    np.testing.assert_allclose(mean[0], (frames[0, 0] + frames[0, 2]) / 2, rtol=1e-5, atol=1e-6)


def test_weights_are_plain_arrays_and_the_graph_is_the_same_for_every_key():
    spec = BlindSpot(reach=2, width=4)
    (graph, weights), (other, fresh) = (spec.build(key=jax.random.key(i)) for i in (0, 1))
    assert graph == other
    assert hash(graph) == hash(other)
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights))
    assert (weights["enter"]["kernel"] != fresh["enter"]["kernel"]).all()


def test_reads_names_the_frames():
    assert BlindSpot(reach=2).reads == (-2, -1, 0, 1, 2)


@pytest.mark.parametrize(("name", "value"), [("reach", 0), ("width", -3), ("reach", 1.5)])
def test_bad_sizes_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least 1"):
        BlindSpot(**{name: value})

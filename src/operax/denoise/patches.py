"""What a training step reads: clips cut out around random pixels, turned at random, some pixels held out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .denoiser import Network, channels, with_channels
from .networks import GRID

# One pixel in this many is never a target, so that the risk measured on it is honest: a network learns part of
# the noise of the pixels it is trained on by heart.
HELD = 23
# Held-out pixels lie on an oblique lattice in (time, row, column).
LATTICE = (5, 8, 3)


def held_out(time, row, column) -> Bool[Array, "..."]:
    """Whether pixels are kept out of training and judge it; about 4 % are."""
    a, b, c = LATTICE
    return (a * time + b * row + c * column) % HELD == 0


def normalisation(movie: Movie) -> tuple[Array, Array]:
    """Centre and scale of the values inside: the middle and a quarter of the span of 98 % of them.

    Quantiles, so that a few hot pixels do not squeeze the rest.
    """
    # A sample is enough, and a movie may be large.
    every = max(1, len(movie) // 64)
    low, high = np.quantile(np.asarray(movie.frames[::every])[:, movie.domain.inside], [0.01, 0.99])
    if not high > low:
        raise ValueError(
            f"`movie` is constant ({low:g}) in nearly all its pixels, there is nothing to learn. "
            "Check the file, or crop to the part that changes."
        )
    dtype = movie.frames.dtype
    return jnp.asarray((low + high) / 2, dtype), jnp.asarray((high - low) / 4, dtype)


class Data(eqx.Module):
    """A movie ready to cut patches from; pictures smaller than the patch are padded."""

    frames: Float[Array, "time row column channel"]
    inside: Array
    pixels: Array
    clips: Array
    noise: Gaussian | PoissonGaussian
    centre: Float[Array, ""]
    scale: Float[Array, ""]
    patch: tuple[int, int] = eqx.field(static=True)
    targets: tuple[int, ...] = eqx.field(static=True)
    mirror: tuple[int, ...] | None = eqx.field(static=True)
    transposed: bool = eqx.field(static=True)


def prepare(movie: Movie, noise, network: Network, size: int) -> Data:
    """Everything training needs of a movie, with patches of at most ``size`` pixels along an axis."""
    rows, columns = (min(size + -size % GRID, n + -n % GRID) for n in movie.domain.shape)
    patch = (rows, columns)
    fill = [(0, max(0, p - n)) for p, n in zip(patch, movie.domain.shape)]
    inside = np.pad(movie.domain.inside, fill)
    centre, scale = normalisation(movie)
    frames = channels(movie)
    if inside.shape != movie.domain.shape:
        frames = jnp.pad(frames, [(0, 0), *fill, (0, 0)])
    noise = jax.tree.map(
        lambda leaf: jnp.pad(leaf, [*fill, (0, 0)], mode="edge") if leaf.ndim > 1 else leaf,
        with_channels(noise, movie),
    )
    return Data(
        frames,
        jnp.asarray(inside),
        jnp.asarray(np.argwhere(inside)),
        jnp.asarray(network.clips(len(movie))),
        noise,
        centre,
        scale,
        patch,
        network.targets,
        network.mirror,
        # Rows and columns change places where patch and footprint stay what they are.
        rows == columns and network.footprint[0] == network.footprint[1],
    )


def cut(data: Data, key) -> tuple:
    """A random clip around a random pixel inside, randomly turned: frames, slots seen, inside, held out, noise."""
    when, where, how = jax.random.split(key, 3)
    index = data.clips[jax.random.randint(when, (), 0, len(data.clips))]
    around = jax.random.randint(where, (3,), 0, jnp.asarray([len(data.pixels), *data.patch]))
    # dynamic_slice would move corners back into the picture anyway; held-out pixels must know where they are.
    corner = data.pixels[around[0]] - around[1:]
    corner = jnp.clip(corner, 0, jnp.asarray(data.inside.shape) - jnp.asarray(data.patch))
    turned = jax.random.bernoulli(how, 0.5, (4,))

    def window(picture):
        sizes = (*data.patch, *picture.shape[2:])
        return jax.lax.dynamic_slice(picture, (*corner, *[0] * (picture.ndim - 2)), sizes)

    def flip(x, rows):
        x = jnp.where(turned[0], jnp.flip(x, rows), x)
        x = jnp.where(turned[1], jnp.flip(x, rows + 1), x)
        return jnp.where(turned[3], x.swapaxes(rows, rows + 1), x) if data.transposed else x

    if data.mirror is not None:
        index = jnp.where(turned[2], index[jnp.asarray(data.mirror)], index)
    frames = (jax.vmap(lambda i: window(data.frames[i]))(index) - data.centre) / data.scale
    row, column = (corner[i] + jnp.arange(data.patch[i]) for i in (0, 1))
    held = held_out(index[jnp.asarray(data.targets)][:, None, None], row[:, None], column)
    noise = jax.tree.map(lambda leaf: flip(window(leaf), 0) if leaf.ndim > 1 else leaf, data.noise)
    inside = flip(window(data.inside), 0)
    return flip(frames, 1).astype(jnp.float32), index >= 0, inside, flip(held, 1), noise

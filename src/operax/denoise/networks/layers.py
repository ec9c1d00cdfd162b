"""Layers the networks are made of: convolutions that are fast to differentiate on a CPU, holes, half-planes."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def _plain(x, kernel, dilation, pads):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), pads, rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _shifted(x, kernel, dilation, pads):
    """The same sum as one matrix product over all pixels in a row, padding included.

    A tap is then a shift along that row: of what goes in for columns, of what comes out for rows.
    """
    (tall, wide, before, after), (down, across) = kernel.shape, dilation
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    count, rows, columns = x.shape[:3]
    x = x.reshape(-1, before)
    entering = jnp.concatenate([_ahead(x, j * across) for j in range(wide)], -1)
    product = entering @ kernel.transpose(1, 2, 0, 3).reshape(wide * before, tall * after)
    # `split` and not slices: its transpose is one concatenation.
    leaving = jax.lax.split(product, (after,) * tall, 1)
    y = sum(_ahead(part, i * down * columns) for i, part in enumerate(leaving))
    return y.reshape(count, rows, columns, after)[:, : rows - down * (tall - 1), : columns - across * (wide - 1)]


def _summed(x, kernel, dilation, pads):
    """The same sum tap by tap: one loop, and for one channel several times faster on a CPU than a convolution."""
    (tall, wide), (down, across) = kernel.shape[:2], dilation
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = x.shape[1] - down * (tall - 1), x.shape[2] - across * (wide - 1)
    taps = ((i * down, j * across, kernel[i, j]) for i, j in np.ndindex(tall, wide))
    return sum(x[:, i : i + rows, j : j + columns] * tap for i, j, tap in taps)


def _ahead(x, pixels):
    """The row read so many pixels ahead, zeros at its end."""
    return jnp.pad(x[pixels:], ((0, pixels), (0, 0)))


def _thin(kernel):
    """Whether a kernel has one channel going in and few enough taps to be written out."""
    tall, wide, before, _ = kernel.shape
    return before == 1 and tall * wide <= 9


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def convolve(x, kernel, dilation, pads):
    """Dense convolution of (picture, row, column, channel), padded with zeros; fast weight gradients on a CPU."""
    # Zeros around the picture, never reflected or repeated pixels: a copy beside the pixel itself is a leak.
    fast = _summed if jax.default_backend() == "cpu" and _thin(kernel) else _plain
    return fast(x, kernel, dilation, pads)


@convolve.defjvp
def _convolve_jvp(dilation, pads, values, tangents):
    (x, kernel), (dx, dkernel) = values, tangents
    # The transpose of this term is the weight gradient: one product again, on two cores twice as fast as XLA's own.
    by_kernel = _shifted if jax.default_backend() == "cpu" else _plain
    change = _plain(dx, kernel, dilation, pads) + by_kernel(x, dkernel, dilation, pads)
    return convolve(x, kernel, dilation, pads), change


def empty(*shape):
    """A weight to be filled by `filled`."""
    return nnx.Param(np.zeros(shape, np.float32))


def activate(x):
    return jax.nn.leaky_relu(x, 0.1)


def halve(x):
    """Mean over 2×2 pixels."""
    n, rows, columns, c = x.shape
    return x.reshape(n, rows // 2, 2, columns // 2, 2, c).mean((2, 4))


def double(x):
    """Every pixel repeated 2×2 times."""
    return x.repeat(2, 1).repeat(2, 2)


class Conv(nnx.Module):
    """A dense convolution that keeps the size of the picture."""

    def __init__(self, size, before, after):
        self.kernel = empty(*size, before, after)
        self.bias = empty(after)

    def __call__(self, x):
        kernel = self.kernel[...]
        pads = tuple((n // 2, n // 2) for n in kernel.shape[:2])
        # One-pixel kernels as matrix products: twice as fast to differentiate on a CPU.
        y = convolve(x, kernel, (1, 1), pads) if kernel.shape[:2] != (1, 1) else x @ kernel[0, 0]
        return y + self.bias[...]


class Hole(nnx.Module):
    """A dilated 3×3 convolution of which only the given taps exist, counted row by row from zero to eight."""

    def __init__(self, taps, dilation, before, after):
        self.taps, self.dilation = taps, dilation
        self.kernel = empty(len(taps), before, after)

    def __call__(self, x):
        kernel = self.kernel[...]
        whole = jnp.zeros((9, *kernel.shape[1:]), kernel.dtype).at[np.asarray(self.taps)].set(kernel)
        pads = tuple((d, d) for d in self.dilation)
        return convolve(x, whole.reshape(3, 3, *kernel.shape[1:]), self.dilation, pads)


class Above(nnx.Module):
    """A 3×3 convolution without bias that looks at its own row and the two above it, never below."""

    def __init__(self, before, after):
        self.kernel = empty(3, 3, before, after)

    def __call__(self, x):
        x = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
        return convolve(x, self.kernel[...], (1, 1), ((2, 0), (0, 0)))


def lower(x, rows):
    """The picture moved down, zeros coming in at the top."""
    return jnp.pad(x, ((0, 0), (rows, 0), (0, 0), (0, 0)))[:, : x.shape[1]]


def filled(weights, key):
    """He-normal kernels and zero biases, from one long draw: thirty small ones take six seconds to compile."""
    leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, weights))
    ends = np.cumsum([leaf.size for leaf in leaves])
    draws = jnp.split(jax.random.normal(key, (int(ends[-1]),), jnp.float32), ends[:-1])
    made = [
        draw.reshape(leaf.shape) * math.sqrt(2 / math.prod(leaf.shape[:-1])) if leaf.ndim > 1 else leaf
        for leaf, draw in zip(leaves, draws)
    ]
    return jax.tree.unflatten(tree, made)

"""The blind-spot network: predicts a pixel from everything around it in space and time, except itself.

Written in Flax nnx and handed out as data: a static graph definition and a plain nested dict of weights.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Key

# Dilations of the hole convolutions. Each exceeds the summed reach of those before it (1, 3, 7), so no chain
# of them leads back to the pixel it started from.
DILATIONS = (1, 2, 4, 8)
# The neighbour branch halves the picture twice.
GRID = 4
# Smallest predicted spread, in units of the movie's own spread: keeps the likelihood finite.
FLOOR = 1e-3


def _convolve(x, kernel, dilation=1):
    # Zeros around the picture, never reflected or repeated pixels: a copy beside the pixel itself is a leak.
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "SAME",
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _empty(*shape):
    return nnx.Param(np.zeros(shape, np.float32))


def _activate(x):
    return jax.nn.leaky_relu(x, 0.1)


class _Conv(nnx.Module):
    """A dense convolution."""

    def __init__(self, size, before, after):
        self.kernel = _empty(size, size, before, after)
        self.bias = _empty(after)

    def __call__(self, x):
        kernel = self.kernel[...]
        # One-pixel kernels as matrix products: twice as fast to differentiate on a CPU.
        y = x @ kernel[0, 0] if kernel.shape[:2] == (1, 1) else _convolve(x, kernel)
        return y + self.bias[...]


class _Hole(nnx.Module):
    """A dilated 3×3 convolution whose centre tap does not exist, plus what the neighbouring frames say."""

    def __init__(self, dilation, before, width):
        self.dilation = dilation
        self.taps = _empty(8, before, width)
        self.mix = _Conv(1, width, width)

    def __call__(self, x, context):
        taps = self.taps[...]
        kernel = jnp.concatenate([taps[:4], jnp.zeros_like(taps[:1]), taps[4:]])
        return _activate(_convolve(x, kernel.reshape(3, 3, *taps.shape[1:]), self.dilation) + self.mix(context))


def _halve(x):
    n, rows, columns, c = x.shape
    return x.reshape(n, rows // 2, 2, columns // 2, 2, c).mean((2, 4))


def _double(x):
    return x.repeat(2, 1).repeat(2, 2)


class _Net(nnx.Module):
    def __init__(self, reach, width):
        near, far = width, 2 * width
        # Frames next in time count most before anything is learnt.
        weight = np.asarray([1.0 / abs(o) for o in range(-reach, reach + 1) if o], np.float32)
        self.average = nnx.Param(weight / weight.sum())
        self.enter = _Conv(3, 2 * reach + 1, near)
        self.fine = _Conv(3, near, near)
        self.down = _Conv(3, near, far)
        self.middle = _Conv(3, far, far)
        self.coarse = _Conv(3, far, far)
        self.rise = _Conv(3, far, far)
        self.narrow = _Conv(1, far, near)
        self.leave = _Conv(3, near, near)
        self.hole1, self.hole2, self.hole4, self.hole8 = (
            _Hole(d, 1 if i == 0 else 1 + near, near) for i, d in enumerate(DILATIONS)
        )
        self.gather = _Conv(1, near * (1 + len(DILATIONS)), 2 * near)
        self.heads = _Conv(1, 2 * near, 2)

    def __call__(self, others, centre, inside):
        first = _activate(self.fine(_activate(self.enter(jnp.concatenate([others, inside], -1)))))
        second = _activate(self.middle(_activate(self.down(_halve(first)))))
        third = _activate(self.coarse(_halve(second)))
        up = _activate(self.rise(_double(third) + second))
        context = _activate(self.leave(_double(self.narrow(up)) + first))
        spots = [self.hole1(centre, context)]
        for hole in (self.hole2, self.hole4, self.hole8):
            spots.append(hole(jnp.concatenate([spots[-1], centre], -1), context))
        heads = self.heads(_activate(self.gather(jnp.concatenate([*spots, context], -1))))
        return others @ self.average[...] + heads[..., 0], FLOOR + jax.nn.softplus(heads[..., 1] - 1)


class BlindSpot(eqx.Module):
    """A network that never sees the pixel it predicts: neighbouring frames whole, its own around a hole.

    Frames t−reach … t−1, t+1 … t+reach go through a small U-Net; frame t goes through dilated 3×3
    convolutions without a centre tap. Two heads give the mean and the spread of the clean value. No
    normalisation layer and no dropout: both would let a pixel reach itself, or change silently under
    compilation.

    Parameters
    ----------
    reach
        Number of frames read on either side. More frames average more noise away if the movie changes slowly.
    width
        Number of channels at full resolution; twice as many below. Cost grows with its square.

    Raises
    ------
    ValueError
        If the reach or the width is below one.

    Notes
    -----
    Blind to one pixel of one frame: correct only for noise that is independent between pixels and frames.
    Correlated noise is predicted from its neighbours and comes out again as signal.

    References
    ----------
    Neighbour branch and hole convolutions: Eom et al. (2023), doi:10.1038/s41592-023-02005-8. Mean and spread
    heads, with the noisy pixel put back: Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277.
    """

    reach: int = eqx.field(static=True, default=5)
    width: int = eqx.field(static=True, default=16)

    def __check_init__(self):
        for name in ("reach", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}.")

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the frames that go into one frame."""
        return tuple(range(-self.reach, self.reach + 1))

    def build(self, *, key: Key[Array, ""]) -> tuple[nnx.GraphDef, dict]:
        """A static graph definition, equal for every key, and a nested dict of fresh float32 weights."""

        graph, state = nnx.split(_Net(self.reach, self.width))
        return graph, _filled(nnx.to_pure_dict(state), key)


@jax.jit
def _filled(weights, key):
    """He-normal kernels, from one long draw: thirty small ones take six seconds to compile."""
    leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, weights))
    ends = np.cumsum([leaf.size for leaf in leaves])
    draws = jnp.split(jax.random.normal(key, (int(ends[-1]),), jnp.float32), ends[:-1])
    filled = [
        draw.reshape(leaf.shape) * math.sqrt(2 / math.prod(leaf.shape[:-1])) if leaf.ndim > 1 else leaf
        for leaf, draw in zip(leaves, draws)
    ]
    weights = jax.tree.unflatten(tree, filled)
    # Starts as the plain mean of the other frames.
    weights["heads"]["kernel"] = jnp.zeros_like(weights["heads"]["kernel"])
    return weights


def apply(
    graph: nnx.GraphDef,
    weights: dict,
    clip: Float[Array, "batch frame row column"],
    inside: Bool[Array, "batch row column"],
) -> tuple[Float[Array, "batch row column"], Float[Array, "batch row column"]]:
    """Mean and spread of the clean middle frame, each pixel predicted without its own noisy value.

    Parameters
    ----------
    graph, weights
        From `BlindSpot.build`.
    clip
        An odd number of frames, 2 reach + 1, normalised to about zero mean and unit spread. Any picture size.
    inside
        Pixels that count; the others are hidden from the network.
    """
    rows, columns = clip.shape[2:]
    dtype = weights["average"].dtype
    shown = inside.astype(dtype)[..., None]
    # `where` and not a product: pixels outside may be NaN.
    frames = jnp.where(inside[..., None], jnp.moveaxis(clip, 1, -1), 0).astype(dtype)
    pad = ((0, 0), (0, -rows % GRID), (0, -columns % GRID), (0, 0))
    frames, shown = jnp.pad(frames, pad), jnp.pad(shown, pad)
    middle = frames.shape[-1] // 2
    others = jnp.concatenate([frames[..., :middle], frames[..., middle + 1 :]], -1)
    mean, spread = nnx.merge(graph, weights)(others, frames[..., middle : middle + 1], shown)
    return mean[:, :rows, :columns], spread[:, :rows, :columns]

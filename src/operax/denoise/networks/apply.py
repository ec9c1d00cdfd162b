"""Run a network on clips of frames: hide what is outside, pad, and read mean and covariance off its heads."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

# Every network halves the picture twice.
GRID = 4
# Smallest predicted spread, in units of the movie's own spread: keeps the likelihood finite.
FLOOR = 1e-3


def heads(channels: int) -> int:
    """Numbers a network gives for a pixel: a mean a channel, and the lower triangle of a factor of the covariance."""
    return channels + channels * (channels + 1) // 2


def factor(raw: Float[Array, "*pixel number"], channels: int) -> Float[Array, "*pixel channel channel"]:
    """Lower triangle L with positive diagonal; the covariance of the clean values is L Lᵀ."""
    spread = FLOOR + jax.nn.softplus(raw[..., :channels] - 1)
    if channels == 1:
        return spread[..., None]
    row, column = jnp.tril_indices(channels, -1)
    lower = jnp.zeros((*spread.shape, channels), raw.dtype).at[..., row, column].set(raw[..., channels:])
    return lower + spread[..., None] * jnp.eye(channels, dtype=raw.dtype)


def apply(
    graph: nnx.GraphDef,
    weights: dict,
    clip: Float[Array, "batch frame row column channel"],
    seen: Bool[Array, "batch frame"],
    inside: Bool[Array, "batch row column"],
) -> tuple[Float[Array, "batch target row column channel"], Float[Array, "batch target row column channel channel"]]:
    """Mean, and factor of the covariance, of the clean target frames; no pixel has seen its own noisy value.

    Parameters
    ----------
    graph, weights
        From the ``build`` of a network.
    clip
        Frames numbered by the network's ``clips``, normalised to about zero mean and unit spread, of any size.
    seen
        Frames that exist; the others are slots that could not be filled.
    inside
        Pixels that count; the others are hidden from the network.
    """
    channels, (rows, columns) = clip.shape[-1], inside.shape[1:]
    dtype = jax.tree.leaves(weights)[0].dtype
    shown = inside[:, None] & seen[..., None, None]
    # `where` and not a product: pixels outside may be NaN.
    clip = jnp.where(shown[..., None], clip, 0).astype(dtype)
    pad = ((0, 0), (0, -rows % GRID), (0, -columns % GRID), (0, 0))
    clip = jnp.pad(clip, ((0, 0), *pad))
    mean, raw = nnx.merge(graph, weights)(clip, seen.astype(dtype), jnp.pad(inside.astype(dtype)[..., None], pad))
    return mean[:, :, :rows, :columns], factor(raw[:, :, :rows, :columns], channels)

"""Denoise a long or large movie piece by piece, in bounded memory, with the same result."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..movie import Movie
from .denoiser import Denoiser, channels, check, estimate, restore, runs, with_channels
from .networks import GRID
from .wiener import SIZE


def _spans(count: int, tile: int, halo: int) -> list[tuple[slice, slice, slice]]:
    """For every tile along an axis: what is read, what is kept of the result, and where that belongs.

    All read the same number of pixels, so that one compiled function serves them, and begin on the networks' grid,
    so that it lies in a tile as it lies in the picture.
    """
    padded, border = count + -count % GRID, halo + -halo % GRID
    size = min(padded, tile + 2 * border)
    found = []
    for first in range(0, count, tile):
        last = min(first + tile, count)
        low = min(max(0, first - border), padded - size)
        found.append((slice(low, low + size), slice(first - low, last - low), slice(first, last)))
    return found


def stream(denoiser: Denoiser, movie: Movie, *, frames: int = 16, tile: int = 512) -> Iterator[Movie]:
    """Denoise a movie in consecutive pieces that together are ``denoiser(movie)``.

    Every frame is put together from tiles that overlap by all that the network reads, so that no seam is left.
    Write each piece away before the next one is asked for, and memory stays that of a piece.

    Parameters
    ----------
    denoiser
        From `train`.
    movie
        The movie; held by the caller.
    frames
        Number of frames of a piece.
    tile
        Rows and columns estimated at a time, at least; rounded up to a multiple of four.

    Yields
    ------
    Movie
        The next frames, with times, variance, units and ``reads`` as ``denoiser(movie)`` has them.

    Raises
    ------
    ValueError
        If a size is below one, the movie does not have two space axes, or is too short for the network.

    Notes
    -----
    Runs on values, not under `jax.jit` or `jax.grad`; the denoiser itself does.
    """
    check(movie)
    for name, value in (("frames", frames), ("tile", tile)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    return _pieces(denoiser, movie, frames, tile + -tile % GRID)


_restored = eqx.filter_jit(restore)


def _pieces(denoiser: Denoiser, movie: Movie, frames: int, tile: int) -> Iterator[Movie]:
    raw, inside = np.asarray(channels(movie)), movie.domain.inside
    fill = [(0, -n % GRID) for n in inside.shape]
    padded = np.pad(inside, fill)
    clips, when = runs(denoiser.network, len(movie))
    # The blocks of which values are put back reach beyond their pixel too.
    halo = denoiser.network.halo + (SIZE - 1 if denoiser.posterior else 0)
    windows = [_spans(n, tile, halo) for n in inside.shape]
    noise = jax.tree.map(
        lambda leaf: jnp.pad(leaf, [*fill, (0, 0)], mode="edge") if leaf.ndim > 1 else leaf,
        with_channels(denoiser.noise, movie),
    )
    centre, scale = (np.asarray(x) for x in (denoiser.centre, denoiser.scale))
    for first in range(0, len(movie), frames):
        count = min(frames, len(movie) - first)
        mean, variance = (np.empty((count, *raw.shape[1:]), raw.dtype) for _ in range(2))
        for clip, targets in zip(clips, when):
            wanted = [k for k, t in enumerate(targets) if first <= t < first + count]
            if not wanted:
                continue
            seen, own = (np.pad(raw[i], [(0, 0), *fill, (0, 0)]) for i in (clip, targets))
            for rows, keep_rows, put_rows in windows[0]:
                for columns, keep_columns, put_columns in windows[1]:
                    shown, here = (seen[:, rows, columns] - centre) / scale, padded[rows, columns]
                    found = estimate(denoiser.graph, denoiser.weights, shown, clip >= 0, here, denoiser.network.mirror)
                    if denoiser.posterior:
                        local = jax.tree.map(lambda x, r=rows, c=columns: x[r, c] if x.ndim > 1 else x, noise)
                        found = _restored(denoiser, local, *found, own[:, rows, columns], here)
                    values = np.asarray(found[0]) * scale + centre
                    spread = np.asarray(found[1]) * scale**2
                    for k in wanted:
                        at = targets[k] - first, put_rows, put_columns
                        mean[at], variance[at] = (x[k, keep_rows, keep_columns] for x in (values, spread))
        mean = np.where(inside[..., None], mean, raw[first : first + count])
        shape = (count, *movie.frames.shape[1:])
        yield Movie(
            jnp.asarray(mean.reshape(shape)),
            movie.times[first : first + count],
            movie.domain,
            jnp.asarray(variance.reshape(shape)),
            movie.units,
            denoiser.reads,
            movie.axis,
        )

"""Denoise a long or large movie piece by piece, in bounded memory, with the same result."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from ..movie import Movie
from .cosines import REACH, SIZE
from .denoiser import (
    BEYOND,
    Denoiser,
    believed,
    check,
    estimate,
    missed,
    past_only,
    put_back,
    restore,
    runs,
    there,
    with_channels,
)
from .networks import GRID
from .share import given_back


def _spans(count: int, tile: int, halo: int, grid: int) -> list[tuple[slice, slice, slice]]:
    """For every tile along an axis: what is read, what is kept of the result, and where that belongs.

    All read the same number of pixels, so that one compiled function serves them, and begin on the grid of networks or
    blocks, so that it lies in a tile as it lies in the picture.
    """
    padded, border = count + -count % grid, halo + -halo % grid
    size = min(padded, tile + 2 * border)
    found = []
    for first in range(0, count, tile):
        last = min(first + tile, count)
        low = min(max(0, first - border), padded - size)
        found.append((slice(low, low + size), slice(first - low, last - low), slice(first, last)))
    return found


def stream(denoiser: Denoiser, movie: Movie, *, frames: int = 32, tile: int = 512) -> Iterator[Movie]:
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
        Number of frames of a piece. Short pieces take longer: filtered values depend on 21 frames beyond its ends.
    tile
        Rows and columns estimated at a time, at least; rounded up to a multiple of eight.

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
    return _pieces(denoiser, movie, frames, tile + -tile % SIZE)


def _padded(movie: Movie, noise, grid: int):
    """Padding to the grid for arrays that begin with time; pixels inside and the noise model padded so."""
    fill = [(0, -n % grid) for n in movie.domain.shape]
    noise = jax.tree.map(
        lambda leaf: jnp.pad(leaf, [*fill, (0, 0)], mode="edge") if leaf.ndim > 1 else leaf,
        with_channels(noise, movie),
    )
    return [(0, 0), *fill, (0, 0)], np.pad(movie.domain.inside, fill), noise


def _pieces(denoiser: Denoiser, movie: Movie, frames: int, tile: int) -> Iterator[Movie]:
    # No copy: a movie may be as large as memory allows.
    raw, inside = np.asarray(movie.frames), movie.domain.inside
    raw = raw if movie.channels_ndim else raw[..., None]
    centre, scale = (np.asarray(x) for x in (denoiser.centre, denoiser.scale))
    ahead = 0 if not denoiser.posterior or past_only(denoiser.network) else BEYOND
    begin, end, blind = 0, 0, np.empty((2, 0, *raw.shape[1:]), raw.dtype)
    for first in range(0, len(movie), frames):
        last = min(first + frames, len(movie))
        low, high = max(0, first - BEYOND), min(last + ahead, len(movie))
        # Blind predictions beyond the ends of a piece are made once.
        fresh = _blind(denoiser, movie, raw, end, high, tile)
        blind, begin, end = np.concatenate([blind[:, low - begin :], fresh], 1), low, high
        moments = blind[:, first - low : last - low]
        if denoiser.posterior:
            moments = _restored(denoiser, movie, raw, first, last, tile, low, blind)
        else:
            moments = np.stack(believed(denoiser, movie, *moments))
        mean = np.where(inside[..., None], moments[0] * scale + centre, raw[first:last]).astype(raw.dtype)
        shape = (last - first, *movie.frames.shape[1:])
        yield Movie(
            jnp.asarray(mean.reshape(shape)),
            movie.times[first:last],
            movie.domain,
            jnp.asarray((moments[1] * scale**2).astype(raw.dtype).reshape(shape)),
            movie.units,
            denoiser.reads,
            movie.axis,
        )


def _blind(denoiser, movie, raw, first, last, tile):
    """Blind mean and variance of some frames, normalised."""
    fill, inside, _ = _padded(movie, denoiser.noise, GRID)
    centre, scale = (np.asarray(x) for x in (denoiser.centre, denoiser.scale))
    result = np.empty((2, last - first, *raw.shape[1:]), raw.dtype)
    windows = [_spans(n, tile, denoiser.network.halo, GRID) for n in movie.domain.shape]
    for clip, targets in zip(*runs(denoiser.network, len(movie))):
        wanted = [k for k, t in enumerate(targets) if first <= t < last]
        if not wanted:
            continue
        seen = np.pad(raw[clip], fill)
        for rows, keep_rows, put_rows in windows[0]:
            for columns, keep_columns, put_columns in windows[1]:
                shown, here = (seen[:, rows, columns] - centre) / scale, inside[rows, columns]
                found = estimate(denoiser.graph, denoiser.weights, shown, clip >= 0, here, denoiser.network.mirror)
                for k in wanted:
                    at = targets[k] - first, put_rows, put_columns
                    for part, x in zip(result, found):
                        part[at] = np.asarray(x)[k, keep_rows, keep_columns]
    return result


def _restored(denoiser, movie, raw, first, last, tile, begin, blind):
    """The same with filtered values put back, of blind ones that begin earlier and end later."""
    fill, inside, noise = _padded(movie, denoiser.noise, SIZE)
    count, end = len(movie), begin + blind.shape[1]
    low, high = max(0, begin - REACH), min(count, end + (0 if past_only(denoiser.network) else REACH))
    observed, known = np.pad(raw[low:high], fill), there(denoiser.network, count)[begin:end]
    blind = np.pad(blind, [(0, 0), *fill])
    found = np.empty((2, last - first, *blind.shape[2:]), raw.dtype)
    windows = [_spans(n, tile, REACH + BEYOND, SIZE) for n in movie.domain.shape]
    for rows, keep_rows, put_rows in windows[0]:
        for columns, keep_columns, put_columns in windows[1]:
            local = jax.tree.map(lambda x, r=rows, c=columns: x[r, c] if x.ndim > 1 else x, noise)
            here, seen = jnp.asarray(inside[rows, columns]), observed[:, rows, columns]
            kept = put_back(denoiser, local, seen, here, (low, high, count))[begin - low : end - low]
            mean, variance = blind[:, :, rows, columns]
            mean, variance = restore(denoiser, local, mean, variance, kept, known)
            rest = missed(denoiser, local, seen[begin - low : end - low], mean, here, (begin, end, count))
            for whole, part in zip(found, (given_back(denoiser.gain, mean, rest), variance)):
                kept_part = np.asarray(part)[first - begin : last - begin, keep_rows, keep_columns]
                whole[:, put_rows, put_columns] = kept_part
    rows, columns = movie.domain.shape
    return found[:, :, :rows, :columns]

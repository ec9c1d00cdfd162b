"""What a config reads: the movie as [input] and [prepare] describe it, and its noise."""

from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from .. import io
from .. import noise as noises
from ..movie import Movie
from . import config as configs
from .reduce import Noise, Recorded


def recorded(config: configs.Config) -> Recorded:
    """The movies that a config names, cut, in the precision of the session, with their noise.

    Raises
    ------
    ValueError
        If a file does not settle what it holds, has colour where one value a pixel is needed, or a cut lies outside
        of it.
    """
    part = config.prepare
    wholes = [_cut(_loaded(config, path), part) for path in _paths(config)]
    picked = [cast(_picked(movie, part), jnp.result_type(float)) for movie in wholes]
    noise = tuple(noise_of(movie, config) for movie in picked)
    if config.noise is not None and config.instrument is None:
        picked = [movie.replace(variance=spread(model, movie)) for movie, model in zip(picked, noise)]
    corner = (0 if part.rows is None else part.rows[0], 0 if part.columns is None else part.columns[0])
    return Recorded(tuple(picked), noise, cast(wholes[0], jnp.result_type(float)), corner)


def _paths(config: configs.Config) -> Sequence[str]:
    second = None if config.stxm is None else config.stxm.second
    return [config.input.path] if second is None else [config.input.path, second]


def _loaded(config: configs.Config, path: str) -> Movie:
    found = config.input
    inside = None
    if found.mask is not None:
        image = io.load(found.mask, axes="yx", spacing=1.0, times=[0.0], units=("px", "frame", "1"))
        inside = np.asarray(image.frames[0] > 0)
    movie = io.load(
        path,
        axes=found.axes,
        spacing=found.spacing,
        times=found.times,
        boundary=found.boundary,
        units=None if found.units is None else (found.units[0], found.units[1], found.units[2]),
        channel=found.channel,
        inside=inside,
        dataset=found.dataset,
    )
    if movie.channels_ndim and config.optical is None:
        raise ValueError(
            f"{path}: is a colour movie of {movie.frames.shape[-1]} channels, one value a pixel is needed: pick one by "
            "`channel` (a number, or 'grey' where all are equal), or say what its colours mean with [optical]."
        )
    return movie


def _cut(movie: Movie, part: configs.Prepare) -> Movie:
    cuts = {"row": part.rows, "column": part.columns}
    for axis, cut in cuts.items():
        if cut is not None and axis not in movie.domain.axes:
            raise ValueError(f"`{axis}s` cannot be cut, the movie has the axes {', '.join(movie.axes)}.")
    axes = zip(movie.domain.axes, movie.domain.shape)
    return movie.crop(*(_within(f"{axis}s", cuts.get(axis), count) for axis, count in axes))


def _picked(movie: Movie, part: configs.Prepare) -> Movie:
    window = _within("frames", part.frames, len(movie))
    if window == slice(0, len(movie)) and part.step == 1:
        return movie
    return movie[slice(window.start, window.stop, part.step)]


def _within(name: str, cut: list[int] | None, count: int) -> slice:
    if cut is None:
        return slice(0, count)
    if not 0 <= cut[0] < cut[1] <= count:
        raise ValueError(f"`{name}` must be [first, end) with 0 <= first < end <= {count}, got [{cut[0]}, {cut[1]}].")
    return slice(cut[0], cut[1])


def cast(movie: Movie, dtype) -> Movie:
    """The movie with frames and variance in another precision; times keep theirs, none may fall together."""
    variance = None if movie.variance is None else movie.variance.astype(dtype)
    return movie.replace(frames=movie.frames.astype(dtype), variance=variance)


def noise_of(raw: Movie, config: configs.Config) -> Noise | None:
    """The noise of one value: as [noise] says, or measured from the movie.

    ``None`` where an instrument reads too few frames to measure it, and nothing needs it.
    """
    part = config.noise
    if part is not None and part.std is not None:
        return noises.Gaussian(part.std)
    if part is not None and part.gain is not None:
        return noises.PoissonGaussian(part.gain, part.offset, part.read_std)
    if config.instrument is not None and config.denoise is None and config.fit is None and len(raw) < 3:
        return None
    return noises.estimate(raw)


def spread(noise: Noise | None, movie: Movie):
    """The variance of every value of a movie, ``None`` where the noise is not known."""
    return None if noise is None else jnp.broadcast_to(noise.variance(movie.frames), movie.frames.shape)


def given_states(config: configs.Config) -> Movie | None:
    """The movie named by ``states`` in [input], if one is."""
    path = config.input.states
    return None if path is None else cast(io.load(path), jnp.result_type(float))


def in_words(noise: Noise | None) -> str:
    """A noise model in words."""
    if noise is None:
        return "not known"
    if isinstance(noise, noises.Gaussian):
        return f"Gaussian, standard deviation {float(jnp.mean(noise.std)):.4g}"
    gain, offset, read = (float(jnp.mean(v)) for v in (noise.gain, noise.offset, noise.read_std))
    return f"Poisson-Gaussian, gain {gain:.4g}, offset {offset:.4g}, read noise {read:.4g}"


def name_of(config: configs.Config) -> str:
    """The name of the movie's file."""
    return Path(config.input.path).name

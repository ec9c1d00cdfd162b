"""What a denoiser does to something small that appears: how much of it comes through, and how late."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..movie import Movie

# Radius of the disc that is added, in pixels.
RADIUS = 2.5
# Height of the disc in standard deviations of the noise: to be seen in a frame, and not to change the noise.
HEIGHT = 3.0


class Response(eqx.Module):
    """How a disc that appears in the middle of a movie comes out.

    Parameters
    ----------
    gain
        Share of its height that is there in the end; one if contrast is kept.
    delay
        Frames by which its appearance is late, or early if negative; a running mean has zero delay, but see
        ``width``.
    width
        Frames over which the appearance is spread: a sharp step has zero.
    step
        Height of the disc over time in units of what was added.
    """

    gain: Float[Array, ""]
    delay: Float[Array, ""]
    width: Float[Array, ""]
    step: Float[Array, " time"]

    @property
    def verdict(self) -> str:
        """The finding in words."""
        return (
            f"a small disc comes through at {100 * float(self.gain):.0f} % of its height, "
            f"{float(self.delay):+.1f} frames late, spread over {float(self.width):.1f} frames"
        )


def respond(method: Callable[[Movie], Movie], movie: Movie, height: float) -> Response:
    """Add a small disc to the second half of a movie, denoise with and without it, and compare.

    Parameters
    ----------
    method
        A denoiser or a baseline; it is called twice.
    movie
        The raw movie, at least eight frames of two space axes.
    height
        What is added, in units of the movie; `HEIGHT` standard deviations of the noise is a good choice.

    Raises
    ------
    ValueError
        If the movie is too short or not two-dimensional, or the height is zero.

    Notes
    -----
    The disc sits where a disc of its size lies deepest inside the particles. A learnt denoiser that was trained
    without the disc has never seen one: this is the test.
    """
    if len(movie) < 8 or movie.domain.ndim != 2:
        raise ValueError(
            f"`respond` needs a movie of at least 8 frames and two space axes, got axes {movie.axes} and "
            f"{len(movie)} frames."
        )
    if not height:
        raise ValueError("`height` must not be zero; give about three standard deviations of the noise.")
    half = len(movie) // 2
    disc = _disc(movie.domain.inside)
    shape = (1, *disc.shape, *[1] * movie.channels_ndim)
    added = height * disc.reshape(shape) * (np.arange(len(movie)) >= half).reshape(-1, *[1] * (movie.frames.ndim - 1))
    plain = np.asarray(method(movie).frames, float)
    more = method(movie.replace(frames=movie.frames + jnp.asarray(added, movie.frames.dtype)))
    change = (np.asarray(more.frames, float) - plain)[:, disc]
    step = change.reshape(len(movie), -1).mean(1) / height
    gain = step[half + (len(movie) - half) // 2 :].mean()
    ideal = np.arange(len(movie)) >= half
    rise = step / gain if gain else step
    jumps = np.abs(np.diff(rise, prepend=0.0))
    when = np.arange(len(movie))
    centre = (jumps * when).sum() / max(jumps.sum(), 1e-12)
    width = np.sqrt((jumps * (when - centre) ** 2).sum() / max(jumps.sum(), 1e-12))
    return Response(*(jnp.asarray(x) for x in (gain, (ideal - rise).sum(), width, step)))


def _disc(inside: np.ndarray) -> np.ndarray:
    """A disc where it covers most pixels inside, the nearest to the middle if several do."""
    row, column = np.mgrid[: inside.shape[0], : inside.shape[1]]
    middle = [(n - 1) / 2 for n in inside.shape]
    candidates = np.argwhere(inside)
    order = np.argsort(((candidates - middle) ** 2).sum(1), kind="stable")
    best, most = inside, -1
    for y, x in candidates[order][:: max(1, len(candidates) // 400)]:
        disc = ((row - y) ** 2 + (column - x) ** 2 <= RADIUS**2) & inside
        if disc.sum() > most:
            best, most = disc, int(disc.sum())
    return best

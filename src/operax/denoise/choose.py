"""Choose what a network must not see from how the noise of a movie is correlated."""

import equinox as eqx
import numpy as np

from ..movie import Movie
from ..noise import Correlation, autocorrelation
from .networks import BlindSpot, FrameBlind

# Lags that `Correlation` holds along an axis, and the widest footprint it can speak for.
SEEN = 3
# Frames to either side a network reads unless the movie is shorter.
REACH = 10
# More pixels than this are not needed to measure a correlation.
PLENTY = 4_000_000


class Choice(eqx.Module):
    """A network that suits the noise of a movie, and the reason.

    Parameters
    ----------
    network
        `BlindSpot` with the smallest footprint that covers every lag at which noise is correlated, or
        `FrameBlind`.
    noise
        The correlation it was chosen from.
    reason
        In words.
    """

    network: BlindSpot | FrameBlind = eqx.field(static=True)
    noise: Correlation
    reason: str = eqx.field(static=True)


def start(movie: Movie) -> Movie:
    """As many frames as are needed to measure noise on: a movie may be large."""
    return movie[: max(8, PLENTY // movie.domain.inside.sum())]


def footprint(correlation: Correlation) -> tuple[int | None, int | None]:
    """Rows and columns of the smallest centred rectangle that covers all correlated lags; ``None`` for all.

    A correlation that reaches the last lag seen along an axis is taken to go on to the end of the picture.
    """
    rho = np.abs(np.asarray(correlation.space)) > correlation.threshold
    lags = np.argwhere(rho) - SEEN
    # The centre always counts.
    rows, columns = np.abs(lags).max(0)
    sizes = tuple(None if half >= SEEN else int(2 * half + 1) for half in (rows, columns))
    return sizes[0], sizes[1]


def choose(movie: Movie, *, reach: int | None = None, width: int = 16, skip: int | None = 0) -> Choice:
    """Measure how the noise of a movie is correlated, and choose the network that cannot predict it.

    Parameters
    ----------
    movie
        A raw movie of at least three frames.
    reach, width, skip
        For the network; by default ten frames on either side, fewer in a short movie.

    Raises
    ------
    ValueError
        As `operax.noise.autocorrelation`.

    Notes
    -----
    No footprint helps against noise that lasts longer than a frame: the reason then says so.
    """
    reach = min(REACH, (len(movie) - 1) // 2) if reach is None else reach
    found = autocorrelation(start(movie))
    size = footprint(found)
    at = found.lag
    measured = f"noise correlates {found.at(at):+.2f} at {at} px, and counts from {found.threshold:.2f}"
    network: BlindSpot | FrameBlind
    if size == (None, None):
        network = FrameBlind(reach, width, skip)
        reason = f"blind to the whole frame: {measured}, along both axes as far as was looked"
    else:
        network = BlindSpot(reach, width, size, skip)
        spans = " × ".join("all" if n is None else str(n) for n in size)
        reason = f"blind to {spans} pixels (rows × columns): {measured}" if size != (1, 1) else ""
        reason = reason or "blind to the pixel alone: noise is independent between pixels"
    if not found.fresh:
        reason += (
            f"; noise of neighbouring frames is correlated ({float(found.time):+.2f}), against which no footprint "
            "helps: part of it will come out as signal"
        )
    return Choice(network, found, reason)


def unpredictable(correlation: Correlation, network) -> tuple[str, ...]:
    """Reasons why a network may predict noise from noise it sees; none if its footprint covers what is correlated."""
    beyond = correlation.beyond(network.footprint)
    reasons: tuple[str, ...] = ()
    if beyond is not None:
        reasons += (
            f"the noise of the raw movie is correlated in space ({correlation.at(beyond):+.2f} at lag {beyond} px), "
            "beyond what the network is blind to; it takes such noise for signal, so part of it is still in the result",
        )
    if not correlation.fresh:
        reasons += (
            f"the noise of the raw movie is correlated from frame to frame ({float(correlation.time):+.2f}); the "
            "network takes such noise for signal, so part of it is still in the result",
        )
    return reasons

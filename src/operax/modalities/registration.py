"""Sub-pixel registration of the frames of a movie, along time or energy."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter, sobel
from scipy.ndimage import shift as moved

from ..movie import Movie

# Rounds against a mean that is sharpened by the shifts found so far.
ROUNDS = 3


class Registration(eqx.Module):
    """How far each frame lies from the common position.

    Parameters
    ----------
    shifts
        Pixels along each space axis by which a frame must be moved to match.
    residual
        Root-mean-square shift found when the aligned frames are registered once more: what is left, in pixels.
    """

    shifts: Float[np.ndarray, "frame axis"]
    residual: float = eqx.field(static=True)

    def __str__(self) -> str:
        span = np.ptp(self.shifts, 0)
        return (
            f"{len(self.shifts)} frames, drift of {' x '.join(f'{s:.2f}' for s in span)} px, "
            f"{self.residual:.3f} px left"
        )


def _edges(frame: np.ndarray, inside: np.ndarray, smooth: float) -> np.ndarray:
    """What does not change when contrast does: smoothed edges on even ground."""
    filled = np.where(inside, frame, np.median(frame[inside]))
    soft = gaussian_filter(filled, smooth)
    steep = np.hypot(sobel(soft, 0), sobel(soft, 1))
    return (steep - steep.mean()) / max(steep.std(), 1e-30)


def register(movie: Movie, *, upsample: int = 20, smooth: float = 1.5, rounds: int = ROUNDS) -> Registration:
    """Find the shifts of all frames against their own mean, by phase correlation of edges.

    Parameters
    ----------
    movie
        Frames of two space axes, of one channel or more (channels move together).
    upsample
        Shifts are found to one over this of a pixel.
    smooth
        Standard deviation of the smoothing before edges are taken, in pixels: enough that noise makes no edges.
    rounds
        How often frames are registered against the mean of the aligned ones.

    Raises
    ------
    ValueError
        If the movie is not of two space axes or an option is not positive.

    Notes
    -----
    Edges that move with respect to the sample, such as a phase boundary, pull the shifts along. Noise
    fixed to the detector pulls them to zero. Look at the ``residual``, and at the movie.

    References
    ----------
    Guizar-Sicairos, Thurman, Fienup (2008), doi:10.1364/OL.33.000156.
    """
    from skimage.registration import phase_cross_correlation

    if movie.domain.ndim != 2:
        raise ValueError(f"`register` needs two space axes, got {movie.domain.axes}.")
    if upsample < 1 or not smooth > 0 or rounds < 1:
        raise ValueError(f"`upsample`, `smooth`, `rounds` must be positive, got {upsample}, {smooth}, {rounds}.")
    frames = np.asarray(movie.frames, float)
    frames = frames.mean(-1) if movie.channels_ndim else frames
    pictures = np.stack([_edges(f, movie.domain.inside, smooth) for f in frames])
    shifts = np.zeros((len(pictures), 2))
    step = np.zeros_like(shifts)
    for _ in range(rounds + 1):
        aligned = np.stack([moved(p, s, order=1, mode="nearest") for p, s in zip(pictures, shifts)])
        mean = aligned.mean(0)
        step = np.stack(
            [
                np.asarray(phase_cross_correlation(mean, p, upsample_factor=upsample, normalization=None)[0])
                for p in aligned
            ]
        )
        # the common position is free: keep the mean of the frames where it is
        step -= step.mean(0)
        shifts = shifts + step
    return Registration(shifts - step, float(np.sqrt((step**2).mean())))


def aligned(movie: Movie, found: Registration) -> Movie:
    """The movie with its frames moved, cropped to the part that every frame shows.

    Parameters
    ----------
    movie
        The movie registered, or one taken at the same moments.
    found
        From `register`.

    Raises
    ------
    ValueError
        If the numbers of frames differ, or no pixel is shown by all frames.

    Notes
    -----
    Frames are interpolated by cubic splines. That correlates the noise of neighbouring pixels and lowers its
    variance by up to a half at half-pixel shifts; ``variance`` stays that of the recorded pixels, which is an
    upper bound. Fits of raw data are better served by moving the model.
    """
    if found.shifts.shape != (len(movie), 2):
        raise ValueError(f"`found` has shifts of {len(found.shifts)} frames, the movie has {len(movie)}.")
    low = np.ceil(np.maximum(found.shifts.max(0), 0)).astype(int)
    high = np.ceil(np.maximum(-found.shifts.min(0), 0)).astype(int)
    windows = tuple(slice(a, n - b) for a, b, n in zip(low, high, movie.domain.shape))
    if any(w.stop <= w.start for w in windows):
        raise ValueError(
            f"the frames drift by {np.ptp(found.shifts, 0)} px and have no pixel of {movie.domain.shape} in common."
        )

    def move(values, order):
        still = np.zeros((values.ndim - 3,))
        pairs = zip(np.asarray(values), found.shifts)
        return jnp.asarray(np.stack([moved(f, np.r_[s, still], order=order, mode="nearest") for f, s in pairs]))

    variance = movie.variance
    if variance is not None:
        variance = jnp.maximum(move(np.broadcast_to(variance, movie.frames.shape), 1), 0)
    return movie.replace(frames=move(movie.frames, 3), variance=variance).crop(*windows)

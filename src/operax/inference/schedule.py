"""The schedule of a problem: which legs are solved one after the other, and which of them make up a frame."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# Gauss–Legendre nodes of an exposure: its mean is exact for a quintic course of the values during it.
EXPOSURE_NODES = 3


class Schedule(eqx.Module):
    """Legs of every window, in order of time; windows with fewer legs are filled up with legs that are not seen.

    Parameters
    ----------
    begins, durations
        When each leg begins and how long it lasts.
    shares
        What the state at the end of a leg contributes to its frame: 1, a quadrature weight of the exposure, or
        0 where a leg only shortens a long gap.
    slots
        Number of the leg's frame within its window.
    last
        Whether the frame is complete with this leg.
    ends
        The leg that completes each frame of a window.
    frames
        The frame of the movie in each slot.
    real
        Whether the slot is a frame at all, or fills up a short window.
    """

    begins: Float[Array, "window leg"]
    durations: Float[Array, "window leg"]
    shares: Float[Array, "window leg"]
    slots: Int[Array, "window leg"]
    last: Bool[Array, "window leg"]
    ends: Int[Array, "window slot"]
    frames: Int[np.ndarray, "window slot"]
    real: Bool[np.ndarray, "window slot"]

    @property
    def legs(self) -> tuple[Array, ...]:
        """What a scan over legs reads, one row a window."""
        return self.begins, self.durations, self.shares, self.slots, self.last


def schedule(
    times: Float[Array, " time"], windows: tuple[tuple[int, ...], ...], lead: float, exposure: float
) -> Schedule:
    """Lay out the legs of ``windows`` that start ``lead`` before their first frame, or at it where ``lead`` is 0.

    No leg is much longer than the typical frame interval, so that one number of steps serves them all.

    Raises
    ------
    ValueError
        If an exposure begins before the window does, or is longer than a frame interval.
    """
    t = np.asarray(times, float)
    typical = float(np.median(np.diff(t)))
    if exposure:
        _check_exposure(exposure, float(np.min(np.diff(t))), lead)
    nodes, parts = np.polynomial.legendre.leggauss(EXPOSURE_NODES if exposure else 1)
    rows = [_legs(t, window if lead else window[1:], t[window[0]] - lead, typical, exposure * nodes / 2, parts / 2)
            for window in windows]  # fmt: skip
    served = [window if lead else window[1:] for window in windows]
    most_legs, most_frames = max(map(len, rows)), max(map(len, served))
    table = np.zeros((len(rows), most_legs, 5))
    ends = np.zeros((len(rows), most_frames), int)
    frames, real = np.zeros_like(ends), np.zeros(ends.shape, bool)
    for w, (legs, shown) in enumerate(zip(rows, served)):
        # spare legs go on in time, so that they are no harder to solve than the others
        spare = [(legs[-1][0] + (j + 1) * typical, typical, 0.0, len(shown) - 1, 0.0)
                 for j in range(most_legs - len(legs))]  # fmt: skip
        table[w] = legs + spare
        complete = np.flatnonzero(table[w, :, 4])
        ends[w] = np.append(complete, [most_legs - 1] * (most_frames - len(shown)))
        frames[w] = np.append(shown, [shown[-1]] * (most_frames - len(shown)))
        real[w, : len(shown)] = True
    dtype = times.dtype
    begins, durations, shares = (jnp.asarray(table[..., i], dtype) for i in range(3))
    slots, last = jnp.asarray(table[..., 3].astype(int)), jnp.asarray(table[..., 4] > 0)
    return Schedule(begins, durations, shares, slots, last, jnp.asarray(ends), frames, real)


def _legs(t, shown, now, typical, offsets, parts):
    """Rows of begin, duration, share, slot, last."""
    rows = []
    for slot, frame in enumerate(shown):
        for offset, part in zip(offsets, parts):
            ahead = t[frame] + offset - now
            count = max(1, round(ahead / typical))
            for j in range(count):
                rows.append((now + j * ahead / count, ahead / count, part if j == count - 1 else 0.0, slot, 0.0))
            now = t[frame] + offset
        rows[-1] = (*rows[-1][:4], 1.0)
    return rows


def _check_exposure(exposure, shortest, lead):
    if not (np.isfinite(exposure) and 0 < exposure <= shortest * (1 + 1e-9)):
        raise ValueError(
            f"`exposure` must be positive and no longer than the shortest frame interval, {shortest:g}, got "
            f"{exposure:g}; 0 is a frame without duration."
        )
    if lead and lead <= exposure / 2:
        raise ValueError(
            f"the start state must lie before the first exposure begins: take a `lead` of more than {exposure / 2:g}, "
            f"got {lead:g}."
        )

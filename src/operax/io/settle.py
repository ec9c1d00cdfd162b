"""settle: a recording and the user's words make a movie, or one message that says what is still unknown."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..domain import Domain
from ..movie import Movie
from .recording import (
    FRAME_AXES,
    SPACE_AXES,
    Recording,
    axis_names,
    gaps,
    memory,
    own_spacing,
    own_times,
    own_units,
    plain_unit,
)

# Grey video comes out of a lossy colour codec with channels up to 3 of 255 apart.
GREY_TOLERANCE = 0.02


def settle(
    recording: Recording,
    *,
    axes=None,
    spacing=None,
    times=None,
    boundary=None,
    units=None,
    channel=None,
    inside=None,
    frames=None,
) -> Movie:
    """Make a movie of a recording, with the user's words where the file has none; see `operax.load`.

    Raises
    ------
    ValueError
        If something is still unknown, contradicts the file, or is no movie; the message starts with the path.
    TypeError
        If an argument is of the wrong kind.
    """
    try:
        return _settled(recording, axes, spacing, times, boundary, units, channel, inside, frames)
    except (ValueError, TypeError) as error:
        if str(error).startswith(f"{recording.path}: "):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{recording.path}: {error}") from error


def _settled(recording, axes, spacing, times, boundary, units, channel, inside, frames) -> Movie:
    if recording.refused:
        raise ValueError(recording.refused)
    names = recording.axes if axes is None else axis_names(axes)
    if names is not None and len(names) != len(recording.shape):
        raise ValueError(f"`axes` must name the {len(recording.shape)} axes of shape {recording.shape}, got {axes!r}.")
    if missing := gaps(recording, axes=axes, spacing=spacing, times=times, units=units):
        raise ValueError("; ".join(sentence for _, sentence in missing) + ".")
    if set(FRAME_AXES) <= set(names):
        raise ValueError(f"a movie runs along time or energy, this has both (axes {names}); split it into movies.")
    if channel is not None and "channel" not in names:
        raise ValueError(f"`channel` was given, but there is no channel axis (axes {names}); leave `channel=` out.")
    labels = _settled_units(recording, names, spacing, times, units)
    if frames is None:
        _check_size(recording)

    frame = next((n for n in names if n in FRAME_AXES), None)
    order = [names.index(n) for n in (frame, *SPACE_AXES, "channel") if n in names]
    span = _span(recording, names, frame, frames)
    read = _cut(recording.read, recording.part, order[0] if frame else None, span)
    values = np.transpose(read, order)
    variance = None
    if recording.variance is not None:
        variance = _cut(recording.variance, recording.variance_part, order[0] if frame else None, span, recording.shape)
        if order != sorted(order):
            variance = np.transpose(np.broadcast_to(variance, read.shape), order)
    if frame is None:
        values, variance = values[None], None if variance is None else variance[None]
    if channel is not None:
        if variance is not None:
            variance = _picked(np.broadcast_to(variance, values.shape), channel, noise=True)
        values = _picked(values, channel, noise=False)
    space = tuple(n for n in SPACE_AXES if n in names)
    domain = Domain(
        values.shape[1 : 1 + len(space)],
        spacing=own_spacing(recording, names) if spacing is None else spacing,
        boundary=recording.boundary if boundary is None else boundary,
        inside=recording.inside if inside is None else inside,
    )
    clock = own_times(recording, names) if times is None else times
    return Movie(
        _floats(values),
        _floats(_clock(clock, recording.shape[order[0]] if frame else 1)[span]),
        domain,
        variance=None if variance is None else _floats(variance),
        units=labels,
        reads=recording.reads,
        axis=frame or recording.axis,
    )


def _span(recording, names, frame, frames) -> slice:
    """The frames wanted, as a slice of step one within the movie."""
    if frames is None:
        return slice(None)
    count = recording.shape[names.index(frame)] if frame else 1
    if not isinstance(frames, slice) or frames.indices(count)[2] != 1:
        raise TypeError(f"`frames` must be a slice of step one, such as `slice(0, 64)`, got {frames!r}.")
    start, stop, _ = frames.indices(count)
    if stop <= start:
        raise ValueError(f"`frames` keeps none of the {count} frames, got {frames!r}.")
    return slice(start, stop)


def _cut(read, part, position, span: slice, shape=None) -> np.ndarray:
    """The frames of a span; read alone where the file allows it and they come first, else cut from all."""
    if span == slice(None) or position is None:
        return read()
    if part is not None and position == 0:
        return part(span)
    values = read() if shape is None else np.broadcast_to(read(), shape)
    return values[(slice(None),) * position + (span,)]


def _floats(values: np.ndarray) -> Array:
    # wide integers would overflow in JAX's 32 bits, and JAX takes no swapped bytes
    if values.dtype.kind != "f":
        return jnp.asarray(values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64))
    return jnp.asarray(values.astype(values.dtype.newbyteorder("="), copy=False))


def _clock(times, count: int) -> np.ndarray:
    t = np.asarray(times)
    t = t if t.dtype.kind == "f" else t.astype(float)
    if t.ndim == 0 and not (np.isfinite(t) and t > 0):
        raise ValueError(f"`times` as one number is the interval between frames and must be positive, got {times!r}.")
    return t * np.arange(count) if t.ndim == 0 else t


def _settled_units(recording, names, spacing, times, units) -> tuple[Any, ...]:
    own = own_units(recording, names, spacing, times)
    if units is None:
        return own
    if isinstance(units, str) or len(units) != 3 or not all(isinstance(u, str) for u in units):
        raise ValueError(f"`units` must be three strings (length, time, value), got {units!r}.")
    # a relabelled number would be wrong by the ratio of the units
    for given, stated, kept in zip(units, recording.units, (spacing is None, times is None, True)):
        if kept and stated not in (None, "1") and plain_unit(given) != plain_unit(stated):
            raise ValueError(
                f"`units` says {given!r} where the file states {stated!r}; keep the file's unit here and "
                "convert the movie, or pass the numbers in your unit too (`spacing=`, `times=`)."
            )
    return tuple(units)


def _picked(values: np.ndarray, channel, *, noise: bool) -> np.ndarray:
    """One channel, or the mean of equal channels for ``"grey"``, as a movie without a channel axis."""
    count = values.shape[-1]
    if isinstance(channel, (int, np.integer)) and not isinstance(channel, bool):
        if not 0 <= channel < count:
            raise ValueError(f"`channel` must be 0 to {count - 1} for {count} channels, or 'grey', got {channel}.")
        return values[..., channel]
    if channel != "grey":
        raise ValueError(f"`channel` must be 'grey' or a number from 0 to {count - 1}, got {channel!r}.")
    if noise:
        raise ValueError("`channel='grey'` has no variance, as the channels are not independent; pick one by number.")
    lowest, highest = values.min(-1), values.max(-1)
    apart, allowed = (
        float((highest.astype(float) - lowest).max()),
        GREY_TOLERANCE * float(np.abs(values).max()),
    )
    if apart > allowed:
        raise ValueError(
            f"`channel='grey'` needs channels that agree within {allowed:.3g}, these differ by up to "
            f"{apart:.3g}: the movie has colour. Pick one channel (`channel=0` to {count - 1}), or leave "
            "`channel=` out."
        )
    return values.mean(-1, dtype=np.float32 if values.dtype.itemsize < 4 else None)


def _check_size(recording: Recording) -> None:
    size = int(np.prod([int(n) for n in recording.shape], dtype=object)) * max(4, np.dtype(recording.dtype).itemsize)
    if size > memory():
        raise ValueError(
            f"its {recording.shape} values need {size / 1e9:.3g} GB, this machine has "
            f"{memory() / 1e9:.3g} GB; cut the file into shorter or smaller movies first."
        )

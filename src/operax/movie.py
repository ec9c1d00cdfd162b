"""Movie: frames over time on a domain, with variance, units and what each frame has read."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .domain import Domain


def _floating(value):
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def _known(value) -> bool:
    """Whether the values can be looked at now, i.e. are not being traced."""
    return not isinstance(value, jax.core.Tracer)


class Movie(eqx.Module):
    """Frames of one quantity (or a few channels) over time.

    The leaves are ``frames``, ``times`` and ``variance``; everything else is static, so a movie goes through
    `jax.jit`, `jax.grad` and `jax.vmap` as it is.

    Parameters
    ----------
    frames
        Values, shape ``(time, *domain.shape)``, or ``(time, *domain.shape, channel)`` for colour.
    times
        Time of each frame, shape ``(time,)``, strictly increasing; need not be regular. For an energy stack
        these are the energies and ``axis="energy"``.
    domain
        Where the frames lie.
    variance
        Noise variance of each value, same shape as ``frames`` (or broadcastable to it), or ``None``.
    units
        Units of length, time and value.
    reads
        Offsets of the recorded frames that each frame was computed from: ``(0,)`` for a raw movie,
        ``(-1, 0, 1)`` for one whose frame t was computed from recorded frames t-1, t, t+1.
    axis
        Name of the first axis: ``"time"`` or ``"energy"``.

    Raises
    ------
    ValueError
        If shapes disagree, the movie is empty, a pixel inside the particles is not finite, times do not
        increase, or a variance is negative.
    """

    frames: Float[Array, "time *space"] = eqx.field(converter=_floating)
    times: Float[Array, " time"] = eqx.field(converter=_floating)
    domain: Domain = eqx.field(static=True)
    variance: Float[Array, "..."] | None = eqx.field(
        default=None, converter=lambda v: None if v is None else _floating(v)
    )
    units: tuple[str, str, str] = eqx.field(
        default=("px", "frame", "1"), static=True, converter=lambda u: tuple(str(x) for x in u)
    )
    reads: tuple[int, ...] = eqx.field(
        default=(0,), static=True, converter=lambda r: tuple(sorted({int(o) for o in r}))
    )
    axis: str = eqx.field(default="time", static=True)

    def __check_init__(self):
        shape, space = self.frames.shape, self.domain.shape
        if len(shape) not in (1 + len(space), 2 + len(space)) or shape[1 : 1 + len(space)] != space:
            raise ValueError(
                f"`frames` must have shape (time, {', '.join(map(str, space))}), with an optional channel axis "
                f"last, to fit the domain; got {shape}."
            )
        if shape[0] == 0:
            raise ValueError("`frames` holds no frame; a movie needs at least one.")
        if self.times.shape != (shape[0],):
            raise ValueError(
                f"`times` must have one entry for each of {shape[0]} frames, got shape {self.times.shape}."
            )
        if self.variance is not None:
            try:
                fits = np.broadcast_shapes(self.variance.shape, shape) == shape
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(f"`variance` must be broadcastable to the frames' {shape}, got {self.variance.shape}.")
        if len(self.units) != 3:
            raise ValueError(f"`units` must be three strings (length, time, value), got {self.units}.")
        self._check_values()

    def _check_values(self):
        if _known(self.times):
            t = np.asarray(self.times)
            if not np.isfinite(t).all() or (np.diff(t) <= 0).any():
                at = int(np.argmax(~(np.diff(t) > 0))) if t.size > 1 else 0
                raise ValueError(
                    f"`times` must be finite and strictly increasing; entry {min(at + 1, t.size - 1)} is "
                    f"{t[min(at + 1, t.size - 1)]:g} after {t[at]:g}. Sort the frames by time, drop duplicates."
                )
        if _known(self.frames):
            bad = ~np.isfinite(np.asarray(self.frames))
            bad &= self.domain.inside.reshape(self.domain.shape + (1,) * self.channels_ndim)
            if bad.any():
                frame = int(np.argmax(bad.reshape(len(bad), -1).any(1)))
                raise ValueError(
                    f"`frames` must be finite; {int(bad.sum())} values are NaN or infinite, the first in frame "
                    f"{frame}. Drop those frames, or mask those pixels with the domain's `inside`."
                )
        if self.variance is not None and _known(self.variance):
            v = np.asarray(self.variance)
            if not (v >= 0).all():
                raise ValueError(f"`variance` must be zero or positive everywhere, its smallest value is {v.min():g}.")

    def __len__(self) -> int:
        return self.frames.shape[0]

    @property
    def channels_ndim(self) -> int:
        """1 for a colour movie, 0 for a grey one."""
        return self.frames.ndim - 1 - self.domain.ndim

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of ``frames``."""
        return (self.axis, *self.domain.axes, *(("channel",) * self.channels_ndim))

    def replace(self, **changes) -> "Movie":
        """A copy with the given fields changed, checked like a new movie."""
        return dataclasses.replace(self, **changes)

    def __getitem__(self, index) -> "Movie":
        """A movie of some of the frames: ``movie[5:20]``, ``movie[::2]`` or ``movie[[0, 3, 4]]``."""
        picked = np.arange(len(self))[index] if isinstance(index, slice) else np.asarray(index)
        if picked.ndim != 1 or (picked.size and not np.issubdtype(picked.dtype, np.integer)):
            raise TypeError(
                f"a movie is indexed by a slice or a list of frame numbers and stays a movie, got {index!r}; "
                "take `movie.frames[i]` for the array of one frame."
            )
        if picked.size == 0:
            raise ValueError(f"{index!r} keeps none of the {len(self)} frames.")
        if self.reads != (0,) and picked.size > 1 and (np.diff(picked) != 1).any():
            raise ValueError(
                f"frames of this movie were computed from recorded frames at offsets {self.reads}; skipping frames "
                "would make those offsets wrong. Take the frames of the raw movie first, then denoise."
            )
        return dataclasses.replace(
            self,
            frames=self.frames[picked],
            times=self.times[picked],
            variance=None if self.variance is None else self._full_variance()[picked],
        )

    def _full_variance(self):
        assert self.variance is not None
        return jnp.broadcast_to(self.variance, self.frames.shape)

    def crop(self, *windows: slice) -> "Movie":
        """The part of every frame inside one slice an axis, e.g. ``movie.crop(slice(10, 90), slice(0, 64))``."""
        domain = self.domain.crop(*windows)
        cut = (slice(None), *windows)
        variance = None if self.variance is None else self._full_variance()[cut]
        return dataclasses.replace(self, frames=self.frames[cut], domain=domain, variance=variance)

    def mean(self, axis: str) -> "Movie":
        """The movie averaged along one space axis, e.g. ``movie.mean("column")`` for a profile along rows.

        The variance of a mean of n independent pixels is their mean variance over n; where noise is
        correlated between pixels the true variance is larger.
        """
        if axis not in self.domain.axes or self.domain.ndim == 1:
            raise ValueError(f"`axis` must be one of {self.domain.axes} of a movie with two or more, got {axis!r}.")
        if self.domain.masked:
            raise ValueError("`mean` of a masked movie is ambiguous; crop to a rectangle inside one particle first.")
        i = self.domain.axes.index(axis)
        kept = [k for k in range(self.domain.ndim) if k != i]
        domain = Domain(*([getattr(self.domain, name)[k] for k in kept] for name in ("shape", "spacing", "boundary")))
        variance = None
        if self.variance is not None:
            variance = self._full_variance().mean(1 + i) / self.domain.shape[i]
        return dataclasses.replace(self, frames=self.frames.mean(1 + i), domain=domain, variance=variance)

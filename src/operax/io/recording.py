"""Recording: what a file states of a movie, before the user's words fill the gaps."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

AXIS_NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("t", "time", "frame", "frames"),
    "energy": ("e", "energy", "photon_energy"),
    "plane": ("z", "plane", "sample_z"),
    "row": ("y", "row", "sample_y"),
    "column": ("x", "column", "sample_x"),
    "channel": ("c", "channel", "rgb"),
}
FRAME_AXES = ("time", "energy")
SPACE_AXES = ("plane", "row", "column")

# Stage positions are written with few digits: a grid counts as even if every position lies this close to it.
EVEN_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What one file states; a gap is ``None`` or an absent key, never a guess.

    Parameters
    ----------
    path, format
        Where it was read, and what kind of file it is, for messages.
    shape, dtype
        Of the values as stored.
    read, first
        Functions that read all values, and those of the first entry along the first axis.
    part
        Function that reads some entries along the first axis, where that is possible without reading all.
    axes
        Names of the stored axes, or ``None`` where the file does not say; ``stated`` is what it does say.
    times, axis
        Times or energies of the frames, and which of the two.
    spacing
        Pixel size for each space axis that has one.
    units
        Units of length, time and value.
    variance, variance_part
        Readers of the variance, as ``read`` and ``part``.
    inside, boundary, reads
        As in `Movie` and `Domain`.
    refused
        Why no argument can make this a movie; empty where one can.
    notes
        Further lines for people.
    """

    path: str
    format: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]
    first: Callable[[], np.ndarray]
    part: Callable[[slice], np.ndarray] | None = None
    axes: tuple[str, ...] | None = None
    stated: str = "nothing"
    times: np.ndarray | None = None
    axis: str = "time"
    spacing: Mapping[str, float] = field(default_factory=dict)
    units: tuple[str | None, str | None, str | None] = (None, None, None)
    variance: Callable[[], np.ndarray] | None = None
    variance_part: Callable[[slice], np.ndarray] | None = None
    inside: np.ndarray | None = None
    boundary: tuple[str, ...] | str = "no-flux"
    reads: tuple[int, ...] = (0,)
    refused: str = ""
    notes: tuple[str, ...] = ()


def axis_name(word: str) -> str | None:
    """The operax name of an axis, from one of its usual names; ``None`` for any other word."""
    return next((name for name, words in AXIS_NAMES.items() if word.strip().lower() in words), None)


def axis_names(axes: str | Sequence[str]) -> tuple[str, ...]:
    """Axis names from a string of letters such as ``"tyx"``, or from a sequence of words.

    Raises
    ------
    ValueError
        If a word names no axis, or two name the same.
    """
    words = tuple(axes)
    names = [axis_name(str(word)) for word in words]
    if None in names or len(set(names)) != len(names):
        raise ValueError(
            f"`axes` must name each stored axis once, as letters ('tyx') or words ('time', 'row', 'column') "
            f"out of {', '.join(f'{n} ({w[0]})' for n, w in AXIS_NAMES.items())}; got {axes!r}."
        )
    return tuple(n for n in names if n)


def plain_unit(unit: str | None) -> str | None:
    """A unit in its plain spelling: the micro signs and ``micron`` become ``um``; blank becomes ``None``."""
    text = (unit or "").strip().replace("\\u00B5", "u").replace("µ", "u").replace("μ", "u")
    spelled = {"micron": "um", "microns": "um", "sec": "s", "pixel": "px", "pixels": "px"}
    return spelled.get(text, text) or None


def even_spacing(positions: np.ndarray) -> float | None:
    """The step of evenly spaced positions, rising or falling; ``None`` where they are not even."""
    x = np.asarray(positions, float)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        return None
    step = (x[-1] - x[0]) / (x.size - 1)
    off = np.abs(x - (x[0] + step * np.arange(x.size))).max()
    return float(abs(step)) if step and off <= EVEN_TOLERANCE * abs(step) else None


def gaps(recording: Recording, *, axes=None, spacing=None, times=None, units=None) -> tuple[tuple[str, str], ...]:
    """What still has to be said, as pairs of an argument's name and a sentence; empty when all is known."""
    found: list[tuple[str, str]] = []
    names = recording.axes if axes is None else axis_names(axes)
    if names is None:
        why = (
            f"the order of its axes is not stated (shape {recording.shape}, stated: {recording.stated}); "
            'pass `axes=`, e.g. `axes="tyx"` or `axes="eyx"`'
        )
        found.append(("axes", why))
    elif not set(names) & set(FRAME_AXES):
        single = recording.times if times is None else times
        if single is None or np.shape(single) != (1,):
            why = (
                f"it has no time or energy axis (axes {names}, shape {recording.shape}); pass `times=[0.0]` "
                "to read it as a movie of one frame, or `axes=` if one of its axes really is time"
            )
            found.append(("times", why))
    framed = names is None or set(names) & set(FRAME_AXES)
    if framed and times is None and own_times(recording, names) is None:
        frame = next((n for n in names or () if n in FRAME_AXES), "time")
        why = (
            f"the {frame} of its frames is not stated; pass `times=`, an array of one for each frame, "
            "or the interval between frames as one number (1.0 counts in frames)"
        )
        found.append(("times", why))
    if spacing is None and not own_spacing(recording, names):
        why = (
            "the pixel size is not stated; pass `spacing=`, one number or one for each space axis "
            "(1.0 counts in pixels)"
        )
        found.append(("spacing", why))
    if units is None and not found:
        for gap, kind in zip(own_units(recording, names, spacing, times), ("length", "time", "value")):
            if gap is None:
                why = (
                    f"the unit of {kind} is not stated; pass `units=(length, time, value)`, "
                    'e.g. `units=("um", "s", "1")`'
                )
                found.append(("units", why))
                break
    return tuple(found)


def own_times(recording: Recording, names) -> np.ndarray | None:
    """The file's own times, if they belong to the frame axis that ``names`` speaks of."""
    frame = next((n for n in names or () if n in FRAME_AXES), recording.axis)
    same = recording.axes is None or recording.axis == frame
    same = same and (
        recording.axes is None or frame not in recording.axes or names.index(frame) == recording.axes.index(frame)
    )
    return recording.times if same else None


def own_spacing(recording: Recording, names) -> tuple[float, ...] | None:
    """The file's own pixel size along the space axes, in order, or ``None`` if one is missing.

    Where `axes=` contradicts the file, its pixel sizes are kept only if they are all equal.
    """
    stated = recording.spacing
    space = [n for n in SPACE_AXES if n in (names or SPACE_AXES[1:])]
    if not space or any(n not in stated for n in space):
        return None
    moved = (
        names
        and recording.axes
        and any(n not in recording.axes or names.index(n) != recording.axes.index(n) for n in space)
    )
    return None if moved and len(set(stated.values())) > 1 else tuple(stated[n] for n in space)


def own_units(recording: Recording, names, spacing: Any, times: Any) -> tuple[str | None, ...]:
    """Units of length, time and value without the user's word; a count of pixels or frames has one."""
    length, time, value = recording.units
    if spacing is not None or not length:
        given = own_spacing(recording, names) if spacing is None else spacing
        counted = given is not None and bool((np.atleast_1d(given) == 1).all())
        length = "px" if length in (None, "px") and counted else None
    if times is not None or not time:
        steps = np.asarray(recording.times if times is None else times, float)
        steps = np.diff(steps) if steps.ndim else steps
        frame = next((n for n in names if n in FRAME_AXES), recording.axis)
        counted = frame == "time" and bool(np.all(steps == 1))
        time = "frame" if time in (None, "frame") and counted else None
    return length, time, value or "1"


def memory() -> int:
    """Bytes of memory of this machine: what says that it holds more cannot be read, and may be a trap."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 2**40

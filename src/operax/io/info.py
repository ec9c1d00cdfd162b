"""info: what is inside a file, and what `load` would still have to be told."""

import os
from dataclasses import dataclass

import numpy as np

from . import files, hdf5, nexus
from .recording import FRAME_AXES, gaps


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a file holds; ``str(info)`` prints it.

    Parameters
    ----------
    path, format
        The file, and its kind.
    shape, dtype
        Of the values as stored; ``shape`` is empty where there are none.
    axes
        Names of the stored axes; ``None`` where the file does not say.
    spacing
        Pixel size along each space axis that states one.
    times
        First and last time or energy, and whether they are evenly spaced; ``None`` where not stated.
    units
        Units of length, time and value, ``None`` where not stated.
    value_range
        Smallest and largest value of the first frame alone, so that large files answer at once.
    missing
        Pairs of an argument of `load` that is still needed, and why.
    problem
        Why no argument helps; empty where the file can be read.
    notes
        Further lines.
    """

    path: str
    format: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    axes: tuple[str, ...] | None = None
    spacing: tuple[tuple[str, float], ...] = ()
    times: tuple[float, float, bool] | None = None
    units: tuple[str | None, str | None, str | None] = (None, None, None)
    value_range: tuple[float, float] | None = None
    missing: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        length, time, value = (unit or "" for unit in self.units)
        lines = [("file", self.path), ("format", self.format)]
        if self.shape:
            lines.append(("shape", " x ".join(map(str, self.shape)) + f" {self.dtype}"))
            lines.append(("axes", ", ".join(self.axes) if self.axes else "not stated"))
            steps = ", ".join(f"{name} {step:.6g}" for name, step in self.spacing)
            lines.append(("spacing", f"{steps} {length}" if steps else "not stated"))
            name = next((n for n in self.axes or () if n in FRAME_AXES), "time")
            if self.times is None:
                lines.append((name, "not stated"))
            else:
                first, last, even = self.times
                lines.append((name, f"{first:.6g} to {last:.6g} {time}, {'evenly' if even else 'not evenly'} spaced"))
        if self.value_range:
            low, high = self.value_range
            lines.append(("values", f"{low:.6g} to {high:.6g} {value} (first frame)"))
        lines += [("note", note) for note in self.notes]
        lines += [("needs", f"{argument}: {why}") for argument, why in self.missing]
        if self.problem:
            lines.append(("problem", self.problem))
        elif self.shape and not self.missing:
            lines.append(("load", "ready, nothing more is needed"))
        return "\n".join(f"{label:<8} {text.strip()}" for label, text in lines)


def info(path: str | os.PathLike, *, dataset: str | int | None = None) -> Info:
    """Say what is inside a file without reading all of it, also where `load` would refuse it.

    Parameters
    ----------
    path
        Any file that `load` knows, or one of arrays that `save` wrote.
    dataset
        Which part of the file, as for `load`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    try:
        kind = files.sniff(path)
    except ValueError as error:
        return Info(path=os.fspath(path), format="unknown", problem=str(error))
    try:
        if kind == "HDF5" and hdf5.holds_arrays(path):
            return _arrays(path)
        recording = files.record(path, dataset)
        first = np.asarray(recording.first())
    except (ValueError, ImportError) as error:
        return Info(path=os.fspath(path), format=kind, problem=str(error))
    times = recording.times
    steps = np.diff(times) if times is not None and times.size else np.zeros(0)
    finite = first[np.isfinite(first)]
    return Info(
        path=recording.path,
        format=recording.format,
        shape=recording.shape,
        dtype=recording.dtype,
        axes=recording.axes,
        spacing=tuple(recording.spacing.items()),
        times=(
            (
                float(times[0]),
                float(times[-1]),
                bool(np.allclose(steps, steps.mean() if steps.size else 0.0, rtol=1e-3, atol=0)),
            )
            if times is not None and times.size
            else None
        ),
        units=recording.units,
        value_range=(float(finite.min()), float(finite.max())) if finite.size else None,
        missing=() if recording.refused else gaps(recording),
        problem=recording.refused,
        notes=recording.notes,
    )


def _arrays(path) -> Info:
    with nexus.opened(path) as file:
        group = nexus.fetch(path, file, "entry/arrays")
        held = tuple(f"{name} {group[name].shape}" for name in nexus.datasets(path, group))
        stated = tuple(f"{name} = {nexus.text(value)}" for name, value in group.attrs.items() if name != "NX_class")
    return Info(
        path=os.fspath(path),
        format=f"operax HDF5 of arrays, schema {hdf5.ARRAYS}",
        notes=(*stated, *held),
        problem="",
    )

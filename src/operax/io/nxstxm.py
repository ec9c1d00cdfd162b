"""NXstxm files: images, energy stacks and line spectra of scanning transmission X-ray microscopes."""

import dataclasses
import os

import h5py
import numpy as np

from . import nexus
from .nexus import damaged, fetch, holds, own, shape_checked, text
from .recording import Recording, even_spacing, plain_unit

# The order that the NXstxm definition prescribes where a writer names no axes.
STANDARD = ("energy", "sample_y", "sample_x")
LINE = "line_position"


def follows(path: str | os.PathLike, file: h5py.File) -> bool:
    """Whether an HDF5 file says that it follows the NXstxm definition."""
    return bool(_entries(path, file))


def record(path: str | os.PathLike, file: h5py.File, dataset: str | None) -> Recording:
    """What an NXstxm file states: energies, positions and counts of one detector in one region.

    Parameters
    ----------
    path, file
        The file, opened.
    dataset
        Path of the detector's group inside the file, where it holds several regions or detectors.

    Raises
    ------
    ValueError
        If several detectors are there and none is picked, or one says nothing usable of its axes.

    Notes
    -----
    Writers differ, and these habits are understood: the group of a detector has any name, its axes may be
    unnamed if they are in the order of the definition, units may be blank or hold a micro sign in either
    encoding, and fields that were never set hold NaN or meaningless numbers, which are not read. The beam
    current of ``control`` is not divided out.
    """
    group = fetch(path, file, dataset or _only(path, file))
    if not isinstance(group, h5py.Group) or text(group.attrs.get("NX_class", "")) != "NXdata":
        return nexus.record(path, file, dataset)
    name = text(group.attrs["signal"]) if "signal" in group.attrs else "data"
    signal = shape_checked(path, fetch(path, group, name))
    stated = tuple(nexus.words(group.attrs["axes"])) if "axes" in group.attrs else _in_order(path, group, signal)
    found = nexus.described(path, group, signal, stated)
    kind = _word(path, group, "stxm_scan_type")
    found = dataclasses.replace(
        found,
        format="HDF5 (NeXus NXstxm)",
        units=(plain_unit(found.units[0]), plain_unit(found.units[1]), plain_unit(found.units[2])),
        notes=(*found.notes, *((f"scan type: {kind}",) if kind else ())),
    )
    return _line(path, group, found) if stated == ("energy", LINE) else found


def _entries(path, file: h5py.File) -> list[h5py.Group]:
    groups = [node for node in (file[n] for n in own(file)) if isinstance(node, h5py.Group)]
    return [g for g in groups if _word(path, g, "definition") == "NXstxm"]


def _word(path, group: h5py.Group, name: str) -> str:
    """A string field, stored as one string or as an array of one; empty where it is not there."""
    if not holds(group, name):
        return ""
    node = fetch(path, group, name)
    if not isinstance(node, h5py.Dataset) or node.size != 1 or node.dtype.kind not in "SO":
        return ""
    with damaged(path, name):
        return text(np.asarray(node[...]).ravel()[0]).strip()


def _only(path, file: h5py.File) -> str:
    found = [
        node.name
        for entry in _entries(path, file)
        for node in (entry[n] for n in own(entry))
        if isinstance(node, h5py.Group) and text(node.attrs.get("NX_class", "")) == "NXdata"
    ]
    if len(found) != 1:
        raise ValueError(
            f"{path}: holds {len(found)} regions or detectors ({', '.join(found[:8])}); pass `dataset=`, the path of "
            "the one inside the file."
        )
    return found[0]


def _in_order(path, group: h5py.Group, signal: h5py.Dataset) -> tuple[str, ...]:
    """Axes in the order of the definition, if there are as many of the right lengths."""
    present = [n for n in STANDARD if holds(group, n)]
    for names in (present, [n for n in present if n != "energy"]):
        if tuple(shape_checked(path, fetch(path, group, n)).size for n in names) == signal.shape:
            return tuple(names)
    return ()


def _line(path, group: h5py.Group, found: Recording) -> Recording:
    """A line spectrum as an energy stack on a line: pixels are as far apart as the stage moved."""
    stage = [shape_checked(path, fetch(path, group, n)) for n in STANDARD[1:] if holds(group, n)]
    places = [np.asarray(node[...], float) for node in stage]
    units = {plain_unit(text(node.attrs.get("units", ""))) for node in stage}
    along = np.sqrt(sum((p - p[0]) ** 2 for p in places)) if places else np.zeros(0)
    step = even_spacing(along)
    return dataclasses.replace(
        found,
        axes=("energy", "row"),
        spacing={} if step is None else {"row": step},
        units=(units.pop() if len(units) == 1 else None, *found.units[1:]),
        refused="" if step is not None else "positions along its line are not evenly spaced; resample them first",
    )

"""Members of an ensemble in a folder: one file each, written as it finishes, numbers only."""

import os
from pathlib import Path

import numpy as np

from ..io import read_arrays, write_arrays

FIELDS = ("unknowns", "value", "promised", "tried", "accuracy")


def file_of(folder: str | os.PathLike, number: int) -> Path:
    """The file of one member."""
    return Path(folder) / f"member-{number:05d}.h5"


def keep(folder: str | os.PathLike, mark: str, number: int, found: dict[str, np.ndarray], lost: str = "") -> None:
    """Write one member, or why it was lost; the file is replaced whole."""
    write_arrays(file_of(folder, number), found, {"ensemble": mark, "member": number, "lost": lost})


def kept(folder: str | os.PathLike, mark: str, size: int) -> dict[int, dict[str, np.ndarray]]:
    """The members below ``size`` that a folder holds. Lost ones are left out, so that they are tried again.

    Raises
    ------
    ValueError
        If the folder holds members of another ensemble.
    """
    found = {}
    for number in range(size):
        path = file_of(folder, number)
        if not path.exists():
            continue
        arrays, said = read_arrays(path)
        if said.get("ensemble") != mark:
            raise ValueError(
                f"{path}: is a member of another ensemble (another equation, movie, noise, key or method); empty the "
                "folder or name another `folder`."
            )
        if not said.get("lost"):
            found[number] = arrays
    return found

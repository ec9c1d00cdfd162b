"""What every report ends with: units, settings, versions, notes, how to cite."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

import jax
import jax.numpy as jnp

from ..movie import Movie
from .page import Section, Table

PACKAGES = ("operax", "jax", "jaxlib", "equinox", "diffrax", "flax", "numpy")
CITATIONS = (
    "The operax developers: operax {version}, from a noisy operando movie to the physical laws that made it, "
    "with error bars.",
    "Degnan-Morgenstern, Cohen, Gopal, Gober, Nelson, Bai, Bazant (2025), arXiv:2510.27667, on deep "
    "denoising of "
    "operando movies before laws are learned from them.",
)


def units(movie: Movie) -> str:
    """In which units the numbers of a report are, in words."""
    length, time, value = movie.units
    said = []
    if length == "px":
        said.append("The pixel size is not known: lengths are in pixels.")
    if time == "frame":
        said.append("The frame interval is not known: times are in frames.")
    if length == "px" or time == "frame":
        said.append(
            f"A diffusivity is therefore in {length}²/{time}; multiply it by the square of the pixel size "
            "and divide "
            "by the frame interval to have it in physical units, as far as each is missing."
        )
    if (length, time) == ("1", "1"):
        said.append("Lengths and times are scaled numbers without a unit, and so are the laws.")
    elif length != "px" and time != "frame":
        said.append(f"Lengths are in {length}, the {movie.axis} axis is in {time}.")
    said.append("Values have no unit." if value == "1" else f"Values are: {value}.")
    return " ".join(said)


def versions() -> tuple[tuple[str, str], ...]:
    """Names and versions of what computed the report."""
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    device = jax.devices()[0]
    precision = jnp.zeros(()).dtype.name
    return (*found, ("device", f"{device.platform} ({device.device_kind})"), ("precision", precision))


def flatten(settings: Mapping, above: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows of dotted names and values."""
    rows = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += flatten(value, f"{above}{name}.")
        else:
            rows.append((f"{above}{name}", str(value)))
    return rows


def closing(movie: Movie, notes: Sequence[str], settings: Mapping | None) -> tuple[Section, ...]:
    """The last sections of a report."""
    sections = [Section("Units", (units(movie),))]
    if notes:
        sections.append(Section("Notes", points=tuple(str(note) for note in notes)))
    if settings:
        sections.append(Section("Settings", tables=(Table(("setting", "value"), tuple(flatten(settings))),)))
    computed = versions()
    sections.append(Section("Versions", tables=(Table(("what", "version"), computed),)))
    cite = tuple(line.format(version=dict(computed)["operax"]) for line in CITATIONS)
    return (*sections, Section("How to cite", ("Please cite the software and the work it builds on:",), cite))

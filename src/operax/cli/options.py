"""Options that several commands share, and how their words become values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import toml

File = Annotated[Path, typer.Argument(help="Movie to read: HDF5, NeXus, TIFF, video, STXM stack, .npy or .npz.")]
Dataset = Annotated[str | None, typer.Option(help="Which part of the file, where it holds several.")]
Axes = Annotated[str | None, typer.Option(help="Order of the stored axes as letters, e.g. tyx, eyx or tyxc.")]
Spacing = Annotated[str | None, typer.Option(help="Pixel size: one number, or one for each space axis: 0.05,0.1.")]
Times = Annotated[str | None, typer.Option(help="Interval between frames, or the time of every frame: 0,1.5,4 ...")]
Units = Annotated[str | None, typer.Option(help="Units of length, time and value: um,s,1.")]
Channel = Annotated[str | None, typer.Option(help="Colour channel: its number, or grey where all are equal.")]
Boundary = Annotated[str | None, typer.Option(help="no-flux, periodic, ...; one for all axes, or one each: a,b.")]
Mask = Annotated[Path | None, typer.Option(help="Image of the particles: values above zero are inside.")]
Rows = Annotated[str | None, typer.Option(help="Rows to keep, first,end counted from zero: 10,90.")]
Columns = Annotated[str | None, typer.Option(help="Columns to keep, first,end.")]
Frames = Annotated[str | None, typer.Option(help="Frames to keep, first,end.")]
Step = Annotated[int | None, typer.Option(help="Keep every so many-th frame.")]
NoiseStd = Annotated[
    float | None, typer.Option(help="Standard deviation of the noise of one pixel; measured if not given.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; by default runs/<name>-<n>.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files, too.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an earlier run of the same config in the folder was stopped."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A key of the config and its value, over what the file says: fit.draws=200.", metavar="KEY=VALUE"
    ),
]


def numbers(name: str, text: str | None) -> float | list[float] | None:
    """One number, or a list where the text has commas.

    Raises
    ------
    ValueError
        If a word is no number.
    """
    if text is None:
        return None
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"`--{name}` must be a number, or numbers with commas between, got {text!r}.") from error
    return found if "," in text else found[0]


def pair(name: str, text: str | None) -> list[int] | None:
    """Two whole numbers with a comma between.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if text is None:
        return None
    try:
        first, end = (int(word) for word in text.split(","))
    except ValueError as error:
        raise ValueError(f"`--{name}` must be first,end in whole numbers, e.g. 10,90, got {text!r}.") from error
    return [first, end]


def words(text: str | None) -> str | list[str] | None:
    """One word, or a list where the text has commas."""
    return text.split(",") if text is not None and "," in text else text


def table(name: str, text: str | None) -> Any:
    """The value of an option that is written as in a config.

    Raises
    ------
    ValueError
        If it is not a TOML value.
    """
    if text is None:
        return None
    try:
        return toml.value(text)
    except ValueError as error:
        raise ValueError(f"`--{name}`: {error}") from error


def settings(words: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """The tables that ``--set table.key=value`` state.

    Raises
    ------
    ValueError
        If one is no such pair, or its value is not TOML.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words or ():
        name, equals, said = word.partition("=")
        parts = [part.strip() for part in name.split(".")]
        if not equals or len(parts) != 2 or not all(parts):
            raise ValueError(f"`--set` must be table.key=value, e.g. fit.draws=200, got {word!r}.")
        try:
            found.setdefault(parts[0], {})[parts[1]] = toml.value(said)
        except ValueError as error:
            raise ValueError(f"`--set {name}`: {error} Text stands in quotes.") from error
    return found


def part(dataset: str | None) -> str | int | None:
    """A dataset by its number, where the word is one, or by its name."""
    return int(dataset) if dataset is not None and dataset.isdecimal() else dataset


def input_table(
    file: Path,
    dataset: str | None,
    axes: str | None,
    spacing: str | None,
    times: str | None,
    units: str | None,
    channel: str | None,
    boundary: str | None,
    mask: Path | None,
    states: Path | None = None,
) -> dict[str, Any]:
    """The table [input] that these options state."""
    return {
        "path": str(file),
        "dataset": part(dataset),
        "axes": words(axes),
        "spacing": numbers("spacing", spacing),
        "times": numbers("times", times),
        "units": None if units is None else units.split(","),
        "channel": int(channel) if channel is not None and channel.isdecimal() else channel,
        "boundary": words(boundary),
        "mask": None if mask is None else str(mask),
        "states": None if states is None else str(states),
    }


def prepare_table(rows, columns, frames, step) -> dict[str, Any]:
    """The table [prepare] that these options state."""
    return {
        "rows": pair("rows", rows),
        "columns": pair("columns", columns),
        "frames": pair("frames", frames),
        "step": step,
    }

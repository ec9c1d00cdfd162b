"""The config of an analysis: every key of the TOML file with its default, checked before any work begins."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from . import toml
from .explain import explain
from .instruments import Instrument, Neutron, Optical, Stxm
from .tables import Cut, Normal, Number, Positive, Potential, Rate, Table

Names = Annotated[list[str], Field(min_length=3, max_length=3)]


class Input(Table):
    """What to read, and what the file does not state; as `operax.load`.

    ``path``, ``mask`` and ``states`` are taken from the folder of the config file. ``mask`` is an image whose
    values above zero are inside the particles. ``states`` is a movie to start the fit from, in place of a
    denoised one; it shows the same frames and pixels as the movie after [prepare], before the profile.
    """

    files: ClassVar[tuple[str, ...]] = ("path", "mask", "states")
    path: str
    dataset: str | int | None = None
    axes: str | list[str] | None = None
    spacing: float | list[float] | None = None
    times: float | list[float] | None = None
    units: Names | None = None
    channel: int | Literal["grey"] | None = None
    boundary: str | list[str] | None = None
    mask: str | None = None
    states: str | None = None


class Prepare(Table):
    """What is kept: rows and columns, frames, every ``step``-th of them.

    ``rows``, ``columns`` and ``frames`` are [first, end), counted from zero, as in Python. ``profile`` names
    the axis that is averaged away before the fit.
    """

    rows: Cut | None = None
    columns: Cut | None = None
    frames: Cut | None = None
    step: Annotated[int, Field(ge=1)] = 1
    profile: Literal["row", "column"] | None = None


class Noise(Table):
    """Noise of one recorded value that is stated, not measured, before ``profile``.

    ``std`` is the standard deviation; or the variance is gain · (value − offset) + read_std², as of counts.
    """

    std: Positive | None = None
    gain: Positive | None = None
    offset: float = 0.0
    read_std: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _one(self):
        if (self.std is None) == (self.gain is None):
            raise ValueError("give one of `std` and `gain` (with `offset` and `read_std`).")
        return self


class BlindSpot(Table):
    """A blind-spot network trained on the movie."""

    method: Literal["blindspot"] = "blindspot"
    steps: Annotated[int, Field(ge=1)] = 400


class TemporalMean(Table):
    """A running mean over ``width`` frames, an odd number."""

    method: Literal["temporal-mean"]
    width: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _odd(self):
        if self.width % 2 == 0:
            raise ValueError(f"`width` must be an odd number of frames, got {self.width}.")
        return self


class LowRank(Table):
    """The strongest ``rank`` components; without a rank those above the noise."""

    method: Literal["low-rank"]
    rank: Annotated[int, Field(ge=0)] | None = None


class PreRoll(Table):
    """Unknown start states, see `operax.inference.PreRoll`."""

    lead: Positive | None = None
    cutoff: Positive | None = None


# what fits of every equation share: frames of a window, start states, steps of the optimiser, posterior draws
Window = Annotated[int, Field(ge=2)] | None
Start = Literal["given"] | PreRoll
Steps = Annotated[int, Field(ge=1)]
Draws = Annotated[int, Field(ge=2)]


class DiffusionFit(Table):
    """∂c/∂t = ∇·(D(c) ∇c) + s."""

    equation: Literal["diffusion"]
    diffusivity: Rate
    source: float = 0.0
    window: Window = None
    start: Start = PreRoll()
    steps: Steps = 60
    draws: Draws = 1000
    residual_scale: bool = False


class CahnHilliardFit(Table):
    """∂c/∂t = ∇·(M(c) ∇μ), μ = μ_h(c) − κ ∇²c."""

    equation: Literal["cahn-hilliard"]
    mobility: Rate
    potential: Potential
    kappa: Number
    window: Window = None
    start: Start = PreRoll()
    steps: Steps = 60
    draws: Draws = 1000
    residual_scale: bool = False


class AllenCahnFit(Table):
    """∂c/∂t = −R(c) (μ + v), μ = μ_h(c) − κ ∇²c."""

    equation: Literal["allen-cahn"]
    rate: Rate
    potential: Potential
    kappa: Number
    drive: Annotated[float | Normal, Field(union_mode="left_to_right")] = 0.0
    window: Window = None
    start: Start = PreRoll()
    steps: Steps = 60
    draws: Draws = 1000
    residual_scale: bool = False


FitPart = DiffusionFit | CahnHilliardFit | AllenCahnFit


class Report(Table):
    """How the report is headed."""

    title: str | None = None


class Run(Table):
    """Seed of everything random, and the run folder (taken from the current folder)."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    out: str | None = None


class Config(Table):
    """A whole analysis."""

    input: Input
    prepare: Prepare = Prepare()
    stxm: Stxm | None = None
    neutron: Neutron | None = None
    optical: Optical | None = None
    noise: Noise | None = None
    denoise: Annotated[BlindSpot | TemporalMean | LowRank, Field(discriminator="method")] | None = None
    fit: Annotated[FitPart, Field(discriminator="equation")] | None = None
    report: Report = Report()
    run: Run = Run()

    @model_validator(mode="after")
    def _something_to_do(self):
        given = [part for part in (self.stxm, self.neutron, self.optical) if part is not None]
        if self.denoise is None and self.fit is None and not given:
            raise ValueError("there is nothing to do: give a table [denoise] or [fit], or both, or an instrument.")
        if len(given) > 1:
            raise ValueError(
                "[stxm], [neutron] and [optical] exclude each other; give the one that recorded the movie."
            )
        if self.denoise is not None and self.input.states is not None:
            raise ValueError("`states` in [input] takes the place of [denoise]; give one of the two.")
        return self

    @property
    def instrument(self) -> Instrument | None:
        """The table of the instrument, if there is one."""
        return self.stxm or self.neutron or self.optical


def read(path: str | os.PathLike, over: Mapping[str, Mapping[str, Any]] | None = None) -> Config:
    """Read a config file; the paths in it become absolute.

    Parameters
    ----------
    path
        The file.
    over
        Keys by table that take the place of those in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no TOML, or a key is unknown, missing or has a bad value; all of them are named, with lines.
    """
    tables, lines = toml.read(path)
    for name, keys in (over or {}).items():
        held = tables.get(name)
        tables[name] = {**(held if isinstance(held, dict) else {}), **keys}
        # what was said on the command line stands on no line
        lines = {where: line for where, line in lines.items() if where[:2] not in {(name, key) for key in keys}}
    try:
        config = Config.model_validate(tables)
    except ValidationError as error:
        raise ValueError(explain(error, Config, tables, lines, f"{path}: ")) from None
    return rooted(config, Path(path).resolve().parent)


def given(tables: dict[str, dict[str, Any]]) -> Config:
    """A config from options of the command line, ``None`` where not given; paths are as in the shell.

    Raises
    ------
    ValueError
        If an option is missing or has a bad value.
    """
    named = {name: {key: entry for key, entry in table.items() if entry is not None} for name, table in tables.items()}
    try:
        config = Config.model_validate({name: table for name, table in named.items() if table})
    except ValidationError as error:
        raise ValueError(explain(error, Config, named, {}, "")) from None
    return rooted(config, Path.cwd())


def rooted(config: Config, folder: Path) -> Config:
    """The config with all paths of inputs made absolute, starting from ``folder``."""

    def full(path: Any) -> Any:
        if isinstance(path, Mapping):
            return {name: full(one) for name, one in path.items()}
        return os.path.normpath(folder / Path(path).expanduser()) if isinstance(path, str) else path

    changes: dict[str, Any] = {}
    for part, table in config:
        if isinstance(table, Table) and table.files:
            paths = {name: full(getattr(table, name)) for name in table.files}
            changes[part] = table.model_copy(update=paths)
    return config.model_copy(update=changes)


def named_files(config: Config) -> Iterator[str]:
    """Every file or folder that the config reads."""
    for _, table in config:
        if isinstance(table, Table):
            for found in (getattr(table, name) for name in table.files):
                yield from found.values() if isinstance(found, Mapping) else [found] if isinstance(found, str) else []


def text(config: Config) -> str:
    """The config with every default filled in, as TOML that reads back to the same config."""
    tables = config.model_dump(exclude_none=True)
    tables["run"].pop("out", None)  # a second run of this file must not land in the folder of the first
    return toml.written({name: table for name, table in tables.items() if table})

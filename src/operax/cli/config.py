"""The config of an analysis: every key of the TOML file with its default, checked before any work begins."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from . import toml
from .explain import explain
from .tables import Number, Positive, Potential, Rate, Table

Names = Annotated[list[str], Field(min_length=3, max_length=3)]
Cut = Annotated[list[int], Field(min_length=2, max_length=2)]


class Input(Table):
    """What to read, and what the file does not state; as `operax.load`.

    ``path``, ``mask`` and ``states`` are taken from the folder of the config file. ``mask`` is an image whose
    values above zero are inside the particles. ``states`` is a movie to start the fit from, in place of a
    denoised one; it shows the same frames and pixels as the movie after [prepare], before the profile.
    """

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


class Region(Table):
    """A part of one frame of the file, before any cut: rows and columns [first, end), counted from zero."""

    rows: Cut
    columns: Cut
    frame: Annotated[int, Field(ge=0)] = 0


class BeerLambert(Table):
    """Transmitted intensity to amount of absorber.

    ``reference`` is the intensity without absorber: a frame of the file, counted from zero, pixel by pixel; or
    a region of a frame that holds none, whose mean then serves every pixel (for an evenly lit movie).
    """

    kind: Literal["beer-lambert"]
    reference: Annotated[int, Field(ge=0)] | Literal["first"] | Region = "first"
    attenuation: Positive = 1.0


class Prepare(Table):
    """What is kept and converted, in this order: rows and columns, conversion, frames, every ``step``-th.

    ``rows``, ``columns`` and ``frames`` are [first, end), counted from zero, as in Python. ``profile`` names
    the axis that is averaged away after denoising.
    """

    rows: Cut | None = None
    columns: Cut | None = None
    convert: BeerLambert | None = None
    frames: Cut | None = None
    step: Annotated[int, Field(ge=1)] = 1
    profile: Literal["row", "column"] | None = None


class Noise(Table):
    """Noise that is stated, not measured: ``std`` of one pixel after ``convert`` and before ``profile``."""

    std: Positive


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
    noise: Noise | None = None
    denoise: Annotated[BlindSpot | TemporalMean | LowRank, Field(discriminator="method")] | None = None
    fit: Annotated[DiffusionFit | CahnHilliardFit, Field(discriminator="equation")] | None = None
    report: Report = Report()
    run: Run = Run()

    @model_validator(mode="after")
    def _something_to_do(self):
        if self.denoise is None and self.fit is None:
            raise ValueError("there is nothing to do: give a table [denoise], [fit] or both.")
        if self.denoise is not None and self.input.states is not None:
            raise ValueError("`states` in [input] takes the place of [denoise]; give one of the two.")
        return self


def read(path: str | os.PathLike) -> Config:
    """Read a config file; the paths in it become absolute.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no TOML, or a key is unknown, missing or has a bad value; all of them are named, with lines.
    """
    tables, lines = toml.read(path)
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
    """The config with the paths of its input made absolute, starting from ``folder``."""
    paths = {
        name: os.path.normpath(folder / Path(found).expanduser())
        for name in ("path", "mask", "states")
        if (found := getattr(config.input, name)) is not None
    }
    return config.model_copy(update={"input": config.input.model_copy(update=paths)})


def text(config: Config) -> str:
    """The config with every default filled in, as TOML that reads back to the same config."""
    tables = config.model_dump(exclude_none=True)
    tables["run"].pop("out", None)  # a second run of this file must not land in the folder of the first
    return toml.written({name: table for name, table in tables.items() if table})

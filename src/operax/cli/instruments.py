"""What a config says of an instrument: how its counts or colours become a composition. Words only."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .tables import Cut, Positive, Table


class Area(Table):
    """Rows and columns [first, end) of the file's frames, before any cut; it must lie in what [prepare] keeps."""

    rows: Cut
    columns: Cut


class Moment(Area):
    """An area in one frame of the file, before [prepare] picks frames."""

    frame: Annotated[int, Field(ge=0)] = 0


Spectra = Annotated[dict[str, str], Field(min_length=2, max_length=6)]
Pair = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Stxm(Table):
    """X-ray microscopy: counts to the fraction of one component, as `operax.modalities.stxm`.

    The movie is one energy stack; or the movie at the first of two ``energies``, and ``second`` that at the
    other. ``spectra`` names a file of two columns (energy, absorption) for each component; the composition is the
    share of ``lithiated`` in it and ``delithiated``. ``flux`` is a file (energy, counts) or an area without
    sample; without it empty pixels are looked for. ``background`` is a polynomial in energy that is fitted to a
    stack besides, ``before`` an optical density that is taken off both of two movies. Pixels that hold ``least``
    of the two components or less are outside.
    """

    files: ClassVar[tuple[str, ...]] = ("spectra", "flux", "second")
    spectra: Spectra
    lithiated: str = "LiFePO4"
    delithiated: str = "FePO4"
    flux: str | Area | None = None
    energies: Pair | None = None
    second: str | None = None
    background: Literal["none", "constant", "line"] = "constant"
    before: float = 0.0
    least: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _fits(self):
        if (self.energies is None) != (self.second is None):
            raise ValueError("`energies` and `second` belong together: the two energies, and the movie at the second.")
        for name in (self.lithiated, self.delithiated):
            if name not in self.spectra:
                raise ValueError(f"`spectra` must have a file for {name!r}, it has {', '.join(self.spectra)}.")
        if self.lithiated == self.delithiated:
            raise ValueError(f"`lithiated` and `delithiated` must differ, both are {self.lithiated!r}.")
        return self


class Neutron(Table):
    """Neutron radiography: counts to an amount of absorber, as `operax.modalities.neutron`.

    With ``open_beam`` (and ``dark``, both averaged over their frames) counts become a transmission; ``empty`` is an
    area that the sample never covers, for the dose. ``spots`` removes what stands out by so many standard
    deviations. ``reference`` is the state that amounts are counted from: a frame of the file, frames [first, end),
    or an area of one frame that holds no absorber, whose mean then serves every pixel; without an open beam it is
    needed. The optical depth is divided by ``attenuation`` (of a unit amount); or, with ``element``, ``thickness``
    (mm) and ``wavelength`` (Å), it becomes mol/m³.
    """

    files: ClassVar[tuple[str, ...]] = ("open_beam", "dark")
    open_beam: str | None = None
    dark: str | None = None
    empty: Area | None = None
    spots: Positive | None = None
    reference: Annotated[int, Field(ge=0)] | Cut | Moment | None = None
    attenuation: Positive | None = None
    element: str | None = None
    thickness: Positive | None = None
    wavelength: Positive = 1.8

    @model_validator(mode="after")
    def _fits(self):
        if self.open_beam is None and self.reference is None:
            raise ValueError("give `open_beam`, or a `reference` that amounts are counted from.")
        if self.open_beam is None and (self.dark is not None or self.empty is not None):
            raise ValueError("`dark` and `empty` go with `open_beam`.")
        if (self.element is None) != (self.thickness is None):
            raise ValueError("`element` and `thickness` belong together.")
        if self.element is not None and self.attenuation is not None:
            raise ValueError("`attenuation` and `element` both say what absorbs; give one of the two.")
        return self


class Phase(Table):
    """A phase: the colour contrast of its pixels, I / I_ground − 1 for each channel, and its composition."""

    name: str
    colour: Annotated[list[float], Field(min_length=1, max_length=8)]
    composition: float


class Optical(Table):
    """Optical microscopy: colours to a composition, as `operax.modalities.optical`.

    Frames are coded as ``"srgb"`` (consumer cameras, videos) or ``"linear"``, up to ``full``. The illumination comes
    from ``ground``, an area of bare substrate, or from ``white``, pictures of a white reference. Every pixel gets a
    probability of each of ``phases`` from its contrast, with a scatter of ``spread`` about the stated colours; with
    ``learn`` colours and scatter are learnt from the movie. The composition is the mean over phases; its variance is
    the doubt between phases, what pixel noise does to it, and ``floor``².
    """

    files: ClassVar[tuple[str, ...]] = ("white",)
    phases: Annotated[list[Phase], Field(min_length=2, max_length=12)]
    coded: Literal["srgb", "linear"] = "srgb"
    full: Positive = 255.0
    ground: Area | None = None
    white: str | None = None
    spread: Positive = 0.03
    learn: bool = False
    floor: Positive = 0.02

    @model_validator(mode="after")
    def _fits(self):
        if (self.ground is None) == (self.white is None):
            raise ValueError("give one of `ground`, an area of bare substrate, and `white`, pictures of white.")
        if len({len(phase.colour) for phase in self.phases}) > 1:
            raise ValueError("all `phases` must have colours of the same number of channels.")
        if len({phase.name for phase in self.phases}) < len(self.phases):
            raise ValueError("all `phases` must have names of their own.")
        return self


Instrument = Stxm | Neutron | Optical

"""How a config states a law: a number that is known, a number with a prior, or a named law with its prior.

Every table here is only words; `build` makes the laws. Priors are stated as in `operax.laws`: ``value``
within a ``factor`` for positive quantities, ``mean`` and ``std`` for others.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


class Table(BaseModel):
    """A table of a config: unknown keys are refused, and a number is never made of a string.

    ``files`` names the keys that hold paths.
    """

    files: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _kind(table: Any) -> str:
    """Which table is meant: a number, one with a ``law``, or a prior by its keys."""
    if isinstance(table, Table):
        return getattr(table, "law", type(table).__name__.lower())
    if isinstance(table, dict):
        if "law" in table:
            return str(table["law"])
        return "normal" if {"mean", "std"} & set(table) else "between"
    return "number"


Positive = Annotated[float, Field(gt=0)]
Factor = Annotated[float, Field(gt=1)]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]
Cut = Annotated[list[int], Field(min_length=2, max_length=2)]


class Between(Table):
    """An unknown positive number: ``value`` within ``factor`` (one standard deviation)."""

    value: Positive
    factor: Factor


class Normal(Table):
    """An unknown number of any sign: ``mean`` with the prior standard deviation ``std``."""

    mean: float
    std: Positive


class ExpSpline(Table):
    """A positive law, exp of a level plus a cubic spline."""

    law: Literal["exp-spline"]
    value: Positive
    factor: Factor
    knots: Annotated[int, Field(ge=4)] | Annotated[list[float], Field(min_length=4)]
    span: Range | None = None
    std: Positive = 1.0

    @model_validator(mode="after")
    def _spans(self):
        if isinstance(self.knots, int) == (self.span is None):
            raise ValueError(
                "`knots` is a list of compositions, or a number of them evenly over `span`; "
                f"got knots = {self.knots}, span = {self.span}."
            )
        return self


class ExpLegendre(Table):
    """A positive law, exp of a level plus Legendre polynomials over ``span``."""

    law: Literal["exp-legendre"]
    value: Positive
    factor: Factor
    degree: Annotated[int, Field(ge=1)]
    span: Range = [0.0, 1.0]
    std: Positive = 1.0


class Degenerate(Table):
    """The mobility s c (1 − c); ``scale`` is s."""

    law: Literal["degenerate"]
    scale: Annotated[
        Annotated[Positive, Tag("number")]
        | Annotated[Between, Tag("between")]
        | Annotated[ExpLegendre, Tag("exp-legendre")]
        | Annotated[ExpSpline, Tag("exp-spline")],
        Discriminator(_kind),
    ]


class RegularSolution(Table):
    """The chemical potential of a regular solution, ln(c/(1−c)) + Ω (1−2c); ``omega`` is Ω."""

    law: Literal["regular-solution"]
    omega: Annotated[
        Annotated[float, Tag("number")] | Annotated[Normal, Tag("normal")],
        Discriminator(_kind),
    ]


class RegularSolutionLegendre(Table):
    """A regular solution plus an unknown smooth part: Legendre polynomials with prior ``std``."""

    law: Literal["regular-solution+legendre"]
    omega: Annotated[
        Annotated[float, Tag("number")] | Annotated[Normal, Tag("normal")],
        Discriminator(_kind),
    ]
    degree: Annotated[int, Field(ge=1)]
    std: Positive = 1.0


Rate = Annotated[
    Annotated[Positive, Tag("number")]
    | Annotated[Between, Tag("between")]
    | Annotated[ExpSpline, Tag("exp-spline")]
    | Annotated[ExpLegendre, Tag("exp-legendre")]
    | Annotated[Degenerate, Tag("degenerate")],
    Discriminator(_kind),
]
Potential = Annotated[
    Annotated[RegularSolution, Tag("regular-solution")]
    | Annotated[RegularSolutionLegendre, Tag("regular-solution+legendre")],
    Discriminator(_kind),
]
Number = Annotated[Annotated[Positive, Tag("number")] | Annotated[Between, Tag("between")], Discriminator(_kind)]

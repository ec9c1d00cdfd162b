"""From the words of a config to equations, laws and start states."""

import jax
import numpy as np

from ..inference import Given, LevenbergMarquardt, PreRoll
from ..physics import AbstractEquation, AllenCahn, CahnHilliard, Diffusion, laws
from . import config, tables


def law(table: float | tables.Table) -> laws.AbstractLaw:
    """The law that a table of a config states."""
    match table:
        case tables.Between():
            return laws.positive(table.value, table.factor)
        case tables.Normal():
            return laws.Unknown(table.mean, table.std)
        case tables.ExpLegendre():
            shape = laws.Legendre(table.degree, table.std, (table.span[0], table.span[1]))
            return laws.Exp(_level(table) + shape)
        case tables.ExpSpline():
            knots = table.knots
            if isinstance(knots, int):
                assert table.span is not None  # checked with the table
                knots = np.linspace(table.span[0], table.span[1], knots).tolist()
            return laws.Exp(_level(table) + laws.Spline(knots, table.std))
        case tables.Degenerate():
            return laws.Degenerate(law(table.scale))
        case tables.RegularSolution():
            return laws.RegularSolution(law(table.omega))
        case tables.RegularSolutionLegendre():
            return laws.RegularSolution(law(table.omega)) + laws.Legendre(table.degree, table.std)
        case float() | int():
            return laws.as_law(table)
    raise TypeError(f"a law must be a number or a table, got {type(table).__name__}.")


def _level(table: tables.ExpLegendre | tables.ExpSpline) -> laws.AbstractLaw:
    return laws.Unknown(np.log(table.value), np.log(table.factor))


def equation(part: config.FitPart) -> AbstractEquation:
    """The equation that [fit] states.

    Raises
    ------
    ValueError
        If all of it is known.
    """
    if isinstance(part, config.DiffusionFit):
        made: AbstractEquation = Diffusion(law(part.diffusivity), law(part.source))
    elif isinstance(part, config.AllenCahnFit):
        made = AllenCahn(law(part.rate), law(part.potential), law(part.kappa), law(part.drive))
    else:
        made = CahnHilliard(law(part.mobility), law(part.potential), law(part.kappa))
    if not jax.tree.leaves(made):
        raise ValueError(
            f"[fit] has no unknown number, every law of the {part.equation} equation is known; give one a prior, "
            "e.g. {value = 1e-3, factor = 10} where a number stands."
        )
    return made


def start(part: config.FitPart) -> PreRoll | Given:
    """How the windows of [fit] start."""
    return Given() if part.start == "given" else PreRoll(part.start.lead, part.start.cutoff)


def method(part: config.FitPart) -> LevenbergMarquardt:
    """The optimiser of [fit]."""
    return LevenbergMarquardt(steps=part.steps)

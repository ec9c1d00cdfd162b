"""The laws of a posterior in numbers: which quantities are shown, over which compositions, in which words."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..inference import Posterior
from ..physics import AbstractEquation, CahnHilliard, Diffusion, gauge_directions
from ..physics.equations import AbstractPhaseField
from ..physics.kinetics import AbstractKinetics
from ..physics.laws import AbstractLaw

Quantity = Callable[[AbstractEquation, Array], Array]

# A few stray pixels do not make a composition visited.
STRAY = 0.005
# Width of the unvisited margins that are shown on either side, as a part of the visited range.
MARGIN = 0.15
POINTS = 97
# Parts of an equation that are laws of time.
OF_TIME = {"drive"}
# Compositions at which a law is tabulated.
ROWS = 5
# A bin of the visited range with less than this part of the average is called rarely visited.
RARE = 0.05


@dataclass(frozen=True)
class Curve:
    """One quantity along composition: name with unit, posterior draws, and the truth if known."""

    name: str
    c: Float[Array, " point"]
    draws: Float[Array, "draw point"]
    truth: Float[Array, " point"] | None


@dataclass(frozen=True)
class Reading:
    """A quantity at one composition: median, edges of the central 95 % band, truth if known."""

    name: str
    c: float
    median: float
    low: float
    high: float
    truth: float | None

    @property
    def inside(self) -> bool | None:
        """Whether the truth lies in the band; ``None`` where it is not known."""
        return None if self.truth is None else bool(self.low <= self.truth <= self.high)


def visited_range(values: Float[Array, " pixel"]) -> tuple[float, float]:
    """The compositions visited: from the 0.5 % to the 99.5 % quantile of the values."""
    low, high = np.quantile(np.asarray(values, float), [STRAY, 1 - STRAY])
    return float(low), float(high)


def rarely_visited(values: Float[Array, " pixel"], bins: int = 20) -> list[tuple[float, float]]:
    """Stretches inside the visited range that hold few of the values, such as the gap between two phases."""
    low, high = visited_range(values)
    if not high > low:
        return []
    counts, edges = np.histogram(np.asarray(values, float), bins, (low, high))
    rare = counts < RARE * counts.mean()
    ends = np.flatnonzero(np.diff(np.concatenate([[False], rare, [False]]).astype(int)))
    return [(float(edges[a]), float(edges[b])) for a, b in zip(ends[::2], ends[1::2])]


def composition_grid(visited: Float[Array, " pixel"], equation: AbstractEquation) -> Float[Array, " point"]:
    """Compositions to show a law at: the visited range and a margin on either side."""
    low, high = visited_range(visited)
    margin = MARGIN * (high - low) if high > low else max(0.05, 0.05 * abs(low))
    if isinstance(equation, AbstractPhaseField) and low > 0 and high < 1:
        # a chemical potential runs away at 0 and 1 and would flatten the rest of the figure
        return jnp.linspace(max(low - margin, min(0.02, low)), min(high + margin, max(0.98, high)), POINTS)
    return jnp.linspace(low - margin, high + margin, POINTS)


def reference(visited: Float[Array, " pixel"]) -> float:
    """Composition at which μₕ is set to zero: one half if it was visited, else the middle of the range."""
    low, high = visited_range(visited)
    return 0.5 if low <= 0.5 <= high else float(f"{(low + high) / 2:.2g}")


def default_quantities(equation: AbstractEquation, units: tuple[str, str, str], c_ref: float) -> dict[str, Quantity]:
    """The quantities of an equation that a report shows, by name with unit.

    Of an equation that is not known here, those of its parts that are laws of composition with unknown numbers.

    Raises
    ------
    ValueError
        If it has no such part.
    """
    length, time, _ = units
    squared = _ratio(length, 2, time)
    if isinstance(equation, CahnHilliard):
        at = "½" if c_ref == 0.5 else f"{c_ref:g}"
        return {
            f"M(c){_bracket(f'{squared} per unit of μ'.strip())}": lambda e, c: e.mobility(c),
            f"μₕ(c) − μₕ({at}){_bracket('unit of μ')}": lambda e, c: (
                e.potential(c) - e.potential(jnp.asarray(c_ref, c.dtype))
            ),
            f"D(c) = M μₕ′{_bracket(squared)}": _diffusivity,
            f"M(c) κ{_bracket(_ratio(length, 4, time))}": lambda e, c: e.mobility(c) * e.kappa(c),
        }
    if not isinstance(equation, Diffusion):
        return _own_laws(equation)
    shown: dict[str, Quantity] = {f"D(c){_bracket(squared)}": _diffusivity}
    if jax.tree.leaves(equation.source):
        shown[f"source s(c){_bracket('' if time == '1' else f'1/{time}')}"] = _source
    return shown


def _own_laws(equation: AbstractEquation) -> dict[str, Quantity]:
    found: dict[str, Quantity] = {}
    for field in dataclasses.fields(equation):
        part = getattr(equation, field.name)
        if not jax.tree.leaves(part) or field.name in OF_TIME:
            continue
        if isinstance(part, AbstractKinetics):
            found["R(c) at η = −1"] = lambda e, c, name=field.name: getattr(e, name)(c, jnp.full_like(c, -1.0))
        elif isinstance(part, AbstractLaw):
            found[f"{field.name}(c)"] = lambda e, c, name=field.name: jnp.broadcast_to(getattr(e, name)(c), c.shape)
    if not found:
        raise ValueError(
            f"which laws of a `{type(equation).__name__}` to show is not known; give `quantities`, functions of "
            "(equation, compositions) by name."
        )
    return found


def _diffusivity(equation, c):
    return equation.diffusivity(c)


def _source(equation, c):
    return equation.source(c)


def _ratio(length: str, power: int, time: str) -> str:
    above = "" if length == "1" else length + {2: "²", 4: "⁴"}[power]
    if time == "1":
        return above
    return f"{above or '1'}/{time}"


def _bracket(unit: str) -> str:
    return f" ({unit})" if unit else ""


def curves(
    posterior: Posterior,
    quantities: Mapping[str, Quantity],
    c: Float[Array, " point"],
    truth: AbstractEquation | None,
) -> list[Curve]:
    """Draws (and truth) of every quantity on a grid of compositions.

    Raises
    ------
    ValueError
        If there is no quantity, or one does not return one value for each composition.
    """
    if not quantities:
        raise ValueError("`quantities` is empty; name at least one law, or give None for those of the equation.")
    found = []
    for name, quantity in quantities.items():
        draws = posterior(lambda e, quantity=quantity: quantity(e, c))
        if draws.shape[1:] != c.shape:
            raise ValueError(
                f"the quantity `{name}` must return one value for each of {c.size} compositions, got shape "
                f"{draws.shape[1:]}; write e.g. `lambda equation, c: equation.diffusivity(c)`."
            )
        exact = None if truth is None else jnp.broadcast_to(quantity(truth, c), c.shape)
        found.append(Curve(name, c, draws, exact))
    return found


def readings(
    posterior: Posterior,
    quantities: Mapping[str, Quantity],
    visited: Float[Array, " pixel"],
    truth: AbstractEquation | None,
) -> list[Reading]:
    """Every quantity at a few compositions across the visited range, for a table."""
    low, high = visited_range(visited)
    at = jnp.linspace(low, high, ROWS)
    found = []
    for name, quantity in quantities.items():
        lower, median, upper = posterior.band(lambda e, quantity=quantity: quantity(e, at), 0.95)
        exact = None if truth is None else jnp.broadcast_to(quantity(truth, at), at.shape)
        for i, c in enumerate(at):
            true = None if exact is None else float(exact[i])
            found.append(Reading(name, float(c), float(median[i]), float(lower[i]), float(upper[i]), true))
    return found


def limits(equation: AbstractEquation, visited: Float[Array, " pixel"], c: Float[Array, " point"]) -> list[str]:
    """What the data cannot tell about the laws, in sentences."""
    low, high = visited_range(visited)
    said = [
        f"The movie visited compositions from {low:.3g} to {high:.3g} (99 % of the pixels). The laws are shown from "
        f"{float(c[0]):.3g} to {float(c[-1]):.3g}."
    ]
    gaps = rarely_visited(visited)
    if gaps:
        where = ", ".join(f"{a:.3g} to {b:.3g}" for a, b in gaps)
        said.append(f"Rarely visited, so held mostly by the prior and by what happens on either side: {where}.")
    if isinstance(equation, CahnHilliard):
        said.append(_gauge(equation))
    elif isinstance(equation, Diffusion):
        said.append(
            "Diffusion shows only D = M μₕ′. Mobility and chemical potential cannot be told apart without "
            "an "
            "interface energy, a current or a voltage."
        )
    return said


def _gauge(equation: CahnHilliard) -> str:
    parts = {"M(c)": equation.mobility, "μₕ(c)": equation.potential, "κ": equation.kappa}
    known = [name for name, law in parts.items() if not jax.tree.leaves(law)]
    said = (
        "A movie is the same under (M, μₕ, κ) → (aM, μₕ/a, κ/a), and μₕ has a free constant, so absolute values rest "
        "on what was given. "
    )
    if _scale_is_free(equation):
        said += "Here nothing that was given as known fixes the scale: the priors alone hold it. "
    elif known:
        fixed = " and ".join(known)
        said += f"Here the scale is fixed by {fixed}, taken as known: an error of it is in no band. "
    else:
        said += "Here the scale is fixed by known parts of these laws, such as an ideal-mixing term in kT. "
    return said + "The products D = M μₕ′ and M κ do not depend on that choice."


def _scale_is_free(equation: CahnHilliard) -> bool:
    """Whether mobility can change without a movie showing it; redundant laws leave it alone."""
    theta, rebuild = ravel_pytree(equation)
    hidden = np.asarray(gauge_directions(equation), float)
    c = jnp.linspace(0.1, 0.9, 9)
    moves = jax.jit(jax.jacfwd(lambda theta: jnp.log(jnp.abs(rebuild(theta).mobility(c)))))(theta)
    return bool((np.abs(np.asarray(moves, float) @ hidden.T) > 1e-3).any())

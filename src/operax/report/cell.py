"""Fitted laws for models of whole cells: tables in SI units, as CSV and as functions that PyBaMM takes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy import constants

from ..inference import Posterior
from ..io import replacing
from ..physics import phases
from ..physics.scales import Scales

# Compositions at which laws are tabulated unless others are asked for: a potential runs away at 0 and 1.
COMPOSITIONS = np.linspace(0.005, 0.995, 199)
LIMITS = {"95 % low": 0.025, "68 % low": 0.16, "68 % high": 0.84, "95 % high": 0.975}


@runtime_checkable
class Diffusive(Protocol):
    """An equation with a chemical diffusivity D(c)."""

    def diffusivity(self, c: Array) -> Array: ...


@runtime_checkable
class Hosting(Protocol):
    """An equation with a homogeneous chemical potential μ_h(c)."""

    potential: Callable[[Array], Array]


class Tabulated(eqx.Module):
    """A law at some compositions with its posterior draws. As a function it is what PyBaMM takes for a parameter.

    Attributes
    ----------
    name
        The law and its unit.
    c
        Compositions, increasing: stoichiometries in the words of PyBaMM.
    values
        The law of the most probable equation.
    draws
        The law of every draw.
    """

    name: str = eqx.field(static=True)
    c: Float[np.ndarray, " point"]
    values: Float[np.ndarray, " point"]
    draws: Float[np.ndarray, "draw point"]

    def __call__(self, sto: Any, temperature: Any = None) -> Any:
        """The law as a PyBaMM expression of a stoichiometry, straight between the compositions.

        Raises
        ------
        ImportError
            If PyBaMM is not installed (``operax[pybamm]``).
        """
        del temperature  # fitted at one temperature; PyBaMM hands it in
        try:
            import pybamm
        except ImportError as error:
            raise ImportError("PyBaMM is needed for this; install it with `pip install 'operax[pybamm]'`.") from error
        # straight between the compositions: a cubic would swing beside the ends of a plateau
        return pybamm.Interpolant(self.c, self.values, sto, name=self.name.split()[0], interpolator="linear")

    def draw(self, number: int) -> "Tabulated":
        """The same law with one draw in the place of the most probable: a cell model for each gives its error bars."""
        return Tabulated(self.name, self.c, self.draws[number], self.draws)

    def save(self, path: str | os.PathLike) -> Path:
        """Write composition, most probable value, median and limits of the 68 and 95 % bands as CSV.

        Raises
        ------
        ValueError
            If the suffix is not ``.csv``.
        FileNotFoundError
            If the folder does not exist.
        """
        if Path(path).suffix.lower() != ".csv":
            raise ValueError(f"a table is written to .csv, got `path` {os.fspath(path)!r}.")
        limits = np.quantile(self.draws, [0.5, *LIMITS.values()], axis=0)
        columns = np.stack([self.c, self.values, *limits], 1)
        head = ",".join(["composition", self.name, "median", *LIMITS])
        with replacing(path) as part:
            np.savetxt(part, columns, delimiter=",", header=head, comments="", fmt="%.9g", encoding="utf-8")
        return Path(path)


def diffusivity(posterior: Posterior, scales: Scales, c: Float[ArrayLike, " point"] = COMPOSITIONS) -> Tabulated:
    """Tabulate the chemical diffusivity D(c) of a fitted equation.

    Parameters
    ----------
    posterior
        Of an equation with a ``diffusivity``, such as `Diffusion` and `CahnHilliard`.
    scales
        Sizes of the units of length and time of the movie, in SI, e.g. ``Scales(length=1e-6, time=1.0, sites=...)``.
    c
        Compositions, increasing.

    Returns
    -------
    Tabulated
        D(c) [m²/s], for ``"Positive particle diffusivity [m2.s-1]"``.

    Raises
    ------
    ValueError
        If D is not positive at every composition, as between the spinodals of a host that separates: no Fickian model
        can take it.
    TypeError
        If the equation has no diffusivity.

    Notes
    -----
    Where the movie never was, the table holds the prior.
    """
    if not isinstance(posterior.best, Diffusive):
        kind = type(posterior.best).__name__
        raise TypeError(f"`posterior` must be of an equation with a diffusivity, got a {kind}.")
    found = _tabulated("D [m2.s-1]", posterior, lambda e, c: e.diffusivity(c) * scales.diffusivity, c)
    bad = found.c[~(found.values > 0)]
    if bad.size:
        raise ValueError(
            f"the fitted diffusivity is not positive from c = {bad[0]:.3g} to {bad[-1]:.3g}: the host separates there, "
            "and a Fickian model cannot follow; give compositions `c` outside of it, or use a phase-field cell model."
        )
    return found


def open_circuit(
    posterior: Posterior,
    reference: float,
    *,
    temperature: float = 298.15,
    c: Float[ArrayLike, " point"] = COMPOSITIONS,
) -> Tabulated:
    """Tabulate the open-circuit voltage U(c) = reference − (kT/e) μ_h(c) of a fitted equation.

    Where the host separates, U is level between the two phases, as a cell at rest shows it.

    Parameters
    ----------
    posterior
        Of an equation with a ``potential`` μ_h(c) in kT, such as `CahnHilliard` and `Intercalation`.
    reference
        Voltage at μ_h = 0 [V]: a movie does not show it; of LiFePO₄ about 3.42 against lithium.
    temperature
        Of the movie [K].
    c
        Compositions, increasing.

    Returns
    -------
    Tabulated
        U(c) [V], for ``"Positive electrode OCP [V]"``.

    Raises
    ------
    TypeError
        If the equation has no potential.

    Notes
    -----
    μ_h has to be in kT for this to be a voltage: of a movie alone its scale is known only if a law fixes it (an
    ideal-mixing term, κ, or a current).
    """
    if not isinstance(posterior.best, Hosting):
        raise TypeError(
            f"`posterior` must be of an equation with a potential, got a {type(posterior.best).__name__}, which shows "
            "no voltage."
        )
    volt = constants.k * temperature / constants.e

    def voltage(equation: Any, c):
        low, high = phases.binodal(equation.potential)  # NaN where nothing separates, and then no c is between
        between = (c > low) & (c < high)
        level = equation.potential(jnp.where(jnp.isnan(low), 0.5, low))
        return reference - volt * jnp.where(between, level, equation.potential(c))

    return _tabulated("U [V]", posterior, voltage, c)


def _tabulated(
    name: str, posterior: Posterior, law: Callable[[Any, Array], Array], c: Float[ArrayLike, " point"]
) -> Tabulated:
    at = np.asarray(c, float)
    if at.ndim != 1 or at.size < 4 or not (np.diff(at) > 0).all():
        raise ValueError(f"`c` must hold at least four increasing compositions, got shape {at.shape}.")
    grid = jnp.asarray(at)
    return Tabulated(
        name,
        at,
        np.asarray(jax.jit(law)(posterior.best, grid), float),
        np.asarray(posterior(lambda e: law(e, grid)), float),
    )

"""What every equation answers; how time is stepped is the business of `steppers`."""

import abc

import equinox as eqx
from jaxtyping import Array, Float

from ...domain import Domain
from ..operators import open_ends


class AbstractEquation(eqx.Module):
    """∂c/∂t = rate(t, c), for one composition field or several.

    The leaves of an equation are exactly its unknown numbers. One field has the domain's shape; several are
    stacked along a last axis of length ``fields``, as the colours of a movie are.
    """

    @property
    @abc.abstractmethod
    def fields(self) -> int:
        """Number of fields of a state."""

    @abc.abstractmethod
    def rate(self, t: float | Float[Array, ""], c: Float[Array, "*space"], domain: Domain) -> Float[Array, "*space"]:
        """∂c/∂t at time ``t`` at every pixel; zero outside the particles."""

    @abc.abstractmethod
    def stiffness(
        self, t: Float[Array, " times"], c: Float[Array, " n"]
    ) -> tuple[Float[Array, " n *fields"], Float[Array, " n *fields"]]:
        """Coefficients (a₂, a₄) of ∇² and −∇⁴ in the linearised rate, for each composition that a run may visit.

        ``c`` are compositions between the lowest and the highest visited, ``t`` times between the first and the
        last: where a coefficient depends on time, on the other fields or on gradients, the largest counts. A last
        axis of length ``fields`` may tell the fields apart.
        """

    @property
    @abc.abstractmethod
    def local(self) -> bool:
        """Whether the rate at a pixel depends on that pixel and those beside it alone."""


class AbstractPhaseField(AbstractEquation):
    """An equation whose state has a free energy."""

    @abc.abstractmethod
    def energy(self, c: Float[Array, "*space"], domain: Domain) -> Float[Array, ""]:
        """Free energy of a state, in units of μ times volume."""


def check_closed(domain: Domain) -> None:
    """Refuse a domain at whose ends something is fixed, where an equation has no place to say what."""
    if open_ends(domain):
        raise ValueError(
            'this equation needs a domain whose ends are "no-flux" or "periodic", got boundary '
            f"{domain.boundary}; take `Diffusion` or `CahnHilliard` where an end is fixed."
        )

"""Chemical potentials and mobilities of mixtures."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .extension import EDGE, extended, levelled
from .law import AbstractLaw, as_law, check_uniform


class IdealMixing(AbstractLaw):
    """Chemical potential of ideal mixing, ln(c / (1 - c)) in units of kT, tangent beyond ``EDGE`` of 0 and 1."""

    def __call__(self, c):
        return extended(lambda s: jnp.log(s / (1 - s)), c, EDGE, 1 - EDGE)

    @property
    def uniform(self):
        return False


class RegularSolution(AbstractLaw):
    """Chemical potential of a regular solution, ln(c / (1 - c)) + Ω (1 - 2c), in units of kT.

    Parameters
    ----------
    omega
        Interaction Ω: a number (known), or a law that is one number, such as ``Unknown(3.0, 0.5)``.
        Above 2 the solution separates into phases.
    """

    omega: AbstractLaw = eqx.field(converter=as_law)

    def __check_init__(self):
        check_uniform(self.omega, "omega")

    def __call__(self, c):
        return IdealMixing()(c) + self.omega(c) * (1 - 2 * c)

    @property
    def uniform(self):
        return False


def _terms(terms):
    if isinstance(terms, AbstractLaw) or not np.iterable(terms):
        raise TypeError(f"`terms` must be a sequence of numbers and laws that are one number, got {terms!r}.")
    return tuple(as_law(term) for term in terms)


class RedlichKister(AbstractLaw):
    """Chemical potential of ideal mixing and a Redlich–Kister excess energy, in units of kT.

        g(c) = c ln c + (1 - c) ln(1 - c) + c (1 - c) Σₖ Lₖ (2c - 1)ᵏ,    μ = dg/dc

    One term is the regular solution, L₀ = Ω. Odd terms make the miscibility gap lopsided. The excess part goes on
    along its tangent beyond 0 and 1.

    Parameters
    ----------
    terms
        L₀, L₁, …: each a number (known) or a law that is one number, such as ``Unknown(3.0, 0.5)``.

    References
    ----------
    O. Redlich and A. T. Kister (1948), doi:10.1021/ie50458a036.
    """

    terms: tuple[AbstractLaw, ...] = eqx.field(converter=_terms)

    def __check_init__(self):
        if not self.terms:
            raise ValueError("`terms` must hold at least one number or law, got none.")
        for k, term in enumerate(self.terms):
            check_uniform(term, f"terms[{k}]")

    def __call__(self, c):
        numbers = tuple(term(jnp.zeros((), jnp.result_type(c))) for term in self.terms)

        def excess(c, *numbers):
            d = 2 * c - 1
            product = 2 * c * (1 - c)
            total, power = -numbers[0] * d, jnp.ones_like(d)  # power = (2c - 1)ᵏ⁻¹
            for k, number in enumerate(numbers[1:], start=1):
                total = total + number * power * (k * product - d * d)
                power = power * d
            return total

        return IdealMixing()(c) + extended(excess, c, 0.0, 1.0, numbers=numbers)

    @property
    def uniform(self):
        return False


class Degenerate(AbstractLaw):
    """Degenerate mobility s c (1 - c), levelling off beyond ``EDGE`` of 0 and 1 at half its value there.

    Parameters
    ----------
    scale
        s: a number (known), or a law such as ``positive(1.0, factor=3)`` or ``Exp(Legendre(2))``.
    """

    scale: AbstractLaw = eqx.field(converter=as_law)

    def __call__(self, c):
        s = levelled(c, EDGE, 1 - EDGE, EDGE / 2)
        return self.scale(c) * s * (1 - s)

    @property
    def uniform(self):
        return False

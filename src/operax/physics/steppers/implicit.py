"""Steppers that take the linear part implicitly: one rate and one linear solve a step, on any geometry."""

from typing import Any, ClassVar

from .semilinear import AbstractStepper


def _euler(term, t, h, c):
    """F at c, and the increment d of c with (1 − hL) d = h F: first order."""
    f = term.vf(t, c, None)
    return f, term.solve(1.0, h, h * f)


class SemiImplicitEuler(AbstractStepper):
    """The linear part by backward Euler, the rest by forward Euler: order one.

    It is what most published phase-field codes use; here for comparison with them.

    References
    ----------
    J. Zhu, L.-Q. Chen, J. Shen and V. Tikare, Phys. Rev. E 60, 3564 (1999), doi:10.1103/PhysRevE.60.3564, eq. 10.
    """

    share: ClassVar[float] = 0.5

    def order(self, terms):
        del terms
        return 1

    def prepare(self, term, h, c):
        del term, h, c

    def begin(self, term, weights, t, h, c):
        del term, weights, t, h, c

    def take(self, term, weights, t, h, c, memory):
        del weights, memory
        return c + _euler(term, t, h, c)[1], None, None


class SBDF2(AbstractStepper):
    """Semi-implicit backward differences of order two, for steps of any and varying length.

    The linear part is taken implicitly and the rest extrapolated, for one rate and one solve a step: the choice
    where a solve is iterative, as on large particle masks.

    References
    ----------
    U. M. Ascher, S. J. Ruuth and B. T. R. Wetton, SIAM J. Numer. Anal. 32, 797 (1995), doi:10.1137/0732037;
    D. Wang and S. J. Ruuth, J. Comput. Math. 26, 838 (2008), for steps that vary.
    """

    share: ClassVar[float] = 0.75

    def order(self, terms):
        del terms
        return 2

    def prepare(self, term, h, c):
        del term, h, c

    def begin(self, term, weights, t, h, c) -> Any:
        # A past that makes the first step end where one semi-implicit Euler step extrapolated by two half steps
        # does, so that order two holds from the first step on. Of every increment hL d is known from its solve.
        del weights
        f, d = _euler(term, t, h, c)
        _, early = _euler(term, t, h / 2, c)
        f_half, late = _euler(term, t + h / 2, h / 2, c + early)
        first = 2 * (early + late) - d
        linear = 4 * (early + late) - d - h * (f + 2 * f_half)
        return d, 2 * f - (1.5 * first - linear - 0.5 * d) / h, h

    def take(self, term, weights, t, h, c, memory):
        # with ω = h/h₋ and d the increment of c, d₋ the one before:
        # (1 + 2ω)/(1 + ω) d − hL d = ω²/(1 + ω) d₋ + h (F + ω (F − F₋ − L d₋))
        del weights
        before, past, length = memory
        ratio = h / length
        f = term.vf(t, c, None)
        right = ratio**2 / (1 + ratio) * before + h * (f + ratio * (f - past))
        leading = (1 + 2 * ratio) / (1 + ratio)
        d = term.solve(leading, h, right)
        return c + d, None, (d, f + (leading * d - right) / h, h)

"""Kinetics of insertion: the rate at which ions enter a host, of composition and overpotential.

Energies are in units of kT (overpotentials in kT/e). The overpotential η is that of the inserted ion: at η < 0 ions
go in and the rate is positive, at η = 0 insertion and extraction balance at every composition. All rates fall
with η everywhere, so a current is reached at one voltage only.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from .laws import EDGE, AbstractLaw, Constant, as_law, check_uniform
from .laws.extension import levelled

# Exponents beyond this (e⁴⁰ = 2e17, finite squared in float32) see the exponential continued by its tangent: a
# trial run that strays stays finite, and no rate that could be measured is touched.
LARGEST_EXPONENT = 40.0


class AbstractKinetics(eqx.Module):
    """A rate of insertion, of composition and overpotential."""

    @abc.abstractmethod
    def __call__(self, c: Float[Array, "*shape"], eta: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Rate of insertion R(c, η), composition per time; zero at η = 0 and falling with η."""


class ButlerVolmer(AbstractKinetics):
    """Butler–Volmer kinetics, transfer of an ion over a barrier.

        R = j₀(c) [ exp(−α η) − exp((1 − α) η) ]

    Parameters
    ----------
    j0
        Exchange rate j₀(c), composition per time: a law, a number or a function, positive.
    alpha
        Transfer coefficient α between 0 and 1: a number, or a law that is one number, whose prior should stay
        between them (``Unknown(0.5, 0.05)``).

    Raises
    ------
    ValueError
        If a known α is not between 0 and 1, or α varies with composition.

    References
    ----------
    M. Z. Bazant, Acc. Chem. Res. 46, 1144 (2013), doi:10.1021/ar300145c, for j₀(c) in a phase-separating host.
    """

    j0: AbstractLaw = eqx.field(converter=as_law)
    alpha: AbstractLaw = eqx.field(default=0.5, converter=as_law)

    def __check_init__(self):
        check_uniform(self.alpha, "alpha")
        if isinstance(self.alpha, Constant) and not 0 < self.alpha.value < 1:
            raise ValueError(f"`alpha`, the transfer coefficient, must lie between 0 and 1, got {self.alpha.value}.")

    def __call__(self, c, eta):
        alpha = self.alpha(c)
        return self.j0(c) * (_exp(-alpha * eta) - _exp((1 - alpha) * eta))


class Marcus(AbstractKinetics):
    """Marcus kinetics of electron transfer, averaged over the electrons of a metal (Marcus–Hush–Chidsey).

        R = −2 j₀(c) tanh(η/2) E(η) / E(0),    E(η) = erfc( (λ − √(1 + √λ + η²)) / 2√λ )

    The rate levels off at |η| ≫ λ; there is no inverted region, since electrons below the Fermi level take over.

    Parameters
    ----------
    j0
        Exchange rate j₀(c), composition per time: a law, a number or a function, positive. As for `ButlerVolmer`,
        the rate near equilibrium is −j₀ η.
    reorganisation
        Reorganisation energy λ in kT, positive: a number, or a law that is one number.

    Raises
    ------
    ValueError
        If a known λ is not positive, or λ varies with composition.

    Notes
    -----
    The closed form follows the Marcus–Hush–Chidsey integral within 11 % for λ from 1 to 20 kT; scaled to its slope at
    η = 0, as here, within 21 % (9 % at 8.3 kT). Above, take `ButlerVolmer` with α = ½: the integral becomes that as
    λ grows, the closed form does not.

    References
    ----------
    Y. Zeng, R. B. Smith, P. Bai and M. Z. Bazant, J. Electroanal. Chem. 735, 77 (2014),
    doi:10.1016/j.jelechem.2014.09.038.
    """

    j0: AbstractLaw = eqx.field(converter=as_law)
    reorganisation: AbstractLaw = eqx.field(converter=as_law)

    def __check_init__(self):
        _check_reorganisation(self.reorganisation)

    def __call__(self, c, eta):
        size = self.reorganisation(c)
        return -2 * self.j0(c) * jnp.tanh(eta / 2) * _overlap(size, eta) / _overlap(size, jnp.zeros_like(eta))


class CoupledIonElectron(AbstractKinetics):
    """Coupled ion–electron transfer: an ion enters a vacant site as an electron reduces the host beside it.

        R = ½ k₀ (1 − c) E(η_f) a c (1 − exp η) / (c + a exp η),
        η_f = η + ln(a/c),    E(η) = erfc( (λ − √(1 + √λ + η²)) / 2√λ )

    This is k₀ (1 − c) [ k_red(η_f) a − k_ox(η_f) c ] with the Marcus–Hush–Chidsey constants of `Marcus`. Insertion
    cannot exceed k₀ a (1 − c), extraction k₀ c (1 − c): a current beyond that has no voltage.

    Parameters
    ----------
    k0
        Rate constant k₀ per time: a number or a law, positive. The dependence on composition is the theory's; a
        law that varies with c multiplies it.
    reorganisation
        Reorganisation energy λ in kT, positive: a number, or a law that is one number.
    activity
        Activity a of the ion in the electrolyte, positive: a number, or a law that is one number.

    Raises
    ------
    ValueError
        If a known λ or a is not positive, or one varies with composition.

    References
    ----------
    D. Fraggedakis et al., Electrochim. Acta 367, 137432 (2021), doi:10.1016/j.electacta.2020.137432.
    """

    k0: AbstractLaw = eqx.field(converter=as_law)
    reorganisation: AbstractLaw = eqx.field(converter=as_law)
    activity: AbstractLaw = eqx.field(default=1.0, converter=as_law)

    def __check_init__(self):
        _check_reorganisation(self.reorganisation)
        check_uniform(self.activity, "activity")
        if isinstance(self.activity, Constant) and not self.activity.value > 0:
            raise ValueError(f"`activity` must be positive, got {self.activity.value}.")

    def __call__(self, c, eta):
        s, a = levelled(c, EDGE, 1 - EDGE, EDGE / 2), self.activity(c)
        # only exponentials of −|η| are taken, so none overflows
        falling = jnp.where(eta <= 0, eta, -eta)
        drive = jnp.expm1(falling) / jnp.where(eta <= 0, s + a * jnp.exp(falling), s * jnp.exp(falling) + a)
        sites = 0.5 * self.k0(c) * (1 - s) * s * a
        return sites * _overlap(self.reorganisation(c), eta + jnp.log(a / s)) * jnp.where(eta <= 0, -drive, drive)


class SiteLimited(AbstractLaw):
    """Exchange rate s √c (1 − c) of an ion that needs a vacant site, levelling off beyond ``EDGE`` of 0 and 1.

    Parameters
    ----------
    scale
        s: a number (known), or a law such as ``positive(1.0, factor=3)``.

    References
    ----------
    P. Bai, D. A. Cogswell and M. Z. Bazant, Nano Lett. 11, 4890 (2011), doi:10.1021/nl202764f.
    """

    scale: AbstractLaw = eqx.field(converter=as_law)

    def __call__(self, c):
        s = levelled(c, EDGE, 1 - EDGE, EDGE / 2)
        return self.scale(c) * jnp.sqrt(s) * (1 - s)

    @property
    def uniform(self):
        return False


def _exp(x):
    inner = jnp.minimum(x, LARGEST_EXPONENT)
    return jnp.exp(inner) * (1 + (x - inner))


def _overlap(size, eta):
    """E(η): twice the share of electrons whose energy the solvent's fluctuations match, for λ = ``size``."""
    return erfc((size - jnp.sqrt(1 + jnp.sqrt(size) + eta**2)) / (2 * jnp.sqrt(size)))


def _check_reorganisation(law):
    check_uniform(law, "reorganisation")
    if isinstance(law, Constant) and not law.value > 0:
        raise ValueError(f"`reorganisation`, the energy λ in kT, must be positive, got {law.value}.")

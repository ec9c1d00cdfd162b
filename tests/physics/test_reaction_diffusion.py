"""Reactions written by a user, as a function, as a noun with unknown numbers, and as an equation of their own."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import problems
from operax.domain import Domain
from operax.physics import AbstractEquation, ReactionDiffusion, laws, simulate
from operax.physics.laws import AbstractLaw
from operax.physics.operators import laplacian

SPACING, PIXELS = 0.53, 20
WAVE = np.cos(2 * np.pi * np.arange(PIXELS) / PIXELS)
EIGENVALUE = problems.stencil_eigenvalue(2 * np.pi / (PIXELS * SPACING), SPACING)


def schnakenberg(t, c):
    u, v = c[..., 0], c[..., 1]
    return jnp.stack([0.1 - u + u * u * v, 0.9 - u * u * v], -1)


def test_a_turing_pattern_grows_at_its_linear_rate():
    """Steady state u = 1, v = 0.9: the growth rates are the eigenvalues of J − λ diag(1, 20).

    References
    ----------
    J. Schnakenberg, J. Theor. Biol. 81, 389 (1979), doi:10.1016/0022-5193(79)90042-0.
    """
    jacobian = np.array([[0.8, 1.0], [-1.8, -1.0]]) - EIGENVALUE * np.diag([1.0, 20.0])
    rates, directions = np.linalg.eig(jacobian)
    fastest = np.argmax(rates.real)
    growth, direction = rates[fastest].real, directions[:, fastest].real
    assert growth > 0.1
    equation = ReactionDiffusion((1.0, 20.0), schnakenberg)
    c0 = np.array([1.0, 0.9]) + 1e-7 * WAVE[:, None] * direction
    run = simulate(equation, c0, [0.0, 2.0, 4.0], Domain(PIXELS, SPACING, "periodic"))
    grown = np.asarray(run.frames[2] - jnp.asarray([1.0, 0.9])) @ direction / (direction @ direction)
    np.testing.assert_allclose(grown @ WAVE / (WAVE @ WAVE) * 1e7, np.exp(4 * growth), rtol=1e-3)


class Logistic(eqx.Module):
    speed: AbstractLaw

    def __call__(self, t, c):
        return self.speed(c) * c * (1 - c)


def test_a_reaction_may_hold_unknown_numbers():
    equation = ReactionDiffusion([0.3], Logistic(laws.positive(2.0, factor=2)))
    assert len(jax.tree.leaves(equation)) == 1
    assert equation.fields == 1
    domain = Domain(6, 0.1, inside=np.arange(6) > 1)
    run = simulate(equation, np.where(domain.inside, 0.2, 0.0), [0.0, 0.7], domain, dt=0.05)
    exact = 1 / (1 + 4 * np.exp(-1.4))
    np.testing.assert_allclose(run.frames[1], np.where(domain.inside, exact, 0), atol=1e-7)


class SwiftHohenberg(AbstractEquation):
    """∂c/∂t = r c − (1 + ∇²)² c − c³."""

    fields: ClassVar[int] = 1
    local: ClassVar[bool] = False
    r: AbstractLaw = eqx.field(converter=laws.as_law)

    def rate(self, t, c, domain):
        once = c + laplacian(c, domain)
        return self.r(c) * c - once - laplacian(once, domain) - c**3

    def stiffness(self, t, c):
        return jnp.full_like(c, -2), jnp.ones_like(c)


def test_an_equation_of_ones_own_runs_as_the_others_do():
    domain = Domain(16, 2 * np.pi / 16, "periodic")
    wave = 1e-6 * np.cos(domain.centres()[0])
    run = simulate(SwiftHohenberg(0.3), wave, np.linspace(0, 8, 3), domain)
    growth = 0.3 - (1 - problems.stencil_eigenvalue(1.0, domain.spacing[0])) ** 2
    np.testing.assert_allclose(run.frames[2], np.exp(8 * growth) * wave, atol=1e-3 * run.frames[2].max())


def test_errors_say_what_is_wrong():
    with pytest.raises(TypeError, match="`reaction` must be a function of time and state, got int"):
        ReactionDiffusion((1.0,), 3)
    with pytest.raises(ValueError, match="`diffusivities` must hold one law or number for each species, got none"):
        ReactionDiffusion((), schnakenberg)
    with pytest.raises(ValueError, match=r'needs a domain whose ends are "no-flux" or "periodic".*`Diffusion`'):
        ReactionDiffusion((1.0,), lambda t, c: c).rate(0.0, jnp.ones(5), Domain(5, 0.1, "fixed-value"))

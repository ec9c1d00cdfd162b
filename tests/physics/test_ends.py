"""Ends with fixed values and fluxes: second order, mass to rounding, and errors that say what is missing.

The solutions are manufactured: a forcing is added that makes a chosen field exact.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from operax.domain import Domain
from operax.physics import AllenCahn, CahnHilliard, Diffusion, Ends, drift, laws, simulate
from operax.physics.equations import AbstractEquation
from operax.physics.plan import StepPlan, trajectory
from operax.physics.transforms import transform


class Forced(AbstractEquation):
    """An equation with a known rate added, a function of time and place."""

    equation: AbstractEquation
    forcing: object = eqx.field(static=True)

    @property
    def fields(self):
        return 1

    @property
    def local(self):
        return self.equation.local

    def rate(self, t, c, domain):
        return self.equation.rate(t, c, domain) + self.forcing(t)

    def stiffness(self, t, c):
        return self.equation.stiffness(t, c)


def mobility(c):
    return 0.5 + 0.4 * c


def carried(c):
    return 1.5 * c**2


def well(c):
    return c**3 - 0.5 * c


def slope(f, x):
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def grid(domain):
    return [jnp.asarray(x) for x in np.meshgrid(*domain.centres(), indexing="ij")]


def diffusive_flux(u, K):
    """J(t, x) = −D u_x + K of a field u(t, x) along x."""
    return lambda t, x, *y: -mobility(u(t, x, *y)) * slope(lambda s: u(t, s, *y), x) + K(u(t, x, *y))


def phase_flux(u, K):
    """J(t, x) = −M ∂/∂x (μ_h(u) − κ u_xx) + K, κ = 0.01."""

    def potential(t, x):
        return well(u(t, x)) - 0.01 * slope(lambda s: slope(lambda r: u(t, r), s), x)

    return lambda t, x: -mobility(u(t, x)) * slope(lambda s: potential(t, s), x) + K(u(t, x))


def nothing(c):
    return 0.0 * c


def waves(t, x):
    return 0.5 + 0.2 * jnp.sin(2 * x + 1.5 * t) + 0.1 * t * x


def level_at_low(t, x):
    return 0.5 + 0.2 * jnp.cos(1.5 * x) * (1 + t)  # no slope at x = 0


def reservoir(t, x):
    return 0.3 + 0.2 * x + 0.3 * t + 0.1 * jnp.sin(np.pi * x)  # no curvature at either end


def wall(t, x):
    return 0.5 + (1 + t) * (0.1 * jnp.cos(np.pi * x) + x**2 * (1 - x) ** 2)  # no slope at either end


def bump(t, x, y):
    return 0.5 + 0.2 * jnp.sin(x + 1.5 * t) + 0.4 * x * (1 - x) * jnp.cos(np.pi * y)


CASES = {
    "values": (waves, diffusive_flux, ("fixed-value", "fixed-value"), nothing),
    "flux and value, with drift": (waves, diffusive_flux, ("fixed-flux", "fixed-value"), carried),
    "closed and value": (level_at_low, diffusive_flux, ("no-flux", "fixed-value"), nothing),
    "closed and flux": (level_at_low, diffusive_flux, ("no-flux", "fixed-flux"), nothing),
    "square": (bump, diffusive_flux, ("fixed-value", "fixed-value"), nothing),
    "reservoirs": (reservoir, phase_flux, ("fixed-value", "fixed-value"), nothing),
    "fluxes into phases": (wall, phase_flux, ("fixed-flux", "fixed-flux"), nothing),
}


def error(name, n):
    u, flux, ends, K = CASES[name]
    J, time = flux(u, K), 0.2
    square = name == "square"
    domain = Domain((n, n) if square else n, 1 / n, (ends, "no-flux") if square else (ends,))
    place = grid(domain)

    def forcing(t):
        gained = slope(lambda x: J(t, x, *place[1:]), place[0])
        if square:
            x, y = place
            gained = gained + slope(lambda y: -mobility(u(t, x, y)) * slope(lambda s: u(t, x, s), y), y)
        return slope(lambda s: u(s, *place), jnp.asarray(t)) + gained

    rest = [jnp.asarray(0.25)] * square  # what is fixed is level along the end
    known = {
        "no-flux": lambda x, sign: None,
        "fixed-value": lambda x, sign: lambda t: u(t, x, *rest),
        "fixed-flux": lambda x, sign: lambda t: sign * J(t, x, *rest),
    }
    fixed = Ends(*(known[kind](jnp.asarray(x), sign) for kind, x, sign in zip(ends, (0.0, 1.0), (1, -1))))
    moving = () if K is nothing else K
    if flux is phase_flux:
        equation = CahnHilliard(mobility, well, 0.01, ends=fixed)
        damping = jnp.array([0.3, 0.005])
    else:
        equation = Diffusion(mobility, ends=fixed, drift=moving)
        damping = jnp.array([0.45, 0.0])
    plan = StepPlan((1,), 60, damping)
    equation, times = Forced(equation, forcing), jnp.array([0.0, time])
    run = eqx.filter_jit(trajectory)(equation, transform(domain), plan, u(0.0, *place), times)
    return float(jnp.sqrt(jnp.mean((run[-1] - u(time, *place)) ** 2)))


# Compiling all of them takes half a minute.
SLOW = {"closed and value", "closed and flux"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in CASES])
def test_ends_are_second_order_also_where_they_change_in_time(name):
    coarse, fine = error(name, 12), error(name, 24)
    assert np.log2(coarse / fine) == pytest.approx(2, abs=0.25)
    assert fine < 2e-3


def moving_diffusion(ends):
    return Diffusion(mobility, ends=ends, drift=(carried, carried))


def moving_phases(ends):
    return CahnHilliard(mobility, well, 0.01, ends=ends, drift=(carried, carried))


@pytest.mark.parametrize("make", [moving_diffusion, moving_phases])
def test_mass_changes_by_what_flows_in(make):
    low, high = laws.Known(lambda t: 0.3 - 0.5 * t), laws.Constant(0.1)
    domain = Domain((10, 6), (0.1, 0.2), (("fixed-flux", "fixed-flux"), "no-flux"))
    equation = make((Ends(low, high), None))
    c0 = 0.4 + 0.1 * np.random.default_rng(0).random(domain.shape)
    run = simulate(equation, c0, [0.0, 0.2, 0.5], domain, dt=2e-3)
    mass = np.asarray(run.frames).sum((1, 2)) * domain.pixel_volume
    width = 6 * 0.2
    inflow = [width * (0.3 * t - 0.25 * t**2 + 0.1 * t) for t in (0.0, 0.2, 0.5)]
    np.testing.assert_allclose(mass - mass[0], inflow, atol=1e-12 * mass[0])


def test_only_the_pixels_inside_see_an_end():
    inside = np.ones((6, 4), bool)
    inside[:, 1] = False
    domain = Domain((6, 4), 0.5, ("fixed-flux/no-flux", "no-flux"), inside)
    equation = Diffusion(1.0, ends=Ends(low=2.0))
    rate = equation.rate(0.0, jnp.asarray(np.where(inside, 0.3, 0.0)), domain)
    np.testing.assert_allclose(rate[0], [4.0, 0, 4.0, 4.0], atol=1e-13)
    assert not np.asarray(rate[1:]).any()


def test_an_unknown_programme_is_a_leaf_and_has_a_derivative():
    domain = Domain(8, 0.1, "fixed-value/no-flux")
    equation = Diffusion(1.0, ends=Ends(low=laws.positive(0.3, factor=2)))
    (leaf,) = jax.tree.leaves(equation)
    assert leaf.shape == ()
    by_value = jax.grad(lambda e: e.rate(0.0, jnp.full(8, 0.1), domain).sum())(equation)
    np.testing.assert_allclose(jax.tree.leaves(by_value)[0], 0.3 * np.log(2) * 2 / 0.1**2, rtol=1e-12)


def half_space(c):
    """D for which a half space filled from c = 1 at its end has the profile c = 1 − x/√t."""
    c = jnp.maximum(c, 0)
    return c * (2 - c) / 4


def smooth_half_space(c):
    """The same with c = exp(−x/√t)."""
    return 0.5 * (1 - jnp.log(jnp.maximum(c, 1e-6)))


@pytest.mark.parametrize(
    ("n", "profile", "D", "ends", "largest"),
    [
        # the error is largest at the foot of the front, where the slope breaks: first order in the pixel there
        (200, lambda z: np.maximum(0, 1 - z), half_space, Ends(low=1.0), 5e-4),
        pytest.param(800, lambda z: np.maximum(0, 1 - z), half_space, Ends(low=1.0), 1e-4, marks=pytest.mark.slow),
        pytest.param(
            100,
            lambda z: np.exp(-z),
            smooth_half_space,
            Ends(low=1.0, high=lambda t: jnp.exp(-1 / jnp.sqrt(t))),
            1e-4,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["front", "front on fine pixels", "smooth"],
)
def test_philip_profile(n, profile, D, ends, largest):
    # J. R. Philip, Aust. J. Phys. 13, 1 (1960), doi:10.1071/PH600001: exact solutions of the Boltzmann equation
    domain = Domain(n, 1 / n, f"fixed-value/{'fixed-value' if ends.high is not None else 'no-flux'}")
    x, times = domain.centres()[0], np.array([0.04, 0.25, 0.64])
    frames = profile(x / np.sqrt(times[:, None]))
    run = simulate(Diffusion(D, ends=ends), frames[0], times, domain)
    assert np.abs(run.frames - frames).max() < largest
    assert np.sqrt(np.mean((run.frames - frames) ** 2)) < 1e-4


@pytest.mark.parametrize("ratio", [0.5, 8.0])
def test_a_travelling_front_is_monotone_at_any_ratio_of_drift_to_diffusion(ratio):
    # Burgers' equation, K = c²/2: c = ½ (1 − tanh((x − t/2)/4D))
    n = 60
    D = 1 / n / ratio
    domain = Domain(n, 1 / n, "fixed-value")
    x = domain.centres()[0] - 0.3

    def front(t):
        return 0.5 * (1 - np.tanh((x - t / 2) / (4 * D)))

    run = simulate(Diffusion(D, ends=Ends(1.0, 0.0), drift=burgers), front(0), [0.0, 0.6], domain, dt=5e-3)
    c = np.asarray(run.frames[-1])
    assert (np.diff(c) <= 1e-12).all()
    assert c.min() > -1e-12
    assert c.max() < 1 + 1e-12
    assert np.sqrt(np.mean((c - front(0.6)) ** 2)) < {0.5: 3e-3, 8.0: 4e-2}[ratio]


def burgers(c):
    return 0.5 * c**2


def test_extra_diffusion_is_smooth_where_drift_and_diffusion_vanish():
    zero = drift.Carried(*jnp.zeros(4))
    slopes = jax.grad(lambda low, high: drift.carried_between(low, high, 0.1), (0, 1))(zero, zero)
    assert all(np.isfinite(s) for s in jax.tree.leaves(slopes))


def rate_of(equation, domain):
    return lambda: equation.rate(0.0, jnp.zeros(domain.shape), domain)


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (
            rate_of(Diffusion(1.0), Domain(4, boundary="fixed-flux/no-flux")),
            ValueError,
            r"low end of `row` is 'fixed-flux' .* but the equation fixes nothing there; give `ends=Ends\(low",
        ),
        (
            rate_of(CahnHilliard(1.0, well, 0.1, ends=Ends(high=0.5)), Domain(4)),
            ValueError,
            "fixes something at the high end of `row`, where the domain is 'no-flux'; leave it out, or make that end",
        ),
        (
            rate_of(Diffusion(1.0, ends=(None, Ends(low=1.0))), Domain(4)),
            ValueError,
            r"`ends` has 2 entries; the domain has the axes \('row',\)",
        ),
        (
            rate_of(Diffusion(1.0, drift=(1.0, 1.0)), Domain(4)),
            ValueError,
            r"`drift` has 2 entries; the domain has the axes \('row',\)",
        ),
        (
            lambda: Diffusion(1.0, ends=0.5),
            TypeError,
            r"`ends` must be `Ends\(.*or a tuple.*got 0.5",
        ),
        (
            rate_of(AllenCahn(1.0, well, 0.1), Domain(4, boundary="fixed-value")),
            ValueError,
            r"ends are .no-flux. or .periodic., got boundary \('fixed-value',\); take `Diffusion`",
        ),
        (lambda: Ends(low="warm"), TypeError, "a law must be"),
    ],
)
def test_errors_say_what_is_missing(act, kind, message):
    with pytest.raises(kind, match=message):
        act()


@pytest.mark.slow
def test_derivatives_of_a_run_by_its_ends_and_its_drift():
    domain = Domain(10, 0.1, "fixed-flux/fixed-value")
    equation = Diffusion(
        laws.positive(0.5, factor=2),
        ends=Ends(low=laws.positive(0.3, factor=2) * laws.Known(jnp.exp), high=laws.Unknown(0.4, 0.1)),
        drift=laws.positive(0.6, factor=2) * laws.Known(carried),
    )
    unknowns, unravel = ravel_pytree((equation, jnp.full(10, 0.4)))
    assert unknowns.size == 14
    rng, times = np.random.default_rng(0), jnp.array([0.0, 0.05])
    tangent, cotangent = jnp.asarray(rng.normal(size=14)), jnp.asarray(rng.normal(size=10))

    def last(x):
        equation, c0 = unravel(x)
        return trajectory(equation, transform(domain), StepPlan((1,), 4, jnp.array([0.5, 0.0])), c0, times)[-1]

    @jax.jit
    def derivatives(x):
        value, pushed = jax.jvp(last, (x,), (tangent,))
        return value, pushed, jax.vjp(last, x)[1](cotangent)[0]

    _, pushed, pulled = derivatives(unknowns)
    np.testing.assert_allclose((cotangent * pushed).sum(), (pulled * tangent).sum(), rtol=1e-12)
    above, below = (derivatives(unknowns + h * tangent)[0] for h in (1e-5, -1e-5))
    np.testing.assert_allclose((above - below) / 2e-5, pushed, atol=1e-6 * jnp.linalg.norm(pushed))

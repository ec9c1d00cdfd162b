"""Steppers have the order they state, their weights are right to rounding, and diffrax runs them the same."""

from decimal import Decimal, getcontext
from functools import partial
from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws, simulate
from operax.physics.equations import AbstractEquation
from operax.physics.operators import divergence_of_flux
from operax.physics.plan import StepPlan, advance, trajectory
from operax.physics.steppers import (
    ETDRK2,
    ETDRK4,
    SBDF2,
    Rosenbrock,
    SemiImplicitEuler,
    SemilinearTerm,
    damping,
    rosenbrock,
    semilinear,
)
from operax.physics.transforms import transform

run = eqx.filter_jit(trajectory)
LINE = Domain(32, 1 / 32, "periodic")
CLOSED = Domain(32, 1 / 32)
EXPONENTIAL = ETDRK4()
WAVE = 0.5 + 0.3 * np.cos(2 * np.pi * LINE.centres()[0])


def well(c):
    """μ of a double well around ½."""
    return 4 * (c - 0.5) ** 3 - (c - 0.5)


def exact_phi(z):
    """φ₁, φ₂, φ₃ with sixty digits."""
    getcontext().prec = 60
    z = Decimal(float(z))
    if z == 0:
        return 1.0, 1 / 2, 1 / 6
    phi1 = (z.exp() - 1) / z
    phi2 = (phi1 - 1) / z
    return float(phi1), float(phi2), float((phi2 - Decimal(1) / 2) / z)


def test_phi_functions_are_right_to_rounding():
    z = np.concatenate([[0.0], -np.logspace(-14, 5, 60), -1 + np.array([-1e-9, 0, 1e-9])])
    exact = np.array([exact_phi(x) for x in z]).T
    np.testing.assert_allclose(np.asarray(semilinear.phi_functions(jnp.asarray(z))), exact, rtol=3e-15)


def test_phi_functions_in_single_precision():
    z = np.concatenate([[0.0], -np.logspace(-7, 5, 40)]).astype(np.float32)
    exact = np.array([exact_phi(x) for x in z]).T
    found = jnp.stack(semilinear.phi_functions(jnp.asarray(z)))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, exact, rtol=2e-6)


def slope(equation, domain, duration, steps, c0=WAVE, stepper=EXPONENTIAL):
    """Order of accuracy: slope of the error against the step, over all of ``steps``."""
    times = jnp.asarray([0.0, duration])
    # one splitting for all step lengths, stable at the longest
    split = damping(equation, transform(domain), times, jnp.linspace(0, 1, 65), duration / steps[0], stepper.share)

    def end(n):
        plan = StepPlan((1,), jnp.asarray(n), split, stepper)
        return run(equation, transform(domain), plan, jnp.asarray(c0), times)[-1]

    reference = end(16 * steps[-1])
    errors = [float(jnp.abs(end(n) - reference).max()) for n in steps]
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def test_etdrk4_has_order_four_with_constant_mobility():
    # sixteen pixels, so that no mode is stiff at the longest step
    coarse = Domain(16, 1 / 16, "periodic")
    c0 = 0.5 + 0.3 * np.cos(2 * np.pi * coarse.centres()[0])
    assert slope(CahnHilliard(1.0, well, 5e-3), coarse, 0.02, (64, 128, 256), c0) == pytest.approx(4, abs=0.3)


def test_etdrk4_keeps_order_near_three_with_varying_mobility():
    equation = CahnHilliard(laws.Degenerate(4.0), well, 5e-3)
    assert slope(equation, LINE, 0.02, (128, 256, 512)) >= 2.7


def test_rosenbrock_has_order_three():
    equation = Diffusion(laws.as_law(0.2) + laws.Degenerate(2.0))
    c0 = 0.5 + 0.3 * np.cos(np.pi * CLOSED.centres()[0])
    assert slope(equation, CLOSED, 0.1, (8, 16, 32), c0, Rosenbrock()) == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    ("stepper", "steps", "order"),
    [(ETDRK2(), (128, 256, 512), 2), (SBDF2(), (64, 128, 256), 2), (SemiImplicitEuler(), (64, 128, 256), 1)],
    ids=["ETDRK2", "SBDF2", "SemiImplicitEuler"],
)
@pytest.mark.parametrize("mobility", [1.0, laws.Degenerate(4.0)], ids=["constant", "varying"])
def test_lower_steppers_have_their_orders(stepper, steps, order, mobility):
    assert slope(CahnHilliard(mobility, well, 5e-3), LINE, 0.02, steps, stepper=stepper) == pytest.approx(
        order, abs=0.1
    )


class Carried(AbstractEquation):
    """Nonlinear diffusion of two fields, with a source that carries them along ½ ± ¼ sin(20 t) cos(πx)."""

    fields: ClassVar[int] = 2
    local: ClassVar[bool] = True

    @staticmethod
    def wave(t, domain):
        swing = 0.25 * jnp.sin(20 * t) * jnp.cos(np.pi * jnp.asarray(domain.centres()[0], t.dtype))
        return jnp.stack([0.5 + swing, 0.5 - swing], -1)

    @staticmethod
    def spread(c, domain):
        return jax.vmap(lambda u: divergence_of_flux(0.2 + u**2, u, domain), -1, -1)(c)

    def rate(self, t, c, domain):
        path, velocity = jax.jvp(lambda t: self.wave(t, domain), (t,), (jnp.ones_like(t),))
        return velocity + self.spread(c, domain) - self.spread(path, domain)

    def stiffness(self, t, c):
        del t
        return 0.2 + c**2, jnp.zeros_like(c)


class CarriedAlone(AbstractEquation):
    """The first field of `Carried`, which neither knows the other."""

    fields: ClassVar[int] = 1
    local: ClassVar[bool] = True

    def rate(self, t, c, domain):
        return Carried().rate(t, jnp.stack([c, c], -1), domain)[..., 0]

    def stiffness(self, t, c):
        return Carried().stiffness(t, c)


@pytest.mark.parametrize(
    ("stepper", "equation", "order"),
    [
        (ETDRK4(), Carried(), 4),
        (ETDRK2(), Carried(), 2),
        (SBDF2(), Carried(), 2),
        (SemiImplicitEuler(), Carried(), 1),
        (Rosenbrock(), CarriedAlone(), 3),
    ],
    ids=["ETDRK4", "ETDRK2", "SBDF2", "SemiImplicitEuler", "Rosenbrock"],
)
def test_rates_that_know_the_time_keep_the_order(stepper, equation, order):
    domain, end, steps = Domain(12, 1 / 12), jnp.asarray(0.2), (32, 64, 128)
    exact = Carried.wave(end, domain)
    exact = exact if equation.fields == 2 else exact[..., 0]
    c0 = jnp.full(exact.shape, 0.5)
    split = damping(equation, transform(domain), (0.0, 0.2), jnp.linspace(0.2, 0.8, 9), 0.01, stepper.share)
    errors = []
    for n in steps:
        plan = StepPlan((1,), jnp.asarray(n), split, stepper)
        errors.append(
            float(jnp.abs(run(equation, transform(domain), plan, c0, jnp.stack([0 * end, end]))[-1] - exact).max())
        )
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.3)


def test_sbdf2_is_of_order_two_on_steps_that_vary():
    equation, domain = CarriedAlone(), Domain(12, 1 / 12)
    end, start = jnp.asarray(0.2), jnp.full(12, 0.5)
    split = damping(equation, transform(domain), (0.0, 0.2), start, 0.01, SBDF2.share)
    term = SemilinearTerm(equation, transform(domain), split)
    begin, take = jax.jit(partial(SBDF2().begin, term, None)), jax.jit(partial(SBDF2().take, term, None))
    errors, numbers = [], (32, 64, 128)
    for n in numbers:
        # long and short steps in turn
        t, c, memory = jnp.asarray(0.0), start, begin(0.0, 1.3 * end / n, start)
        for h in np.tile([1.3, 0.7], n // 2) * 0.2 / n:
            c, _, memory = take(t, h, c, memory)
            t = t + h
        errors.append(float(jnp.abs(c - Carried.wave(end, domain)[..., 0]).max()))
    assert -np.polyfit(np.log(numbers), np.log(errors), 1)[0] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    "stepper", [ETDRK4(), ETDRK2(), SBDF2(), SemiImplicitEuler()], ids=lambda stepper: type(stepper).__name__
)
def test_modes_of_any_stiffness_are_damped_if_the_linear_part_carries_its_share(stepper):
    pair, mode = transform(Domain(2)), jnp.asarray([1.0, -1.0])
    plan = StepPlan((1,), jnp.asarray(200), jnp.asarray([1.0, 0.0]), stepper)

    @jax.jit
    def after(q, duration):
        # u′ = zu + qzu with z = -2 a pixel pair's eigenvalue and 1 + q the true diffusivity
        true = eqx.tree_at(lambda e: e.diffusivity.coordinate, Diffusion(laws.Unknown(0.0, 1.0)), 1 + q)
        return advance(true, pair, plan, 0.0, duration, mode)[0]

    limit = 1 / stepper.share - 1
    q, duration = jnp.meshgrid(jnp.asarray([-1.0, -0.5, 0.0, 0.999 * limit]), jnp.logspace(-6, 8, 57))
    assert jnp.abs(jax.vmap(after)(q.ravel(), duration.ravel())).max() < 1.01
    assert not jnp.abs(after(1.1 * limit, 1e6)) < 1.01, "a larger q is unstable, so the share is no larger than needed"


def test_tridiagonal_jacobian_is_the_jacobian():
    equation = Diffusion(laws.as_law(0.2) + laws.Degenerate(2.0), source=lambda c: c**2)
    c = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, 9))
    domain = Domain(9, 0.3)
    dense = np.asarray(jax.jit(jax.jacfwd(lambda c: equation.rate(0.0, c, domain)))(c))
    lower, main, upper = jax.jit(lambda c: rosenbrock.jacobian(lambda c: equation.rate(0.0, c, domain), c))(c)
    found = np.diag(main) + np.diag(lower[1:], -1) + np.diag(upper[:-1], 1)
    np.testing.assert_allclose(found, dense, atol=1e-12 * np.abs(dense).max())
    assert lower[0] == 0
    assert upper[-1] == 0


def test_rosenbrock_forgets_a_stiff_mode_in_one_step():
    h, stiff = jnp.asarray(1.0), 1e8
    term = SemilinearTerm(Diffusion(0.0, source=lambda c: -stiff * c), transform(Domain(3)), jnp.zeros(2))
    step = jax.jit(lambda c: Rosenbrock().take(term, None, 0.0, h, c, None)[0])
    assert abs(step(jnp.ones(3))).max() < 1e-6


@pytest.mark.parametrize(
    ("equation", "domain", "solver", "times"),
    [
        (CahnHilliard(1.0, well, 5e-3), LINE, ETDRK4(), [0.0, 0.01, 0.02]),
        (Diffusion(laws.as_law(0.2) + laws.Degenerate(2.0)), CLOSED, Rosenbrock(), [0.0, 0.01, 0.02]),
    ],
    ids=["ETDRK4", "Rosenbrock"],
)
def test_diffrax_and_scan_take_the_same_steps(equation, domain, solver, times):
    scan = simulate(equation, WAVE, times, domain, dt=1e-3)
    step_by_step = simulate(equation, WAVE, times, domain, dt=1e-3, solver=solver)
    np.testing.assert_allclose(step_by_step.frames, scan.frames, atol=1e-12)
    adaptive = simulate(equation, WAVE, times, domain, rtol=1e-7)
    np.testing.assert_allclose(adaptive.frames, simulate(equation, WAVE, times, domain, dt=2.5e-4).frames, atol=1e-6)


def test_a_diffrax_solver_of_its_own_runs_too():
    equation = Diffusion(0.2)
    c0 = 0.5 + 0.3 * np.cos(2 * np.pi * LINE.centres()[0])
    found = simulate(equation, c0, [0.0, 0.02], LINE, dt=5e-4, solver=diffrax.Heun())
    np.testing.assert_allclose(found.frames, simulate(equation, c0, [0.0, 0.02], LINE, dt=1e-3).frames, atol=1e-6)


def test_rosenbrock_refuses_what_is_not_tridiagonal():
    with pytest.raises(
        ValueError, match=r"`Rosenbrock` needs an equation with one field that looks.*CahnHilliard on Domain.*`ETDRK4`"
    ):
        simulate(CahnHilliard(1.0, well, 5e-3), WAVE, [0.0, 0.01], CLOSED, dt=1e-3, solver=Rosenbrock())


def test_damping_is_half_the_largest_coefficient_where_modes_are_stiff():
    c = jnp.linspace(0.1, 0.9, 9)
    plain = damping(Diffusion(laws.Degenerate(4.0)), transform(LINE), (0.0, 1.0), c, jnp.asarray(1e-3))
    np.testing.assert_allclose(plain, [semilinear.SAFETY / 2, 0.0], rtol=1e-12)
    fourth = damping(CahnHilliard(1.0, well, 5e-3), transform(LINE), (0.0, 1.0), c, jnp.asarray(1e-3))
    np.testing.assert_allclose(fourth[1], semilinear.SAFETY / 2 * 5e-3, rtol=1e-12)
    # together they carry half of a₂λ + a₄λ² at every stiff mode
    eigenvalues = transform(LINE).eigenvalues
    stiff = eigenvalues[1e-3 * fourth[1] * eigenvalues**2 > 2]
    half = max(4 * 3 * 0.4**2 - 1, 0) * stiff / 2 + 5e-3 * stiff**2 / 2
    assert (fourth[0] * stiff + fourth[1] * stiff**2 >= half).all()


def test_no_derivative_goes_through_the_linear_part():
    term = SemilinearTerm(Diffusion(1.0), transform(LINE), jnp.asarray([1.0, 0.1]))
    slope = jax.grad(lambda d: eqx.tree_at(lambda t: t.damping, term, d).linear(jnp.asarray(WAVE)).sum())(term.damping)
    assert (slope == 0).all()

"""A run hits the frames asked for, to the accuracy promised, and says what is wrong with what it is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws, simulate
from operax.physics.simulate import choose_plan, cut
from operax.physics.steppers import ETDRK4

DOMAIN = Domain(24, 0.05, "periodic")
EQUATION = Diffusion(laws.as_law(0.2) + laws.Degenerate(2.0))
C0 = jnp.asarray(0.5 + 0.3 * np.cos(2 * np.pi * DOMAIN.centres()[0] / 1.2))
UNEVEN = [0.1, 0.11, 0.15, 0.16, 0.20]


def test_frames_are_at_the_times_and_the_first_is_the_start():
    run = simulate(EQUATION, C0, UNEVEN, DOMAIN, dt=2e-3)
    assert run.frames.shape == (5, 24)
    np.testing.assert_array_equal(run.frames[0], C0)
    np.testing.assert_array_equal(run.times, UNEVEN)
    assert run.domain == DOMAIN


def test_uneven_times_are_the_same_run_as_even_times():
    even = simulate(EQUATION, C0, np.linspace(0.1, 0.2, 11), DOMAIN, dt=5e-4)
    uneven = simulate(EQUATION, C0, UNEVEN, DOMAIN, dt=5e-4)
    np.testing.assert_allclose(uneven.frames, even.frames[jnp.asarray([0, 1, 5, 6, 10])], atol=1e-7)


def test_legs_add_up_to_the_intervals():
    starts, durations = cut(jnp.asarray([0.0, 1.0, 4.0]), (1, 3))
    np.testing.assert_allclose(starts, [0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(durations, 1.0)


def test_chosen_plan_is_as_accurate_as_promised():
    fine = simulate(EQUATION, C0, UNEVEN, DOMAIN, dt=2e-4)
    chosen = simulate(EQUATION, C0, UNEVEN, DOMAIN)
    spread = fine.frames.std()
    assert jnp.sqrt(((chosen.frames - fine.frames) ** 2).mean(1)).max() < 1e-4 * spread


def test_tighter_tolerance_takes_more_steps():
    equation = CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(3.0), 5e-3)
    plans = [
        choose_plan(equation, C0, jnp.asarray([0.0, 0.02, 0.04]), DOMAIN, tolerance=tolerance)
        for tolerance in (1e-2, 1e-6)
    ]
    assert plans[0].steps < plans[1].steps


def test_run_goes_through_jit_grad_and_vmap():
    def last(c0):
        return simulate(Diffusion(0.5), c0, [0.0, 0.01], DOMAIN, dt=5e-3).frames[-1]

    np.testing.assert_allclose(jax.jit(last)(C0), last(C0), rtol=1e-12)
    both = jax.vmap(last)(jnp.stack([C0, 1 - C0]))
    np.testing.assert_allclose(both[1], 1 - both[0], rtol=1e-12)
    # mass is kept, so its derivative by every start pixel is one
    np.testing.assert_allclose(jax.grad(lambda c: last(c).sum())(C0), 1.0, rtol=1e-12)


def test_single_precision_start_is_promoted_to_the_precision_in_use():
    run = simulate(Diffusion(0.5), C0.astype(jnp.float32), [0, 1], DOMAIN, dt=0.05)
    assert run.frames.dtype == jnp.zeros(()).dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c0": C0[:5]}, r"`c0` must have the shape \(24,\) of the domain .and its fields., got \(5,\)"),
        ({"c0": C0.at[3].set(jnp.nan)}, "`c0` must be finite everywhere"),
        ({"times": [0.0]}, r"`times` must list at least two times, got shape \(1,\)"),
        ({"times": [0.0, 1.0, 1.0]}, "`times` must be strictly increasing"),
        ({"dt": 0.1, "rtol": 1e-4}, "give `dt` .* or `rtol` .* not both"),
        ({"dt": 0.0}, r"`dt` must be positive, got 0\.0"),
        ({"dt": float("nan")}, "`dt` must be positive, got nan"),
        ({"solver": ETDRK4()}, "a `solver` of your choice needs `dt`.*or `rtol`"),
    ],
)
def test_errors_say_what_is_wrong(change, message):
    given = {"equation": EQUATION, "c0": C0, "times": [0.0, 1.0], "domain": DOMAIN, **change}
    with pytest.raises(ValueError, match=message):
        simulate(**given)


def test_a_run_that_explodes_is_an_error():
    with pytest.raises(RuntimeError, match=r"solution is not finite: take a smaller `dt`.*diffusivity is positive"):
        simulate(Diffusion(-1.0), C0, [0.0, 20.0], DOMAIN, dt=0.5)


def test_an_equation_without_a_plan_is_an_error():
    with pytest.raises(RuntimeError, match=r"no step plan reaches.*0\.0001.*Check that the diffusivity is positive"):
        simulate(Diffusion(-1.0), C0[:8], [0.0, 20.0], Domain(8, 0.05, "periodic"))


def test_kappa_that_varies_is_refused():
    with pytest.raises(ValueError, match=r"`kappa` must be one number.*got Legendre"):
        CahnHilliard(1.0, laws.RegularSolution(3.0), laws.Legendre(2))


def test_diffusivity_is_mobility_times_slope_of_the_potential():
    c = jnp.linspace(0.1, 0.9, 5)
    found = CahnHilliard(laws.Degenerate(2.0), laws.RegularSolution(3.0), 1e-3).diffusivity(c)
    np.testing.assert_allclose(found, 2 * (1 - 6 * c * (1 - c)), rtol=1e-12)

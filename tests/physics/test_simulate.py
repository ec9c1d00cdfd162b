"""A run hits the frames asked for, to the accuracy promised, and says what is wrong with what it is given."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import CahnHilliard, Diffusion, laws, simulate
from operax.physics.pilot import choose_plan, suitable
from operax.physics.plan import StepPlan, cut, trajectory
from operax.physics.steppers import ETDRK2, ETDRK4, SBDF2, Rosenbrock
from operax.physics.transforms import transform

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
        ({"solver": diffrax.Heun()}, "a `solver` that is no stepper of operax needs `dt`.*or `rtol`"),
        ({"tolerance": 0.0}, r"`tolerance` must be positive, got 0\.0"),
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


def test_a_plan_is_not_fooled_by_a_linear_part_that_freezes_the_run():
    """Mobility 1e7 times smaller where the state is than where it may go: one step and two agree on no motion."""
    equation = Diffusion(lambda c: 1e-3 + 1e4 * jax.nn.sigmoid(400 * (c - 0.9)))
    c0 = 0.5 + 0.3 * (C0 - 0.5)
    times = jnp.asarray([0.0, 20.0])
    plan = choose_plan(equation, c0, times, DOMAIN, stepper=ETDRK4())
    found = simulate(equation, c0, times, DOMAIN, solver=ETDRK4()).frames[-1]
    assert jnp.abs(found - simulate(Diffusion(1e-3), c0, times, DOMAIN).frames[-1]).max() < 1e-4
    assert plan.steps >= 1


def test_a_stepper_of_choice_takes_the_steps():
    for stepper in (ETDRK2(), SBDF2()):
        plan = choose_plan(EQUATION, C0, jnp.asarray(UNEVEN), DOMAIN, stepper=stepper)
        assert plan.stepper == stepper
    chosen = simulate(EQUATION, C0, UNEVEN, DOMAIN, solver=SBDF2(), tolerance=1e-3)
    fine = simulate(EQUATION, C0, UNEVEN, DOMAIN, dt=2e-4)
    assert jnp.sqrt(((chosen.frames - fine.frames) ** 2).mean(1)).max() < 1e-3 * fine.frames.std()


def test_default_steppers_follow_geometry_and_equation():
    def first(equation, domain):
        return type(suitable(equation, transform(domain))[0])

    large = np.hypot(*(np.mgrid[:96, :96] - 47.5)) < 46
    assert first(EQUATION, DOMAIN) is ETDRK4
    assert first(EQUATION, Domain(24, 0.05)) is Rosenbrock
    assert first(CahnHilliard(1.0, 1.0, 1.0), Domain(24, 0.05)) is ETDRK4
    assert first(EQUATION, Domain((96, 96), 1.0, inside=large)) is SBDF2


def wild(draws, equation, domain, c0, times, key):
    """Runs of laws drawn from far out in their priors: how many gave frames, and how many an error."""
    leaves, structure = jax.tree.flatten(equation)
    ran, refused = 0, 0
    for k in jax.random.split(key, draws):
        keys = jax.random.split(k, len(leaves))
        drawn = [jax.random.normal(one, leaf.shape) for one, leaf in zip(keys, leaves)]
        try:
            run = simulate(jax.tree.unflatten(structure, drawn), c0, times, domain, tolerance=1e-2)
        except RuntimeError:
            refused += 1
        else:
            assert jnp.isfinite(run.frames).all()
            ran += 1
    return ran, refused


WILD = CahnHilliard(
    laws.Exp(laws.Unknown(0.0, 1.0) + laws.Legendre(3, 1.0)),
    laws.RegularSolution(laws.Unknown(2.5, 1.0)) + laws.Legendre(4, 2.0),
    laws.positive(5e-3, factor=3),
)


@pytest.mark.parametrize("draws", [4, pytest.param(1000, marks=pytest.mark.slow)])
def test_wild_laws_give_finite_frames_or_an_error(draws):
    line = Domain(16, 0.05, "periodic")
    c0 = jnp.asarray(0.5 + 0.3 * np.cos(2 * np.pi * line.centres()[0] / 0.8))
    ran, refused = wild(draws, WILD, line, c0, np.linspace(0, 0.1, 4), jax.random.key(0))
    assert ran + refused == draws
    assert refused <= 0.01 * draws


@pytest.mark.parametrize("draws", [64, pytest.param(1000, marks=pytest.mark.slow)])
def test_wild_laws_in_a_batch_flag_their_failures(draws):
    """A frozen plan does not suit every draw: a run that fails is not finite, and never quietly wrong in mass."""
    line = Domain(16, 0.05, "periodic")
    c0 = jnp.asarray(0.5 + 0.3 * np.cos(2 * np.pi * line.centres()[0] / 0.8))
    times = jnp.linspace(0, 0.1, 4)
    plan = choose_plan(WILD, c0, times, line)
    leaves, structure = jax.tree.flatten(WILD)

    @jax.jit
    @jax.vmap
    def run(key):
        keys = jax.random.split(key, len(leaves))
        drawn = [jax.random.normal(one, leaf.shape) for one, leaf in zip(keys, leaves)]
        return trajectory(jax.tree.unflatten(structure, drawn), transform(line), plan, c0, times)

    frames = run(jax.random.split(jax.random.key(1), draws))
    finite = jnp.isfinite(frames).all((1, 2))
    assert finite.mean() > 0.5
    assert jnp.abs(frames.mean(2)[finite] - c0.mean()).max() < 1e-9 * jnp.abs(frames[finite]).max()


@pytest.mark.slow
def test_reverse_mode_keeps_about_one_state_a_step_and_knows_no_step_limit():
    square = Domain((48, 48), 0.05, "periodic")
    equation = Diffusion(laws.positive(0.2, factor=2) + laws.Degenerate(2.0))
    c0 = jnp.full((48, 48), 0.5)

    def memory(frames, steps):
        times = jnp.linspace(0, 0.1, frames)
        plan = StepPlan((1,) * (frames - 1), steps, jnp.asarray([1.0, 0.0]))

        def loss(equation, c0):
            return jnp.sum(trajectory(equation, transform(square), plan, c0, times)[-1] ** 2)

        compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(equation, c0).compile()
        return compiled.memory_analysis().temp_size_in_bytes / c0.nbytes

    few = memory(5, 4)
    # 48 steps more, as longer legs and as more frames; the inside of one step holds some ten states
    assert memory(5, 16) - few < 1.5 * 48
    assert memory(17, 4) - few < 2 * 48

"""Wrong physics and start states that are too smooth are found out; right ones pass."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.linearise import NormalEquations


def test_the_right_equation_passes(solved):
    problem, best = solved
    found = ox.explained(best, problem)
    assert found.passed
    assert found.ratio == pytest.approx(1, abs=0.4)
    assert "nothing smooth is left" in str(found)
    assert len(found.by_frame) == len(problem.data)


@pytest.fixture(scope="module")
def constant(line):
    """A quiet movie of D = 2 + c, explained with a constant D."""
    _, clean, _, _ = line
    noise = ox.noise.Gaussian(0.002)
    quiet = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(4)))
    problem = ox.Problem(quiet, None, noise)
    return problem, ox.fit(ox.Diffusion(laws.positive(2.0, factor=2)), problem)


def test_a_wrong_equation_is_found_out_even_where_the_noise_is_overestimated(constant):
    problem, best = constant
    found = ox.explained(best, problem)
    assert not found.passed
    assert "misses something" in str(found)
    assert found.wavelength > 4
    loud = eqx.tree_at(lambda p: p.variance, problem, 4 * problem.variance)
    assert ox.explained(best, loud).pvalue == pytest.approx(found.pvalue, rel=1e-6)


MOBILITY = laws.positive(1.3, factor=2)
POTENTIAL = laws.RegularSolution(laws.Unknown(2.45, 0.3))
KAPPA = laws.positive(1.5e-3, factor=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "right"),
    [
        (ox.CahnHilliard(laws.Degenerate(MOBILITY), POTENTIAL, KAPPA), True),
        (ox.AllenCahn(laws.positive(10.0, factor=3), POTENTIAL, KAPPA), False),
    ],
)
def test_wrong_physics_of_a_separation_is_found_out(equation, right):
    """Phases separating by Cahn–Hilliard dynamics with M = c (1 − c), noise of 0.01."""
    domain, noise = ox.Domain((24, 24), 0.4 / 24, "periodic"), ox.noise.Gaussian(0.01)
    truth = ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.6), 2e-3)
    seed = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    clean = ox.simulate(truth, seed, np.append(0.0, 0.07 + 2.5e-3 * np.arange(14)), domain)[1:]
    problem = ox.Problem(clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(2))), None, noise)
    found = ox.explained(ox.fit(equation, problem), problem)
    assert found.passed == right, str(found)


@pytest.mark.slow
def test_a_constant_mobility_is_found_out_by_what_it_leaves_in_slow_waves():
    """Its misfit is a hundredth of the noise, nearly all in ten modes and the four slowest waves in time."""
    domain, noise = ox.Domain((32, 32), 0.4 / 32, "periodic"), ox.noise.Gaussian(0.03)
    truth = ox.CahnHilliard(laws.Degenerate(1.0), laws.RegularSolution(2.6), 2e-3)
    seed = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), domain.shape)
    clean = ox.simulate(truth, seed, np.append(0.0, 0.07 + 2.5e-3 * np.arange(28)), domain)[1:]
    raw = clean.replace(frames=noise.sample(clean.frames, key=jax.random.key(100)))
    problem = ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=36.0))
    for mobility, right in ((laws.positive(0.2, factor=3), False), (laws.Degenerate(MOBILITY), True)):
        found = ox.explained(ox.fit(ox.CahnHilliard(mobility, POTENTIAL, KAPPA), problem), problem)
        assert found.passed == right, str(found)


def test_start_modes_that_suffice_pass(solved):
    problem, best = solved
    found = ox.check_starts(best, problem)
    assert found.passed, str(found)


@pytest.mark.slow
def test_too_few_start_modes_are_found_out(solved, constant, unknown):
    problem, _ = solved
    few = ox.Problem(constant[0].data, None, ox.noise.Gaussian(0.002), start=ox.PreRoll(cutoff=0.1))
    assert few.starts.modes.shape[0] < problem.starts.modes.shape[0]
    found = ox.check_starts(ox.fit(unknown, few), few)
    assert not found.passed
    assert "take a larger `PreRoll(cutoff=...)`" in str(found)


def test_given_starts_have_no_modes_to_check(line, solved):
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match="start modes are checked where start states are a `PreRoll`"):
        ox.check_starts(solved[1], ox.Problem(noisy, None, noise, start=ox.Given()))


def test_informed_numbers_are_counted():
    """Of two laws and one start coordinate, the trace of I − H⁻¹."""
    root = np.random.default_rng(0).normal(size=(3, 3))
    full = root @ root.T + np.eye(3)
    normal = NormalEquations(
        jnp.asarray(full[:2, :2]), jnp.asarray(full[None, :2, 2:]), jnp.asarray(full[None, 2:, 2:]), jnp.zeros(2),
        jnp.zeros((1, 1)),
    )  # fmt: skip
    assert normal.informed() == pytest.approx(3 - np.trace(np.linalg.inv(full)))


def test_a_posterior_says_that_the_prior_holds_a_number(solved):
    problem, best = solved
    assert ox.laplace(best, problem, key=jax.random.key(0), draws=10).notes == ()
    numbers = jnp.diag(jnp.array([50.0, 1.5])), 0 * best.normal.cross
    weak = eqx.tree_at(lambda f: (f.normal.laws, f.normal.cross), best, numbers)
    (note,) = ox.laplace(weak, problem, key=jax.random.key(0), draws=10).notes
    assert note.startswith("the prior, not the movie, holds 1 of 2 combinations")


def test_what_is_left_in_the_mean_has_no_wavelength():
    left = ox.Explained(91.0, 0.0, np.array([1.0, 200.0]), np.inf)
    assert "(p < 1e-300), most in the mean and in frame 1 of those reached" in str(left)
    waves = ox.Explained(91.0, 1e-9, np.array([1.0, 200.0]), 0.25)
    assert "(p = 1e-09), most at a wavelength of 0.25 and in frame 1" in str(waves)


def test_true_equations_fail_no_oftener_than_chance():
    """Start states informed in every mode, smooth ones and others; p is that of four tests, at its smallest."""
    domain, noise = ox.Domain((40,), 1.0), ox.noise.Gaussian(0.05)
    equation = ox.Diffusion(0.02)
    unknown = ox.Diffusion(laws.positive(0.02, factor=2))
    x = domain.centres()[0]
    waves = jnp.cos(jnp.pi / 40 * x[:, None] * jnp.arange(1, 31))
    chances = []
    for key in jax.random.split(jax.random.key(0), 24):
        start_key, noise_key = jax.random.split(key)
        c0 = 0.5 + 0.05 * waves @ jax.random.normal(start_key, (30,))
        clean = ox.simulate(equation, c0, jnp.arange(6.0), domain, dt=0.5)
        raw = clean.replace(frames=noise.sample(clean.frames, key=noise_key))
        problem = ox.Problem(raw, None, noise, start=ox.PreRoll(cutoff=2.0))
        chances.append(ox.explained(ox.fit(unknown, problem), problem).pvalue)
    assert 0.5 < float(np.mean(chances)) < 0.95
    assert min(chances) > 1e-3

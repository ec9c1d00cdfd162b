"""The modes of a start state are chosen by the pattern, not by the noise; a blown-up first run is not believed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax import laws
from operax.inference.settle import settled
from operax.physics.plan import StepPlan


def modes(sigma, key):
    """Number of start modes chosen for a pattern of one wavelength, standard deviation 0.07, under noise."""
    domain = ox.Domain((32, 32), 1.0, "periodic")
    x, y = np.meshgrid(*domain.centres(), indexing="ij")
    pattern = 0.5 + 0.07 * (np.cos(2 * np.pi * 3 * x / 32) + np.cos(2 * np.pi * 3 * y / 32))
    noise = ox.noise.Gaussian(sigma)
    raw = ox.Movie(pattern + noise.sample(jnp.zeros((3, 32, 32)), key=key), np.arange(3.0), domain)
    return ox.Problem(raw, None, noise).starts.modes.shape[0]


def test_noise_above_the_pattern_does_not_choose_the_modes():
    quiet = modes(1e-4, jax.random.key(0))
    assert {modes(sigma, jax.random.key(seed)) for sigma in (0.05, 0.1) for seed in range(4)} == {quiet}


def test_a_run_that_blew_up_is_solved_more_finely():
    """Noise beyond 0 and 1, where ideal mixing is steep: with few steps the run ends finite and far away."""
    domain = ox.Domain((24,), 0.02, "periodic")
    wave = 0.5 + 0.45 * jnp.cos(2 * jnp.pi * domain.centres()[0] / 0.48)
    start = wave + 0.1 * jax.random.normal(jax.random.key(0), (24,))
    movie = ox.Movie(jnp.stack([start] * 3), 3e-3 * np.arange(3), domain)
    problem = ox.Problem(movie, None, ox.noise.Gaussian(0.05), start=ox.Given())
    equation = ox.CahnHilliard(
        laws.Degenerate(laws.positive(1.0, factor=2)), laws.RegularSolution(3.0), 2e-3
    )  # fmt: skip

    def solved(steps, accuracy):
        plan = StepPlan((), jnp.asarray(steps), jnp.array([0.0, 5e-4]))
        return settled(equation, problem.starts.guess, (problem,), (plan,), accuracy)[0]

    assert solved(4, np.inf) == pytest.approx(solved(4096, 1e-3), rel=0.3)

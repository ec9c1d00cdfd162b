"""Adaptive runs keep their tolerance, count their steps, stop at events, and lie on a cubic between steps."""

import diffrax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest

from operax.domain import Domain
from operax.physics import Diffusion, integrate, simulate
from operax.physics.steppers import ETDRK2, ETDRK4

DOMAIN = Domain(8, 0.1, "periodic")
WAVE = jnp.asarray(np.cos(2 * np.pi * DOMAIN.centres()[0] / 0.8))
# the stencil's own decay
RATE = (2 - 2 * np.cos(2 * np.pi / 8)) / 0.1**2
SLOW = Diffusion(1.0)


def test_a_smaller_tolerance_takes_more_steps_and_gives_a_smaller_error():
    times = jnp.asarray([0.0, 0.02, 0.05])
    equation = Diffusion(lambda c: 1 + c**2)
    exact = simulate(equation, WAVE, times, DOMAIN, dt=1e-4).frames
    runs = [integrate(equation, WAVE, times, DOMAIN, rtol=rtol, solver=ETDRK2()) for rtol in (1e-3, 1e-5)]
    errors = [float(jnp.abs(run.movie.frames - exact).max()) for run in runs]
    assert int(runs[1].accepted) > 3 * int(runs[0].accepted)
    assert errors[1] < 0.1 * errors[0]
    assert errors[0] < 1e-2


def test_an_event_ends_the_run_at_its_moment():
    def faded(t, y, args, **kwargs):
        return jnp.max(y) - 0.5 * jnp.max(WAVE)

    event = diffrax.Event(faded, optimistix.Newton(1e-8, 1e-8))
    times = [0.0, 0.002, 0.004, 1.0]
    run = integrate(SLOW, WAVE, times, DOMAIN, rtol=1e-6, event=event)
    moment = np.log(2) / RATE
    assert 0.004 < moment < 1
    np.testing.assert_allclose(run.movie.times, [0.0, 0.002, 0.004, moment], rtol=1e-4)
    np.testing.assert_allclose(run.movie.frames[-1], WAVE / 2, atol=1e-5)
    assert int(run.accepted) > 3


def test_frames_inside_a_step_lie_on_a_cubic():
    """A linear interpolation over a step of this length would be off by more than 1e-3."""
    h = 0.1 / RATE
    inside = simulate(SLOW, WAVE, [0.0, 2 * h, 2.5 * h], DOMAIN, dt=2 * h, solver=diffrax.HalfSolver(ETDRK4()))
    np.testing.assert_allclose(inside.frames[-1], WAVE * np.exp(-0.25), atol=2e-6)


def test_step_limit_is_an_error():
    with pytest.raises(Exception, match="maximum number of solver steps"):
        integrate(Diffusion(1.0, source=lambda c: c**2 * 1e3), 1 + WAVE, [0.0, 1.0], DOMAIN, rtol=1e-9)

"""What the instrument adds - blur and exposure - is applied to the state before it is compared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.linearise import predict
from operax.physics.plan import StepPlan


@pytest.mark.parametrize("boundary", ["no-flux", "periodic"])
def test_a_blur_keeps_what_is_uniform_and_spreads_a_point_by_its_width(boundary):
    domain = ox.Domain((31, 8), (0.5, 1.0), boundary)
    blur = ox.Blur(domain, (1.0, 0.0))
    assert np.asarray(blur(jnp.full(domain.shape, 0.3))) == pytest.approx(0.3)
    point = np.asarray(blur(jnp.zeros(domain.shape).at[15, 4].set(1.0)))
    x, _ = domain.centres()
    assert point.sum() == pytest.approx(1)
    assert (point.sum(1) * (x - x[15]) ** 2).sum() == pytest.approx(1.0, rel=1e-3)
    assert point[:, 3].sum() == 0


def test_a_blur_sees_the_background_around_a_particle():
    inside = np.zeros((20, 20), bool)
    inside[5:15, 5:15] = True
    domain = ox.Domain((20, 20), 1.0, inside=inside)
    c = jnp.asarray(inside * 1.0)
    assert np.asarray(ox.Blur(domain, 1.5, background=1.0)(c)) == pytest.approx(1.0)
    assert float(ox.Blur(domain, 1.5)(c)[5, 10]) == pytest.approx(0.5, abs=0.15)


def test_a_width_must_make_sense():
    with pytest.raises(ValueError, match="`width` must be finite and zero or positive, got -1"):
        ox.Blur(ox.Domain((8, 8)), -1.0)


def test_a_frame_is_the_mean_over_its_exposure(line):
    truth, clean, noisy, noise = line
    problem = ox.Problem(noisy[2:6], None, noise, exposure=1.0, start=ox.PreRoll(lead=1.0, cutoff=0.8))
    xi = problem.starts.guess
    plan = StepPlan((), 8, jnp.array([0.0, 0.0]))
    seen = jax.jit(predict)(truth, xi, problem, plan)[0]
    # the same by brute force: the mean of 100 midpoints an exposure
    start = problem.starts.state(0, xi[0])
    fine = ox.simulate(truth, start, np.concatenate([[1.0], 1.5 + (np.arange(400) + 0.5) / 100]), clean.domain)
    expected = np.asarray(fine.frames[1:]).reshape(4, 100, -1).mean(1)
    assert np.asarray(seen) == pytest.approx(expected, abs=2e-6)
    assert np.abs(np.asarray(fine.frames[51::100]) - expected).max() > 3e-4, "the middle of an exposure is not its mean"


@pytest.mark.parametrize(
    ("exposure", "start", "message"),
    [
        (2.0, None, "no longer than the shortest frame interval, 1, got 2"),
        (-1.0, None, "must be positive"),
        (1.0, ox.PreRoll(lead=0.4), "must lie before the first exposure begins"),
    ],
)
def test_exposures_that_make_no_sense(line, exposure, start, message):
    _, _, noisy, noise = line
    with pytest.raises(ValueError, match=message):
        ox.Problem(noisy, None, noise, exposure=exposure, start=start)

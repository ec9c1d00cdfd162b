"""Ranks are uniform where the posterior is right, and tell at once where it is too narrow or off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import operax as ox
from operax.inference.calibration import Calibrated


class Numbers:
    """Stands for a posterior: draws of one number."""

    def __init__(self, draws):
        self.draws = draws

    def __call__(self, quantity):
        return self.draws[:, None]


def experiment(width, shift=0.0):
    """A number with a standard normal prior, measured with unit noise; its posterior is N(y/2, 1/2)."""

    def make(key):
        one, two = jax.random.split(key)
        truth = jax.random.normal(one)
        return truth, truth + jax.random.normal(two)

    def infer(y, key):
        return Numbers(y / 2 + shift + width * np.sqrt(0.5) * jax.random.normal(key, (199,)))

    return ox.calibrate(make, infer, lambda t: jnp.atleast_1d(t), key=jax.random.key(2), size=300, names=["number"])


def test_the_right_posterior_is_calibrated():
    found = experiment(1.0)
    low, high = found.interval()
    levels = np.array(found.levels)
    assert ((low[:, 0] < levels) & (levels < high[:, 0])).all()
    assert found.p_values()[0] > 0.01
    assert np.std(found.z) == pytest.approx(1.0, abs=0.15)
    assert "300 experiments" in str(found)


@pytest.mark.parametrize(("width", "shift"), [(0.5, 0.0), (1.0, 0.7)])
def test_bands_that_are_narrow_or_off_are_found(width, shift):
    found = experiment(width, shift)
    assert found.p_values()[0] < 1e-6
    assert found.interval()[1, 1, 0] < 0.9


def test_limits_of_the_coverage_are_those_of_the_binomial():
    """Of 10 with all inside, the lower 95 % limit is 0.025^(1/10)."""
    ranks = np.full((10, 1), 50)
    found = Calibrated(ranks, np.full(10, 99), np.zeros((10, 1)), ("number",))
    low, high = found.interval()
    assert low[0, 0] == pytest.approx(0.025**0.1)
    assert high[0, 0] == 1
    with pytest.raises(ValueError, match="needs at least 20 experiments, got 10"):
        found.p_values()


def test_experiments_that_fail_are_counted():
    def infer(problem, key):
        if float(jax.random.uniform(key)) < 0.5:
            raise RuntimeError("the equation cannot be solved")
        return Numbers(jax.random.normal(key, (50,)))

    settings = {"key": jax.random.key(0), "size": 12, "names": ["number"]}
    found = ox.calibrate(lambda k: (jnp.zeros(1), None), infer, lambda t: jnp.asarray(t), **settings)
    assert 0 < len(found.lost) == 12 - len(found.ranks)
    assert "lost: the equation cannot be solved" in str(found)
    with pytest.raises(ValueError, match="one number for each of 1 names"):
        ox.calibrate(lambda k: (jnp.zeros(2), None), infer, lambda t: jnp.asarray(t), **settings)
    with pytest.raises(ValueError, match="`levels` between 0 and 1"):
        ox.calibrate(lambda k: (jnp.zeros(1), None), infer, jnp.asarray, levels=[90], **settings)

    def never(problem, key):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="none of 12 experiments gave a posterior; the first failed with: no"):
        ox.calibrate(lambda k: (jnp.zeros(1), None), never, jnp.asarray, **settings)

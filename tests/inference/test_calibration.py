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


@pytest.mark.parametrize("draws", [24, 39, 999])
def test_honest_ranks_cover_what_they_should_with_any_number_of_draws(draws):
    """Every rank once: the bands hold exactly their nominal share, and no rank is more frequent than it should be."""
    ranks = np.arange(draws + 1)[:, None]
    found = Calibrated(ranks, np.full(draws + 1, draws), np.zeros(ranks.shape), ("number",))
    assert found.covered[:, 0] == pytest.approx(found.levels)
    counts, even = found.counts()
    assert counts[0] == pytest.approx(even)


def test_pooled_limits_know_that_quantities_of_one_experiment_go_together():
    """Ten copies of one quantity say no more than one of them."""
    ranks = np.random.default_rng(0).integers(0, 100, (300, 1))
    one = Calibrated(ranks, np.full(300, 99), np.zeros((300, 1)), ("a",))
    ten = Calibrated(np.tile(ranks, 10), np.full(300, 99), np.zeros((300, 10)), tuple("abcdefghij"))
    assert ten.pooled == pytest.approx(one.pooled)
    low, high = one.interval()
    assert one.pooled[1:, :2] == pytest.approx(np.stack([low[:2, 0], high[:2, 0]]), abs=0.015)
    assert "all together" in str(ten)


def test_a_run_that_was_stopped_computes_what_is_missing(tmp_path):
    settings = {"key": jax.random.key(0), "names": ["number"], "folder": tmp_path}
    asked = []

    def make(key):
        asked.append(key)
        return jax.random.normal(key, (1,)), None

    def infer(problem, key):
        return Numbers(jax.random.normal(key, (50,)))

    first = ox.calibrate(make, infer, jnp.asarray, size=5, **settings)
    whole = ox.calibrate(make, infer, jnp.asarray, size=8, **settings)
    assert len(asked) == 8
    assert (whole.ranks[:5] == first.ranks).all()
    assert (whole.ranks == ox.calibrate(make, infer, jnp.asarray, size=8, **settings | {"folder": None}).ranks).all()
    with pytest.raises(ValueError, match="empty the folder"):
        ox.calibrate(make, infer, jnp.asarray, size=8, **settings | {"key": jax.random.key(1)})


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

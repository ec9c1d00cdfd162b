"""A rate field has the prior it states, no level of its own, and the particle's own modes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.physics import RateField
from operax.physics.rate_field import as_field

PAIR = np.zeros((9, 12), bool)
PAIR[1:8, 1:5] = PAIR[2:8, 7:11] = True
DOMAINS = {
    "no-flux line": Domain(20, 0.1),
    "periodic square": Domain((8, 10), 0.1, "periodic"),
    "mixed square": Domain((8, 10), 0.1, ("periodic", "no-flux")),
    "disc": Domain((12, 12), 0.1, inside=np.hypot(*(np.mgrid[:12, :12] - 5.3)) < 5),
    "two particles": Domain(PAIR.shape, 0.1, inside=PAIR),
}


def drawn(field, count):
    draws = np.random.default_rng(0).normal(size=(count, field.modes))
    return np.asarray(jax.vmap(lambda x: jnp.log(eqx.tree_at(lambda f: f.coordinates, field, x)()))(jnp.asarray(draws)))


@pytest.mark.parametrize("name", DOMAINS)
def test_draws_have_zero_mean_log_and_the_spread_stated(name):
    domain = DOMAINS[name]
    logs = drawn(RateField(domain, 12, 0.7), 2000)[:, domain.inside]
    assert np.abs(logs.mean(1)).max() < 1e-12
    assert np.sqrt((logs**2).mean()) == pytest.approx(0.7, rel=0.03)


def test_the_centre_of_the_prior_is_one_everywhere():
    field = RateField(DOMAINS["disc"], 5, 1.0)
    assert (field() == 1).all()
    assert [leaf.shape for leaf in jax.tree.leaves(field)] == [(5,)]


def test_particles_have_levels_of_their_own():
    domain = DOMAINS["two particles"]
    logs = drawn(RateField(domain, 1, 1.0), 1)[0]
    left, right = logs[1:8, 1:5], logs[2:8, 7:11]
    assert np.ptp(left) < 1e-12
    assert np.ptp(right) < 1e-12
    # 28 pixels against 24, and a mean of zero
    assert 28 * left[0, 0] == pytest.approx(-24 * right[0, 0])
    assert abs(left[0, 0]) > 0.1


def test_a_longer_correlation_length_makes_smoother_fields():
    rough, smooth = (drawn(RateField(DOMAINS["no-flux line"], 15, 1.0, length=x), 500) for x in (0.01, 1.0))
    assert np.diff(smooth).std() < 0.3 * np.diff(rough).std()


def test_a_known_field_is_static():
    k = np.linspace(0.5, 2, 20)
    np.testing.assert_array_equal(as_field(k)(), k)
    assert as_field(k) == as_field(k.copy())
    assert not jax.tree.leaves(as_field(k))
    assert as_field(2)() == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RateField(DOMAINS["no-flux line"], 20, 1.0), ValueError, "`modes` must be an integer from 1 to 19"),
        (lambda: RateField(DOMAINS["no-flux line"], 2, 0.0), ValueError, "`std`.*must be positive, got 0.0"),
        (lambda: RateField(DOMAINS["no-flux line"], 2, 1.0, length=-1.0), ValueError, "`length`.*positive, got -1.0"),
        (lambda: as_field(np.array([1.0, 0.0])), ValueError, "positive and finite at every pixel, got values from 0.0"),
        (lambda: as_field("fast"), TypeError, "`rate_field` must be a `RateField`, a number or an array.*got str"),
    ],
)
def test_errors_say_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()

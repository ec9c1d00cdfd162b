"""Laws have the values and priors they state, their leaves are the unknown numbers, and they are smooth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.physics import laws

C = jnp.linspace(0.05, 0.95, 7)


def cubic(c):
    return c**3 - c


def draws(law, c, number=4000):
    keys = jax.random.split(jax.random.key(0), number)
    return np.asarray(jax.jit(jax.vmap(lambda key: laws.draw(law, key=key)(c)))(keys))


def unknowns(law):
    return sum(x.size for x in jax.tree.leaves(law))


def moved(law, by=0.7):
    return jax.tree.map(lambda x: x + by, law)


LAWS = {
    "Constant": (lambda: laws.Constant(1.5), 0),
    "Known": (lambda: laws.Known(cubic), 0),
    "Known, on a span": (lambda: laws.Known(jnp.log, span=(0.01, 1.0)), 0),
    "Unknown": (lambda: laws.Unknown(2.0, 0.5), 1),
    "positive": (lambda: laws.positive(2e-3, factor=3), 1),
    "Legendre": (lambda: laws.Legendre(4), 4),
    "Spline": (lambda: laws.Spline(np.linspace(0, 1, 6)), 7),
    "Monotone": (lambda: laws.Monotone(np.linspace(0, 1, 6), laws.positive(2.0, factor=2)), 7),
    "Neural": (lambda: laws.Neural(width=2), 6),
    "Exp": (lambda: laws.Exp(laws.Unknown(-1.6, 1.0) + laws.Legendre(2)), 3),
    "IdealMixing": (lambda: laws.IdealMixing(), 0),
    "RegularSolution": (lambda: laws.RegularSolution(3.0), 0),
    "RegularSolution, unknown": (lambda: laws.RegularSolution(laws.Unknown(3.0, 0.5)), 1),
    "RedlichKister": (lambda: laws.RedlichKister([3.0, laws.Unknown(0.0, 0.5), laws.Unknown(0.0, 0.3)]), 2),
    "Degenerate": (lambda: laws.Degenerate(2.0), 0),
    "Degenerate, unknown": (lambda: laws.Degenerate(laws.positive(1.0, factor=3)), 1),
    "Sum": (lambda: laws.RegularSolution(3.0) + laws.Legendre(4), 4),
    "Product": (lambda: laws.Legendre(2) * laws.Unknown(1.0, 0.1), 3),
}
EVERY = pytest.mark.parametrize("name", LAWS)


@EVERY
def test_leaves_are_the_unknown_numbers_and_start_at_zero(name):
    make, number = LAWS[name]
    assert unknowns(make()) == number
    assert all((x == 0).all() and jnp.issubdtype(x.dtype, jnp.floating) for x in jax.tree.leaves(make()))


@EVERY
def test_shape_and_precision_are_those_of_the_compositions(name):
    law = moved(LAWS[name][0]())
    assert law(C.reshape(7, 1)).shape == (7, 1)
    assert law(jnp.asarray(0.3)).shape == ()
    single = jax.tree.map(lambda x: x.astype(jnp.float32), law)
    assert single(C.astype(jnp.float32)).dtype == jnp.float32


@EVERY
def test_derivative_is_that_of_finite_differences(name):
    law, h = moved(LAWS[name][0]()), 1e-5
    c = jnp.asarray([-0.02, 0.03, 0.31, 0.5, 0.77, 0.97, 1.02])
    np.testing.assert_allclose(laws.derivative(law, c), (law(c + h) - law(c - h)) / (2 * h), rtol=1e-6, atol=1e-6)


@EVERY
def test_frozen_law_is_the_same_without_unknowns(name):
    law = moved(LAWS[name][0]())
    frozen = laws.freeze(law)
    assert unknowns(frozen) == 0
    np.testing.assert_array_equal(frozen(C), law(C))
    np.testing.assert_allclose(jax.jit(lambda f, c: f(c))(frozen, C), law(C), rtol=1e-14, atol=1e-15)
    assert frozen.uniform == law.uniform
    assert hash(jax.tree.structure(frozen)) == hash(jax.tree.structure(laws.freeze(law)))


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_law_is_finite_and_smooth_wherever_a_trial_run_strays(name, dtype):
    """Every step of the slope over [-5, 6] shrinks with the grid: no jump of value or slope at any joint."""
    law = jax.tree.map(lambda x: x.astype(dtype), moved(LAWS[name][0]()))
    both = jax.jit(lambda c: (law(c), laws.derivative(law, c)))
    c = jnp.concatenate([jnp.linspace(-5, 6, 1101), jnp.asarray([-100.0, 100.0])]).astype(dtype)
    for values in both(c):
        assert values.dtype == dtype
        assert jnp.isfinite(values).all()
    for joint in (0.0, 1.0, 0.01, laws.EDGE, 1 - laws.EDGE):
        if dtype == "float64":
            close = jnp.asarray([joint - 1e-9, joint, joint + 1e-9])
            for values in both(close):
                np.testing.assert_allclose(values, values[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("law", "exact"),
    [
        (laws.Constant(1.5), lambda c: 1.5 + 0 * c),
        (laws.Known(cubic), cubic),
        (laws.Unknown(2.0, 0.5), lambda c: 2.0 + 0 * c),
        (laws.positive(2e-3, factor=3), lambda c: 2e-3 + 0 * c),
        (laws.Legendre(4), lambda c: 0 * c),
        (laws.Spline(np.linspace(0, 1, 6)), lambda c: 0 * c),
        (laws.Exp(1.0), lambda c: np.e + 0 * c),
        (laws.IdealMixing(), lambda c: np.log(c / (1 - c))),
        (laws.RegularSolution(3.0), lambda c: np.log(c / (1 - c)) + 3 * (1 - 2 * c)),
        (laws.Degenerate(2.0), lambda c: 2 * c * (1 - c)),
        (laws.RedlichKister([3.0]), lambda c: np.log(c / (1 - c)) + 3 * (1 - 2 * c)),
        (laws.Neural(), lambda c: 0 * c),
        (laws.Monotone([0, 0.2, 0.7, 1], 3.0), lambda c: 3 * c),
        (laws.Monotone([0.05, 0.2, 0.7, 0.95], -2.0), lambda c: -2 * (c - 0.05) / 0.9),
        (laws.RegularSolution(3.0) + 1, lambda c: np.log(c / (1 - c)) + 3 * (1 - 2 * c) + 1),
        (2 + laws.Known(cubic), lambda c: 2 + cubic(c)),
        (laws.Known(cubic) * 3, lambda c: 3 * cubic(c)),
        (0.5 * laws.Degenerate(1.0) * cubic, lambda c: 0.5 * c * (1 - c) * cubic(c)),
        (laws.as_law(2.0) + laws.Known(cubic), lambda c: 2 + cubic(c)),
    ],
)
def test_values_at_the_prior_centre(law, exact):
    np.testing.assert_allclose(law(C), exact(np.asarray(C)), rtol=1e-12, atol=1e-15)


def test_legendre_is_the_series_it_states():
    law = moved(laws.Legendre(5, std=0.7, span=(0.2, 0.8)))
    n = np.arange(1, 6)
    series = np.polynomial.Legendre([0, *(0.7 * 0.7 * np.sqrt(2 / (n * (n + 1))))], domain=(0.2, 0.8))
    c = np.linspace(0.2, 0.8, 11)
    np.testing.assert_allclose(law(jnp.asarray(c)), series(c), rtol=1e-12, atol=1e-14)


def test_spline_reproduces_a_straight_line():
    # control points that climb evenly in Greville abscissae make the line itself
    knots = np.linspace(0, 1, 6)
    law = laws.Spline(knots, std=2.0)
    repeated = np.concatenate([[0] * 3, knots, [1] * 3])
    greville = np.array([repeated[i + 1 : i + 4].mean() for i in range(len(knots) + 2)])
    steps = np.diff(greville) * np.sqrt(len(knots) + 1) / 2.0
    law = jax.tree.map(lambda _: jnp.asarray(steps), law)
    np.testing.assert_allclose(law(C), C - greville.mean(), atol=1e-12)


def test_spline_is_local():
    law = laws.Spline(np.linspace(0, 1, 8))
    near_the_end = law.coordinates.at[-1].set(1.0)
    change = jax.tree.map(lambda _: near_the_end, law)(C) - law(C)
    # one control point moved: all else shifts by the mean alone
    np.testing.assert_allclose(change[:-2], change[0], atol=1e-12)
    assert abs(change[-1] - change[0]) > 0.01


@pytest.mark.parametrize(
    ("law", "at", "std"),
    [
        (laws.Unknown(2.0, 0.5), 0.5, 0.5),
        # a₁ alone reaches the ends with weight one: P₁(1) = 1
        (laws.Legendre(1, std=0.3), 1.0, 0.3),
        (laws.Legendre(3, std=2.0), 1.0, 2.0 * np.sqrt(1 + 1 / 3 + 1 / 6)),
    ],
)
def test_prior_draws_have_the_stated_spread(law, at, std):
    # the spread of 4000 draws is known to 1.1 %
    np.testing.assert_allclose(draws(law, jnp.asarray(at)).std(), std, rtol=0.05)


def test_positive_is_within_its_factor_for_two_draws_in_three():
    values = draws(laws.positive(2e-3, factor=3), jnp.asarray(0.5))
    assert (values > 0).all()
    np.testing.assert_allclose(np.median(values), 2e-3, rtol=0.08)
    np.testing.assert_allclose(np.log(values).std(), np.log(3), rtol=0.05)


def test_spline_draws_change_by_std_over_the_span():
    values = draws(laws.Spline(np.linspace(0, 1, 6), std=0.4), jnp.asarray([0.0, 1.0]))
    np.testing.assert_allclose((values[:, 1] - values[:, 0]).std(), 0.4, rtol=0.05)
    assert abs(values.mean()) < 0.02


def test_legendre_levels_off_beyond_its_span():
    law = moved(laws.Legendre(3, std=1.0))
    slope = laws.derivative(law, jnp.asarray(1.0))
    np.testing.assert_allclose(law(jnp.asarray(1e13)), law(jnp.asarray(1.0)) + laws.LEVEL * slope, rtol=1e-12)


@pytest.mark.parametrize(
    ("law", "uniform"),
    [
        (laws.Constant(1.0), True),
        (laws.positive(1.0, factor=2), True),
        (laws.Unknown(0.0, 1.0) + 2.0, True),
        (laws.Unknown(0.0, 1.0) * laws.Legendre(1), False),
        (laws.Known(cubic), False),
        (laws.RegularSolution(3.0), False),
        (laws.Degenerate(1.0), False),
        (laws.Neural(), False),
        (laws.Monotone([0, 0.3, 0.6, 1], 1.0), False),
        (laws.RedlichKister([3.0]), False),
    ],
)
def test_uniform_says_whether_composition_matters(law, uniform):
    assert law.uniform is uniform


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: laws.Constant(np.nan), ValueError, "must be finite, got nan"),
        (lambda: laws.Unknown(1.0, 0.0), ValueError, r"`std`.*positive and finite, got 0\.0"),
        (lambda: laws.Legendre(2, std=-1.0), ValueError, r"`std`.*got -1\.0"),
        (lambda: laws.Spline([0, 0.3, 0.6, 1], std=np.inf), ValueError, "`std`.*got inf"),
        (lambda: laws.Legendre(0), ValueError, "`degree` must be an integer of at least one, got 0"),
        (lambda: laws.Legendre(2.5), ValueError, r"`degree`.*got 2\.5"),
        (
            lambda: laws.Legendre(2, span=(1.0, 0.0)),
            ValueError,
            r"`span` must be an increasing pair, got \(1\.0, 0\.0\)",
        ),
        (lambda: laws.Spline([0, 0.5, 1]), ValueError, "`knots` must be at least four increasing"),
        (lambda: laws.Spline([0, 0.5, 0.4, 1]), ValueError, "`knots` must be at least four increasing"),
        (lambda: laws.positive(-1.0, factor=3), ValueError, r"value > 0 and factor > 1, got value=-1\.0, factor=3"),
        (lambda: laws.positive(1.0, factor=1), ValueError, "factor > 1, got value=1.0, factor=1"),
        (lambda: laws.RegularSolution(laws.Legendre(2)), ValueError, "`omega` must be one number.*got Legendre"),
        (lambda: laws.RedlichKister(3.0), TypeError, "`terms` must be a sequence .*, got 3.0"),
        (lambda: laws.RedlichKister([]), ValueError, "`terms` must hold at least one number"),
        (lambda: laws.RedlichKister([3.0, laws.Legendre(2)]), ValueError, r"`terms\[1\]` must be one number"),
        (lambda: laws.Monotone([0, 0.5, 1], 1.0), ValueError, "`knots` must be at least four increasing"),
        (lambda: laws.Monotone([0, 0.2, 0.5, 1], laws.Legendre(1)), ValueError, "`rise` must be one number"),
        (lambda: laws.Monotone([0, 0.2, 0.5, 1], 1.0, std=0.0), ValueError, "`std`.*got 0.0"),
        (lambda: laws.Neural(width=1), ValueError, "`width` must be an integer of at least two, got 1"),
        (lambda: laws.Neural(width=2.5), ValueError, r"`width`.*got 2\.5"),
        (lambda: laws.Neural(std=-1.0), ValueError, r"`std`.*got -1\.0"),
        (lambda: laws.Neural(span=(1.0, 0.0)), ValueError, "`span` must be an increasing pair"),
        (lambda: laws.Known(cubic, span=(1.0, 0.0)), ValueError, "`span` must be an increasing pair"),
        (lambda: laws.as_law("3"), TypeError, "a number or a function of composition, got str"),
        (lambda: laws.Degenerate([1.0, 2.0]), TypeError, "a law must be .*, got list"),
        (lambda: laws.Legendre(2) + None, TypeError, "a law must be .*, got NoneType"),
    ],
)
def test_errors_say_what_is_wrong(make, kind, message):
    with pytest.raises(kind, match=message):
        make()

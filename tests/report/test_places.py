"""A fitted rate field is shown as a map with its error, and what the movie told of it in a sentence."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.inference import Given, Posterior, Problem, fit, laplace
from operax.movie import Movie
from operax.noise import Gaussian
from operax.physics import Current, Intercalation, RateField, kinetics, laws, simulate
from operax.report import figures, places, report

PLANE = Domain((8, 10), 0.1, inside=np.hypot(*np.mgrid[-3.5:4, -4.5:5]) < 4.2)
LINE = Domain(12, 0.1)
# Part of the prior's standard deviation that the draws keep.
LEFT = 0.2


def equation(field):
    return Intercalation(
        kinetics.ButlerVolmer(laws.positive(1.0, factor=2)),
        laws.RegularSolution(3.0),
        1e-3,
        Current(0.5),
        rate_field=field,
    )


def drawn(domain, std=0.5, modes=6):
    """A posterior whose field lies one prior standard deviation off, and is known to a fifth of it."""
    best = equation(RateField(domain, modes, std))
    best = jax.tree.map(jnp.ones_like, best)
    rng = np.random.default_rng(0)
    draws = jax.tree.map(lambda leaf: leaf + LEFT * jnp.asarray(rng.normal(size=(400, *leaf.shape))), best)
    return Posterior(best, draws, None, "made by hand")


def movie(domain):
    return Movie(jnp.full((3, *domain.shape), 0.5), jnp.arange(3.0), domain, units=("um", "h", "1"))


@pytest.mark.parametrize("domain", [PLANE, LINE], ids=["plane", "line"])
def test_the_section_says_how_much_the_movie_told(domain):
    posterior = drawn(domain)
    section = places.rates(posterior, movie(domain), None)
    (said,) = section.paragraphs
    logs = np.log(np.asarray(posterior(lambda e: e.rate_field()))[:, domain.inside])
    told = re.search(r"removed (\d+) % of its variance", said)
    assert float(told[1]) == pytest.approx(100 * (1 - LEFT**2), abs=2)
    low, high = np.quantile(np.exp(np.median(logs, 0)), [0.01, 0.99])
    assert f"from {low:.3g} to {high:.3g}" in said
    assert "0.5 under the prior" in said
    assert section.pictures[0].png.startswith(b"\x89PNG")


def test_the_truth_is_compared_without_its_level():
    posterior = drawn(PLANE)
    true = equation(7.0 * np.where(PLANE.inside, np.asarray(posterior.best.rate_field()), 1.0))
    section = places.rates(posterior, movie(PLANE), true)
    assert section.paragraphs[1] == "The truth lies inside the 95 % band at 100 % of the pixels."
    other = places.rates(posterior, movie(PLANE), equation(1.0))
    hit = float(re.search(r"at (\d+) % of", other.paragraphs[1])[1])
    assert hit < 60, "an even field is not what was found"


def test_an_equation_without_an_unknown_field_has_no_map():
    assert places.rates(Posterior(equation(2.0), equation(2.0), None, "by hand"), movie(PLANE), None) is None


def test_rates_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`draws` must hold positive rates of the domain's shape \(8, 10\)"):
        figures.rates(np.ones((3, 8, 9)), PLANE)
    with pytest.raises(ValueError, match="`truth` must hold positive rates"):
        figures.rates(np.ones((3, 8, 10)), PLANE, truth=-np.ones((8, 10)))


def test_a_volume_is_shown_by_its_middle_plane():
    domain = Domain((3, 4, 5))
    field = np.ones((2, 3, 4, 5))
    field[:, 1] = 4.0
    middle = figures.rates(field, domain).axes[0].images[0].get_array()
    np.testing.assert_allclose(middle, np.log(4.0))


@pytest.mark.slow
def test_a_fitted_rate_field_is_found_and_reported(tmp_path):
    disc = Domain((14, 14), 0.1, inside=np.hypot(*np.mgrid[-6.5:7, -6.5:7]) < 6.3)
    wanted = jax.tree.map(lambda x: jax.random.normal(jax.random.key(1), x.shape), RateField(disc, 5, 0.5))

    def made(level, field):
        kinetic = kinetics.ButlerVolmer(laws.Degenerate(level))
        return Intercalation(kinetic, laws.RegularSolution(1.5), 0.01, Current(0.6), rate_field=field)

    true = made(2.0, np.where(disc.inside, np.asarray(wanted()), 1.0))
    clean = simulate(true, jnp.where(jnp.asarray(disc.inside), 0.2, 0.0), jnp.linspace(0.0, 1.0, 9), disc)
    noisy = 0.02 * jax.random.normal(jax.random.key(2), clean.frames.shape)
    movie = clean.replace(frames=clean.frames + noisy, units=("um", "h", "Li fraction"))
    # even at the first frame: a start before it would hold a pattern that undoes that of the field
    problem = Problem(movie, clean, Gaussian(0.02), start=Given())
    best = fit(made(laws.positive(1.0, factor=3), RateField(disc, 5, 0.5)), problem)
    posterior = laplace(best, problem, key=jax.random.key(3))
    text = report(posterior, problem, tmp_path / "r.html", truth=true).read_text("utf-8")
    assert "Where the rate is higher" in text
    assert float(re.search(r"removed (?:more than )?(\d+) % of its variance", text)[1]) > 80
    assert float(re.search(r"band at (\d+) % of the pixels", text)[1]) > 70

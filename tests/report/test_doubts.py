import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax.domain import Domain
from operax.inference import Calibrated, unknowns
from operax.movie import Movie
from operax.noise import Gaussian
from operax.physics import AllenCahn
from operax.report import plot
from operax.report.belief import bands
from operax.report.residual import correlations


def test_correlations_are_those_of_a_moving_average():
    noise = np.random.default_rng(0).normal(size=(40, 60, 60))
    smooth = (noise + np.roll(noise, 1, 1)) / 2**0.5
    smooth[:, :5, :5] = np.nan
    (_, time, _), (lags, rows, pairs), (_, columns, _) = correlations(smooth)
    assert rows[0] == pytest.approx(0.5, abs=0.02)
    assert np.abs(np.concatenate([time, rows[1:], columns])).max() < 0.03
    assert lags.tolist() == list(range(1, 9))
    # pixels five rows down have no partner where the corner is missing
    assert pairs[0] == 40 * (59 * 60 - 5 * 5)


def test_too_few_pairs_are_left_out():
    (_, time, _), (_, rows, _) = correlations(np.random.default_rng(0).normal(size=(3, 9)))
    assert len(time) == 0
    assert len(rows) == 2  # 24 and 21 pairs
    assert all(len(lags) == 0 for lags, _, _ in correlations(np.full((3, 9), np.nan)))


def test_autocorrelation_is_drawn_for_every_axis():
    domain = Domain((20, 20))
    still = Movie(jnp.zeros((6, 20, 20)), jnp.arange(6.0), domain)
    noisy = still.replace(frames=jnp.asarray(np.random.default_rng(0).normal(size=(6, 20, 20))))
    ax = plot.autocorrelation(still, noisy, Gaussian(1.0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["time", "row", "column"]
    assert ax.lines[1].get_xdata().tolist() == list(range(1, 9))


def test_balance_shows_the_means_and_the_energy():
    domain = Domain((8, 8), 0.1)
    still = Movie(jnp.full((4, 8, 8), 0.5), jnp.arange(4.0), domain, units=("um", "h", "1"))
    equation = AllenCahn(1.0, lambda c: c - 0.5, 1e-3)
    figure = plot.balance(still.replace(frames=still.frames + 0.1), still, equation)
    measured, fit = figure.axes[0].lines
    np.testing.assert_allclose(measured.get_ydata(), 0.5)
    np.testing.assert_allclose(fit.get_ydata(), 0.6)
    # ∫ of (c − ½)²/2 over 0.64
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), 0.64 * 0.1**2 / 2, rtol=1e-5)
    assert figure.axes[1].get_xlabel() == "time (h)"
    assert len(plot.balance(still, still).axes) == 1


def test_corner_shows_the_numbers_that_the_movie_narrowed_most(posterior):
    figure = plot.corner(posterior, most=2)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert len(shown) == 3
    draws = np.concatenate([np.asarray(leaf).reshape(300, -1) for leaf in jax.tree.leaves(posterior.draws)], 1)
    narrow = np.sort(np.argsort(draws.std(0))[:2])
    names = [unknowns(posterior.best)[i] for i in narrow]
    assert [title for ax in shown if (title := ax.get_title(loc="left"))] == names
    assert "coordinate" not in " ".join(names)
    with pytest.raises(ValueError, match="`most` must be at least 1, got 0"):
        plot.corner(posterior, most=0)


def test_measured_coverage_is_told_with_its_limits(posterior):
    ranks = np.concatenate([np.arange(100), [0, 0]])[:, None]
    found = Calibrated(ranks, np.full(102, 99), np.zeros((102, 1)), ("D(½)",), lost=("did not converge",))
    section = bands(posterior, found)
    said = " ".join(section.paragraphs)
    assert "In 102 simulated experiments" in said
    assert "1 more experiments gave no posterior" in said
    (name, *cells), (everything, *pooled) = section.tables[0].rows
    assert (name, everything) == ("D(½)", "all together")
    assert pooled[0].startswith("67 % (5")
    assert cells[0].startswith("67 % (5")
    assert "was not measured for this movie" in " ".join(bands(posterior, None).paragraphs)

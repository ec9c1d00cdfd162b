import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from operax.domain import Domain
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report import plot
from operax.report.laws import Curve

C = jnp.linspace(0.0, 1.0, 21)
DRAWS = C[None] + 0.1 * jax.random.normal(jax.random.key(0), (400, 1))
TEXT = ("nm", "h", "Li fraction")


def platelets(frames=6, **more):
    mask = np.ones((12, 16), bool)
    mask[:3] = False
    values = jax.random.uniform(jax.random.key(1), (frames, 12, 16))
    return Movie(values, 0.5 * jnp.arange(frames), Domain((12, 16), 20.0, inside=mask), units=TEXT, **more)


def texts(figure):
    return {t.get_text() for t in figure.findobj(matplotlib.text.Text)}


def test_band_draws_median_and_nested_bands():
    ax = plot.band(C, DRAWS, label="D(c) (um²/s)", truth=C, visited=jnp.linspace(0.2, 0.8, 500))
    median = ax.lines[0].get_ydata()
    np.testing.assert_allclose(median, np.median(DRAWS, 0), rtol=1e-6)
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {"95 %", "68 %", "median", "truth", "visited"}
    assert ax.get_ylabel() == "D(c) (um²/s)"
    wide, narrow = (ax.collections[i].get_paths()[0].vertices[:, 1] for i in (0, 1))
    assert np.ptp(wide) > np.ptp(narrow)


def test_band_axes_are_made_for_the_visited_range():
    wild = DRAWS.at[:, -1].mul(1e4)
    ax = plot.band(C, wild, visited=jnp.linspace(0.2, 0.8, 500))
    assert ax.get_ylim()[1] < 2
    positive = plot.band(C, DRAWS + 0.2, visited=jnp.linspace(0.2, 0.8, 500))
    assert positive.get_ylim()[0] >= 0


def test_figures_draw_where_they_are_told_and_leave_no_trace():
    before = dict(matplotlib.rcParams)
    figure = Figure()
    ax = figure.subplots()
    assert plot.band(C, DRAWS, ax) is ax
    assert plot.movie({"raw": platelets()}, figure=Figure()) is not figure
    assert dict(matplotlib.rcParams) == before
    # figures of no window system: pyplot, which keeps every figure it makes, knows none of them
    assert pyplot.get_fignums() == []


def test_movie_has_a_row_a_movie_a_column_a_time_and_units():
    raw = platelets()
    figure = plot.movie({"raw": raw, "fit": raw[1:5]}, frames=[0, 2, 3])
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 6
    assert len({im.norm.vmin for ax in panels for im in ax.images}) == 1
    shown = panels[1].images[0].get_array()
    np.testing.assert_allclose(shown[3:], np.asarray(raw.frames[2])[3:], rtol=1e-6)
    assert shown.mask[:3].all()
    # the fit has no frame at the first time
    assert panels[3].images[0].get_array().mask.all()
    assert {"raw", "fit", "t = 0 h", "t = 1 h", "Li fraction", "100 nm"} <= texts(figure)


def test_five_frames_are_chosen_among_those_all_movies_have():
    raw = platelets(frames=20)
    figure = plot.movie({"raw": raw, "fit": raw[10:]})
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 10
    assert not any(ax.images[0].get_array().mask[3:].any() for ax in panels)


def test_a_line_is_an_image_of_time_and_position(raw):
    figure = plot.movie({"raw": raw})
    image = figure.axes[0].collections[0]
    np.testing.assert_allclose(image.get_array(), np.asarray(raw.frames).T, rtol=1e-6)
    assert {"time (frame)", "position (px)", "water content"} <= texts(figure)


def test_a_volume_shows_its_middle_plane():
    values = jnp.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    figure = plot.movie({"raw": Movie(values, jnp.arange(2.0), Domain((3, 4, 5)))}, frames=[1])
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), values[1, 1])


def test_residuals_are_centred_and_in_units_of_the_noise():
    raw = platelets()
    predicted = raw.replace(frames=raw.frames - 0.3)
    figure = plot.residuals(predicted, raw, Gaussian(0.1), frames=[0])
    image = figure.axes[0].images[0]
    np.testing.assert_allclose(image.get_array()[3:], 3.0, rtol=1e-4)
    assert image.norm.vmin == -image.norm.vmax


@pytest.mark.parametrize("shape", [(20, 30), (100, 100)])
def test_predicted_against_measured_shows_the_mean(shape):
    truth = Movie(jax.random.uniform(jax.random.key(0), (2, *shape)), jnp.arange(2.0), Domain(shape))
    ax = plot.predicted_against_measured(truth, truth.replace(frames=truth.frames + 0.25))
    means = next(line for line in ax.lines if line.get_label() == "mean of measured")
    np.testing.assert_allclose(means.get_ydata() - means.get_xdata(), 0.25, rtol=1e-4)


def test_front_line_states_its_slope():
    domain, t = Domain(60, 0.5), np.arange(20.0)
    values = 1 / (1 + np.exp((domain.centres()[0] - 4 - 2 * np.sqrt(t)[:, None]) / 0.6))
    ax = plot.front(Movie(values, t, domain, units=("mm", "h", "1")))
    assert "line, slope 2 mm/√h" in {line.get_label() for line in ax.lines}
    assert ax.get_xlabel() == "√time (√h)"


def test_history_falls(posterior):
    left = plot.history(posterior.fit).lines[0].get_ydata()
    assert (np.diff(left) < 0).all()


def test_text_from_a_file_is_not_read_as_a_formula():
    odd = platelets().replace(units=("$\\frac{", "$^", "$\\bad{$ unit"))
    assert plot.png(plot.movie({"$\\raw{$": odd})).startswith(b"\x89PNG")
    assert plot.png(plot.predicted_against_measured(odd, odd).figure).startswith(b"\x89PNG")


def test_png_is_the_same_on_every_run(raw, predicted):
    assert plot.png(plot.profiles(predicted, raw).figure) == plot.png(plot.profiles(predicted, raw).figure)


def test_laws_share_one_figure():
    curves = [Curve(name, C, DRAWS, None) for name in ("a", "b", "c")]
    figure = plot.laws(curves, jnp.linspace(0.2, 0.8, 50))
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_visible() and ax.get_ylabel()] == ["a", "b", "c"]


def test_refusals_say_what_is_needed():
    raw = platelets()
    colour = Movie(jnp.zeros((2, 4, 4, 3)), jnp.arange(2.0), Domain((4, 4)))
    with pytest.raises(ValueError, match=r"`draws` must have shape \(draw, 21\)"):
        plot.band(C, DRAWS[:, :3])
    with pytest.raises(ValueError, match="`truth` must have one value for each of 21"):
        plot.band(C, DRAWS, truth=C[:3])
    with pytest.raises(ValueError, match=r"`levels` must lie between 0 and 1, got \(95,\)"):
        plot.band(C, DRAWS, levels=(95,))
    with pytest.raises(ValueError, match="`movies` is empty"):
        plot.movie({})
    with pytest.raises(ValueError, match=r"`rgb` is a colour movie .*draw one channel at a time"):
        plot.movie({"rgb": colour})
    with pytest.raises(ValueError, match="movies must lie on one domain; `b`"):
        plot.movie({"a": raw, "b": raw.crop(slice(0, 8), slice(0, 8))})
    with pytest.raises(ValueError, match="`frames` must be numbers of frames from 0 to 5"):
        plot.movie({"a": raw}, frames=[6])
    with pytest.raises(ValueError, match="profiles are drawn of movies along a line"):
        plot.profiles(raw, raw)


def test_few_pixels_among_many_alike_are_seen():
    values = np.full((1, 40, 50), 0.02)
    values[0, 3, 4:7] = 0.4
    image = plot.movie({"a": Movie(values, jnp.zeros(1), Domain((40, 50)))}).axes[0].images[0]
    assert (image.norm.vmin, image.norm.vmax) == (0.02, 0.4)

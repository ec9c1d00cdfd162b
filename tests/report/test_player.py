import io
import json
import re

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import Normalize
from PIL import Image

from operax.domain import Domain
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report.figures.screens import screens
from operax.report.figures.sheets import reduced, sheet
from operax.report.page import Page, Section, render
from operax.report.player import PIXELS, SIDE, play

NASTY = "</script><img src=x onerror=alert(1)> \"quoted\" 'too'"


def movie(frames=7, shape=(6, 8), units=("um", "s", "1"), **more):
    rng = np.random.default_rng(0)
    domain = Domain(shape, (0.5, 0.25), inside=more.pop("inside", None))
    return Movie(rng.uniform(size=(frames, *shape)), jnp.arange(float(frames)), domain, units=units, **more)


def test_a_sheet_holds_every_frame_in_the_colours_of_the_map():
    values = np.linspace(0, 1, 7 * 6 * 8).reshape(7, 6, 8)
    values[2, 0, 0] = np.nan
    png, columns = sheet(values, Normalize(0, 1), "viridis")
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)
    wanted = np.asarray(matplotlib.colormaps["viridis"](values))[..., :3] * 255
    for n in range(7):
        row, column = divmod(n, columns)
        seen = picture[6 * row : 6 * row + 6, 8 * column : 8 * column + 8]
        known = np.isfinite(values[n])
        assert np.abs(seen - wanted[n])[known].max() < 4
    assert picture[6 * (2 // columns), 8 * (2 % columns)].tolist() == [189, 189, 189]


def test_screens_share_the_first_movies_times():
    raw = movie(variance=jnp.full((7, 6, 8), 0.04))
    fit = raw[2:5].replace(variance=None)
    shown = screens({"raw": raw, "fit": fit.replace(frames=fit.frames - 0.2)}, "fit")
    assert [screen.name for screen in shown] == ["raw", "fit", "residual"]
    assert np.isnan(shown[1].values[[0, 1, 5, 6]]).all()
    np.testing.assert_allclose(shown[2].values[2:5], 1.0, rtol=1e-6)
    assert (shown[2].norm.vmin, shown[2].norm.vmax) == (-4, 4)
    with pytest.raises(ValueError, match=r"`predicted` must name one of raw; got 'fit'"):
        screens({"raw": raw}, "fit")
    with pytest.raises(ValueError, match="a movie along a line has no frames to play"):
        screens({"raw": Movie(np.zeros((2, 5)), np.arange(2.0), Domain(5))})


def test_means_of_squares_leave_out_what_is_not_known():
    values = np.arange(30.0).reshape(1, 5, 6)
    values[0, 0, :2] = values[0, 4, 4:] = np.nan
    small = reduced(values, 2)
    assert small.shape == (1, 3, 3)
    assert small[0, 0, 0] == 6.5
    assert np.isnan(small[0, 2, 2])
    assert small[0, 1, 1] == values[0, 2:4, 2:4].mean()


def test_a_movie_too_large_for_a_page_is_thinned_and_the_caption_says_so():
    frames = np.random.default_rng(0).uniform(size=(60, 2 * SIDE, SIDE)).astype(np.float32)
    large = Movie(frames, np.arange(60.0), Domain((2 * SIDE, SIDE)))
    player = play({"raw": large}, None, "All of it.")
    assert player.shape == (SIDE, SIDE // 2)
    assert len(player.clock) * SIDE * SIDE // 2 <= PIXELS
    assert "A pixel shown is the mean of 2 × 2." in player.caption
    assert not re.search("One frame in", player.caption)
    longer = Movie(np.tile(frames[:, :SIDE], (2, 1, 1)), np.arange(120.0), Domain((SIDE, SIDE)))
    player = play({"raw": longer}, None, "All of it.")
    assert "One frame in 4 is shown." in player.caption
    assert player.clock[1] == "t = 4 frame"


def test_the_scale_bar_is_a_length_and_frames_keep_their_shape():
    player = play({"raw": movie()}, None, "")
    assert player.scale == (0.25, "0.5 um")
    assert player.aspect == pytest.approx(2 / 3)
    assert player.clock[3] == "t = 3 s"


def test_what_a_file_says_is_text_and_nothing_else():
    player = play({NASTY: movie(units=(NASTY, NASTY, NASTY))}, None, NASTY)
    page = render(Page("t", "h", (), (Section("s", players=(player,)),)))
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<img src=x" not in page
    held = re.search(r'data-clock="([^"]*)"', page)[1]
    unescaped = held.replace("&#34;", '"').replace("&amp;", "&")
    assert json.loads(unescaped)[2] == f"t = 2 {NASTY}"


def test_a_page_without_a_movie_has_no_script():
    assert "<script" not in render(Page("t", "h", (), (Section("s"),)))


def test_noise_of_a_residual_is_asked_for():
    raw = movie()
    with pytest.raises(ValueError, match="the noise of `measured` is not known"):
        screens({"raw": raw, "fit": raw}, "fit")
    assert screens({"raw": raw, "fit": raw}, "fit", Gaussian(0.1))[2].values.max() == 0

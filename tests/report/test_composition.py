"""The report of a composition without a fit says what was seen, and how sure it is."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from operax.denoise import TemporalMean, assess
from operax.domain import Domain
from operax.movie import Movie
from operax.noise import Gaussian
from operax.report.composition import LISTED, composition_report

SIGMA = 0.05


@pytest.fixture
def composition():
    rng = np.random.default_rng(0)
    inside = np.ones((10, 12), bool)
    inside[:, :2] = False
    rising = np.linspace(0.2, 0.8, 20)[:, None, None] * np.ones((20, 10, 12))
    return Movie(
        np.where(inside, rising + SIGMA * rng.normal(size=rising.shape), 0.0),
        np.arange(20.0),
        Domain((10, 12), 0.1, inside=inside),
        variance=jnp.full(rising.shape, SIGMA**2),
        units=("um", "s", "<b>Li</b> fraction"),
    )


def cells(path):
    rows = re.findall(r"<tr>(.*?)</tr>", path.read_text("utf-8"), re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]


def test_table_holds_the_means_of_the_pixels_inside(composition, tmp_path):
    path = composition_report(composition, None, tmp_path / "c.html", figures_folder=tmp_path / "png")
    text = path.read_text("utf-8")
    assert "20 frames of 100 pixels inside. No law was fitted" in text
    rows = [row for row in cells(path) if re.fullmatch(r"\d+", row[0])]
    assert len(rows) == LISTED
    assert (rows[0][0], rows[-1][0]) == ("0", "19")
    means = np.array([[float(cell) for cell in row] for row in rows])
    np.testing.assert_allclose(means[:, 1], np.linspace(0.2, 0.8, 20)[means[:, 0].astype(int)], atol=0.02)
    np.testing.assert_allclose(means[:, 2:], SIGMA, rtol=0.25)
    assert {f.name for f in (tmp_path / "png").iterdir()} == {"composition.png", "std.png"}
    assert "<b>Li</b>" not in text
    assert "Checks of the denoised frames" not in text
    assert text.count("<canvas") == 1, "a movie is played"


def test_denoised_frames_stand_beside_the_raw_ones_with_their_checks(composition, tmp_path):
    denoised = TemporalMean(3)(composition)
    judged = assess(None, composition, denoised, Gaussian(SIGMA))
    path = composition_report(composition, denoised, tmp_path / "c.html", denoising=judged, notes=("counted twice",))
    text = path.read_text("utf-8")
    assert "mean, denoised" in text
    assert "Checks of the denoised frames" in text
    assert "Residual of the denoiser is white" in text
    assert "counted twice" in text
    assert text.count("<canvas") == 2


def test_one_picture_without_variance_has_a_page_too(composition, tmp_path):
    one = composition[:1].replace(variance=None)
    text = composition_report(one, None, tmp_path / "c.html").read_text("utf-8")
    assert "1 frame of 100 pixels inside" in text
    assert "noise of a pixel</th>" not in text
    assert "<canvas" not in text, "one frame has nothing to play"
    with pytest.raises(FileNotFoundError, match="make it before writing"):
        composition_report(one, None, tmp_path / "missing" / "c.html")

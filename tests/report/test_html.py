import re
from html.parser import HTMLParser
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import denoise
from operax.domain import Domain
from operax.inference import Averaging, Fit, Given, Problem, laplace
from operax.inference.linearise import NormalEquations
from operax.movie import Movie
from operax.noise import Gaussian
from operax.physics import CahnHilliard, laws
from operax.physics.plan import StepPlan
from operax.report import denoise_report, page, report
from operax.report.about import flatten, units
from operax.report.laws import default_quantities, readings

NASTY = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Collects what a page loads, its text, its tables, and whether its tags close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.tags, self.words, self.rows = [], [], set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def read(path):
    text = path.read_text("utf-8")
    reader = Reader(text)
    assert reader.open == []
    assert reader.loads
    assert all(load.startswith("data:image/png;base64,iVBOR") for load in reader.loads)
    assert not re.search(r"url\(|@import|https?://", text)
    # the one script is that of the player, as it stands in the package
    for script in re.findall(r"<script.*?</script>", text, re.DOTALL):
        assert script == f"<script>{resources.files('operax.report').joinpath('player.js').read_text('utf-8')}</script>"
    return reader


@pytest.fixture(scope="module")
def written(posterior, problem, truth, clean, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = report(
        posterior,
        problem,
        folder / "report.html",
        states=clean,
        truth=truth,
        notes=("frames 1 to 6 only",),
        settings={"fit": {"window": None, "name": NASTY}, "seed": 3},
        title=f"Sand {NASTY}",
        figures_folder=folder / "deep" / "figures",
    )
    return path, read(path)


def test_the_report_is_one_file_that_says_what_was_found(written):
    path, page = written
    said = " ".join(page.words)
    assert path.name == "report.html"
    assert "Nonlinear diffusion was fitted to 6 frames of 20 pixels" in said
    assert "the equation explains the movie down to its noise" in said
    for title in ("Laws", "Frames and residuals", "Predicted against measured", "Front against √t"):
        assert title in said
    assert "lengths are in pixels" in said
    assert "times are in frames" in said
    assert "never visited: laws there are the prior's" in said
    assert "arXiv:2510.27667" in said
    assert "frames 1 to 6 only" in said
    assert ["fit.window", "None"] in page.rows
    assert any(row[0] == "jaxlib" for row in page.rows)


def test_text_is_escaped(written):
    path, page = written
    assert "<script" not in path.read_text("utf-8")
    assert ["fit.name", NASTY] in page.rows


def test_table_shows_the_numbers_of_the_posterior(written, posterior, predicted, truth):
    _, page = written
    quantities = default_quantities(posterior.best, ("px", "frame", "water content"), 0.5)
    found = readings(posterior, quantities, predicted.frames.ravel(), truth)
    rows = [row for row in page.rows if row[0] == "D(c) (px²/frame)"]
    assert len(rows) == len(found) == 5
    for row, r in zip(rows, found):
        band = posterior.band(lambda e, r=r: e.diffusivity(jnp.array([r.c])), 0.95)[:, 0]
        low, high = row[3].split(" to ")
        np.testing.assert_allclose([float(low), float(row[2]), float(high)], band, rtol=1e-3)
        assert float(row[4]) == pytest.approx(2.0)
        assert row[5] == ("yes" if band[0] <= 2.0 <= band[2] else "no")


def test_figures_are_written_too(written):
    path, page = written
    files = sorted(f.name for f in (path.parent / "deep" / "figures").iterdir())
    assert {"laws.png", "frames.png", "residual.png", "front.png"} <= set(files)
    assert len(files) == len(page.loads)


def test_own_quantities_replace_those_of_the_equation(posterior, problem, tmp_path):
    twice = {"2 D": lambda e, c: 2 * e.diffusivity(c)}
    rows = read(report(posterior, problem, tmp_path / "r.html", quantities=twice)).rows
    assert sum(row[0] == "2 D" for row in rows) == 5
    assert not any(row[0].startswith("D(c)") for row in rows)


def test_a_failed_report_leaves_what_was_there(posterior, problem, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def broken(content):
        raise RuntimeError("no template")

    monkeypatch.setattr(page, "render", broken)
    with pytest.raises(RuntimeError, match="no template"):
        report(posterior, problem, path, figures_folder=tmp_path / "figures")
    assert [f.name for f in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "the old one"


def test_refusals_say_what_is_needed(posterior, problem, tmp_path):
    with pytest.raises(TypeError, match=r"`truth` must be an equation .* got Movie; pass the `equation`"):
        report(posterior, problem, tmp_path / "r.html", truth=problem.data)
    with pytest.raises(FileNotFoundError, match="make it before writing"):
        report(posterior, problem, tmp_path / "missing" / "r.html")
    with pytest.raises(ValueError, match="`quantities` is empty; name at least one law"):
        report(posterior, problem, tmp_path / "r.html", quantities={})
    assert list(tmp_path.iterdir()) == []


def test_a_denoised_movie_with_correlated_noise_says_so_plainly(tmp_path):
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=(10, 24, 24))
    noise = (noise + np.roll(noise, 1, 2)) / np.sqrt(2)
    scene = np.linspace(0, 1, 24)[None, :, None]
    clean = Movie(scene + 0 * noise, np.arange(10.0), Domain((24, 24)), units=(NASTY, "eV", NASTY), axis="energy")
    raw = clean.replace(frames=clean.frames + noise)
    model = denoise.TemporalMean(3)
    denoised, level = model(raw), 0.1
    judged = denoise.assess(None, raw, denoised, Gaussian(level))
    path = denoise_report(
        raw, denoised, Gaussian(level), judged, tmp_path / "d.html", truth=clean, figures_folder=tmp_path / "png"
    )
    page = read(path)
    said = " ".join(page.words)
    assert "The result must be used with care." in said
    assert "The residual of the denoised movie is not white" in said
    assert "The noise of the raw movie is not white: correlated in space" in said
    # the script of the player, and none from the units
    assert path.read_text("utf-8").count("<script") == 1
    assert {f.name for f in (tmp_path / "png").iterdir()} == {"frames.png", "residual.png"}
    (row,) = [row for row in page.rows if row[0] == "PSNR before and after"]
    before, after = (float(x) for x in re.findall(r"([\d.]+) dB", row[1])[:2])
    assert before == pytest.approx(20.0, abs=0.3)
    assert after > before + 3


def test_units_are_put_into_words():
    def movie(*names):
        return Movie(jnp.zeros((2, 3)), jnp.arange(2.0), Domain(3), units=names)

    assert "D" not in units(movie("um", "s", "1"))
    assert "Lengths are in um, the time axis is in s." in units(movie("um", "s", "1"))
    assert "in px²/s" in units(movie("px", "s", "1"))
    assert "scaled numbers" in units(movie("1", "1", "1"))


def test_nested_settings_become_rows():
    assert flatten({"a": {"b": {"c": 1}}, "d": [1, 2]}) == [("a.b.c", "1"), ("d", "[1, 2]")]


def test_a_cahn_hilliard_report_shows_its_products_and_gauge(tmp_path):
    domain = Domain(16, 0.05)
    c0 = jnp.asarray(0.5 + 0.2 * np.cos(np.pi * domain.centres()[0] / 0.8))
    still = Movie(jnp.stack([c0, c0]), jnp.array([0.0, 1e-3]), domain, units=("1", "1", "Li fraction"))
    problem = Problem(still, noise=Gaussian(0.05), start=Given())
    equation = CahnHilliard(laws.positive(0.4, factor=2), laws.RegularSolution(laws.Unknown(2.4, 0.2)), 2e-3)
    # made by hand, as a fit that learnt nothing: what is tested is what is said of it
    normal = NormalEquations(jnp.eye(2), jnp.zeros((1, 2, 0)), jnp.zeros((1, 0, 0)), jnp.zeros(2), jnp.zeros((1, 0)))
    best = Fit(
        equation=equation,
        starts=problem.starts.guess,
        log_density=jnp.zeros(()),
        chi2=jnp.ones(()),
        history=jnp.ones(1),
        normal=normal,
        averaging=Averaging((np.ones(0),), jnp.zeros(2), jnp.zeros((2, 2))),
        plans=(StepPlan((), 4, jnp.array([1.0, 1e-3])),),
        result="stopped by hand",
        rejected=0,
        failed=0,
    )
    path = report(laplace(best, problem, key=jax.random.key(1)), problem, tmp_path / "c.html")
    page = read(path)
    said = " ".join(page.words)
    assert "the scale is fixed by κ, taken as known" in said
    assert {"M(c) (per unit of μ)", "μₕ(c) − μₕ(½) (unit of μ)"} <= {row[0] for row in page.rows}
    assert {"D(c) = M μₕ′", "M(c) κ"} <= {row[0] for row in page.rows}
    assert ["Fit converged", "fails", "stopped by hand (0 steps accepted, 0 rejected)"] in page.rows
    assert "without a unit" in said

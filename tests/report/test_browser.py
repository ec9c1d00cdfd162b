"""The report in a real browser: nothing on the console, a player that plays, nothing wider than the screen."""

import time

import jax.numpy as jnp
import numpy as np
import pytest
from browser import Browser, installed

from operax.domain import Domain
from operax.movie import Movie
from operax.report.page import Page, Section, Table, write
from operax.report.player import play

pytestmark = pytest.mark.skipif(installed() is None, reason="NO CHROMIUM: the report is not tested in a browser")
FIRST = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
COLOUR = "[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 9, 9).data].join()"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as it:
        yield it


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A page with 100 noisy frames of 128², four times: raw, denoised, fit, residual."""
    rng = np.random.default_rng(0)
    frames = rng.normal(0.5, 0.1, (100, 128, 128)).astype(np.float32)
    raw = Movie(
        frames, jnp.arange(100.0), Domain((128, 128), 0.05), units=("um", "s", "<i>Li</i>"), variance=jnp.ones(())
    )
    others = {name: raw.replace(frames=raw.frames[::-1], variance=None) for name in ("denoised", "fit")}
    player = play({"raw": raw, **others}, "fit", "A caption.")
    settings = Table(("setting", "value"), (("input.path", "/a/very/long/path" * 12), ("seed", "0.00016167")))
    page = Page(
        "A <b>title</b>",
        "What was found.",
        ("Mind this.",),
        (Section("Frames", players=(player,), tables=(settings,)),),
    )
    return write(page, tmp_path_factory.mktemp("page") / "report.html")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_the_page_is_quiet_quick_and_fits_the_screen(browser, report, width, dark):
    browser.messages.clear()
    browser.open(report, width, dark=dark)
    browser.wait(f"{FIRST} > 0")
    assert browser.evaluate(FIRST) < 2000
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    # text and page of the dark mode are told apart as those of the light one
    light = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark
    assert browser.messages == []
    assert report.stat().st_size < 15e6


def test_the_slider_changes_the_frame_and_says_which(browser, report):
    browser.open(report, 1280)
    browser.wait(f"new Set({COLOUR}.split(',')).size > 20")
    before = browser.evaluate(COLOUR)
    browser.evaluate("document.querySelector('input').focus()")
    browser.press("ArrowRight", "ArrowRight", 39)
    assert browser.evaluate("document.querySelector('output').textContent") == "t = 1 s (2 of 100)"
    assert browser.evaluate("document.querySelector('input').getAttribute('aria-valuetext')") == "t = 1 s (2 of 100)"
    assert browser.evaluate(COLOUR) != before
    browser.press("End", "End", 35)
    assert browser.evaluate("document.querySelector('input').value") == "99"
    browser.press("Home", "Home", 36)
    assert browser.evaluate(COLOUR) == before


def test_it_plays_and_pauses_from_the_keyboard(browser, report):
    browser.messages.clear()
    browser.open(report, 390)
    browser.evaluate("document.querySelector('button').focus()")
    browser.press(" ", "Space", 32, text=" ")
    browser.wait("Number(document.querySelector('input').value) > 2")
    assert browser.evaluate("document.querySelector('button').textContent") == "Pause"
    browser.evaluate("document.querySelector('input').focus()")
    browser.press(" ", "Space", 32, text=" ")
    stopped = browser.evaluate("document.querySelector('input').value")
    time.sleep(0.4)
    assert browser.evaluate("document.querySelector('input').value") == stopped
    assert browser.messages == []


def test_a_script_that_is_not_the_players_is_refused(browser, report, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(report.read_text("utf-8").replace("</main>", "<script>window.ran = true</script></main>"), "utf-8")
    browser.open(bad, 1280)
    assert browser.evaluate("window.ran") is None
    assert any("Content Security Policy" in message for message in browser.messages)

"""A disc that appears comes out as linear filters are known to bring it out."""

import numpy as np
import pytest

from operax import noise
from operax.denoise import TemporalMean, respond
from operax.domain import Domain
from operax.movie import Movie


def still(count=16):
    return Movie(np.random.default_rng(0).standard_normal((count, 12, 14)), np.arange(float(count)), Domain((12, 14)))


def test_nothing_done_is_a_perfect_response():
    found = respond(lambda movie: movie, still(), 3.0)
    assert float(found.gain) == pytest.approx(1)
    assert float(found.delay) == pytest.approx(0, abs=1e-9)
    assert float(found.width) == pytest.approx(0, abs=1e-6)
    assert "100 % of its height, +0.0 frames late" in found.verdict


def test_a_running_mean_spreads_and_a_lagging_one_is_late():
    found = respond(TemporalMean(5, noise.Gaussian(1.0)), still(), 3.0)
    assert float(found.gain) == pytest.approx(1)
    assert float(found.delay) == pytest.approx(0, abs=1e-5)
    # Five equal jumps: √((4 + 1 + 0 + 1 + 4) / 5).
    assert float(found.width) == pytest.approx(np.sqrt(2), abs=1e-5)

    def lagging(movie):
        return movie.replace(frames=movie.frames[np.maximum(np.arange(16) - 2, 0)])

    assert float(respond(lagging, still(), 3.0).delay) == pytest.approx(2)


def test_lost_contrast_is_seen():
    found = respond(lambda movie: movie.replace(frames=0.7 * movie.frames), still(), -1.0)
    assert float(found.gain) == pytest.approx(0.7)


def test_what_cannot_be_tried_is_refused():
    with pytest.raises(ValueError, match="at least 8 frames and two space axes"):
        respond(TemporalMean(3), still(6), 1.0)
    with pytest.raises(ValueError, match="`height` must not be zero"):
        respond(TemporalMean(3), still(), 0.0)

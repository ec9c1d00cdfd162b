"""What is put back is decided on a part of a movie, and leaves the movie its mean."""

import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from operax import noise

# Noise of the fixtures.
STD = 0.1
# The module; `decide` names the function too.
decide = importlib.import_module("operax.denoise.decide")


def test_the_movie_keeps_its_mean(denoiser, raw):
    assert denoiser.posterior
    kept, seen = (np.asarray(movie.frames, float)[:, raw.domain.inside].mean() for movie in (denoiser(raw), raw))
    assert kept == pytest.approx(seen, abs=1e-6)


def test_of_large_pictures_a_part_decides(denoiser, raw, monkeypatch):
    monkeypatch.setattr(decide, "SIDE", 24)
    level = noise.Gaussian(jnp.full(raw.domain.shape, STD))
    gain, posterior, reasons = decide.decide(
        eqx.tree_at(lambda d: d.noise, denoiser, level), raw, key=jax.random.key(0)
    )
    assert posterior
    assert not reasons
    # Half of a small movie knows weights to a tenth or so.
    assert float(gain.share.mean()) == pytest.approx(float(denoiser.gain.share.mean()), abs=0.2)
    assert float(gain.again) == pytest.approx(float(denoiser.gain.again), abs=0.2)


def test_the_fullest_part_is_taken_and_of_several_the_middle_one():
    band, corner = np.zeros((512, 400), bool), np.zeros((600, 600), bool)
    band[100:420], corner[500:, 550:] = True, True
    assert decide._fullest(band) == (128, 72)
    assert decide._fullest(corner) == (344, 344)
    assert decide._fullest(np.ones((96, 300), bool)) == (0, 24)

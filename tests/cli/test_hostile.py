"""Movies with numbers that nobody wants: every verb gives an answer with finite numbers, or one clear error."""

import numpy as np
import pytest
from decay import decaying

from operax import io
from operax.domain import Domain
from operax.movie import Movie

RNG = np.random.default_rng(1)
FIT = ("--equation", "diffusion", "--diffusivity", "{value=0.05, factor=3}", "--steps", "5", "--draws", "20")
SPLIT = Domain((1, 2), 0.1)


def changed(change):
    movie = decaying()
    return movie.replace(frames=change(np.array(movie.frames)))


def repeated(frames):
    frames[1::2] = frames[::2]
    return frames


def spiked(frames):
    frames[3, 4, 2] = 1e30
    return frames


MOVIES = {
    "constant": lambda: changed(lambda y: 0 * y + 0.5),
    "zero": lambda: changed(lambda y: 0 * y),
    "saturated": lambda: changed(lambda y: np.minimum(y, 0.5)),
    "huge": lambda: changed(lambda y: 1e30 * y),
    "tiny": lambda: changed(lambda y: 1e-30 * y),
    "negative": lambda: changed(lambda y: -y),
    "one spike of 1e30": lambda: changed(spiked),
    "every frame twice": lambda: changed(repeated),
    "pure noise": lambda: changed(lambda y: RNG.normal(size=y.shape)),
    "two pixels": lambda: Movie(RNG.uniform(size=(8, 1, 2)), np.arange(8.0), SPLIT, units=("mm", "s", "1")),
    "one pixel": lambda: Movie(RNG.uniform(size=(8, 1, 1)), np.arange(8.0), Domain((1, 1)), units=("mm", "s", "1")),
    "one frame": lambda: decaying()[:1],
    "two frames": lambda: decaying()[:2],
    "times of 1e30": lambda: decaying().replace(times=1e30 * (1 + np.arange(8.0))),
    "pixels of 1e-30": lambda: decaying().replace(domain=Domain((12, 5), 1e-30)),
}
# The rest are of the same kinds, and with the slow tests.
QUICK = ("one spike of 1e30",)
DENOISERS = (("--method", "temporal-mean"), ("--method", "low-rank"))


def answered(said):
    assert said.code in (0, 1, 2), said.err
    assert "defect" not in said.err, said.err
    assert "Traceback" not in said.err, said.err
    if said.code:
        assert said.err.splitlines()[-1].startswith("operax: error: "), said.err
        assert len(said.err.splitlines()[-1]) > 40, said.err
    return said.code == 0


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in MOVIES])
def test_denoising_answers_or_refuses(operax, name):
    io.save("movie.h5", MOVIES[name]())
    for method in DENOISERS:
        if answered(operax("denoise", "movie.h5", "-o", "clean.h5", *method)):
            assert np.isfinite(np.asarray(io.load("clean.h5").frames)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVIES)
def test_training_and_fitting_answer_or_refuse(operax, name):
    io.save("movie.h5", MOVIES[name]())
    if answered(operax("denoise", "movie.h5", "-o", "clean.h5", "--method", "blindspot", "--steps", "3")):
        assert np.isfinite(np.asarray(io.load("clean.h5").frames)).all()
    if answered(operax("fit", "movie.h5", *FIT, "--out", "out")):
        assert np.isfinite(np.asarray(io.load("out/predicted.h5").frames)).all()
        assert all(np.isfinite(values).all() for values in io.read_arrays("out/fit.h5")[0].values())


def test_a_movie_of_nothing_but_one_number_is_refused(tmp_path):
    frames = np.full((8, 12, 5), np.nan)
    frames[3, 4, 2] = 0.5
    with pytest.raises(ValueError, match="finite"):
        decaying().replace(frames=frames)

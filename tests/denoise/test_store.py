"""Denoisers come back from disk as they were, and a killed training ends as if nothing had happened."""

import io
import sys

import equinox as eqx
import jax
import pytest

from operax import noise
from operax.denoise import BlindSpot, load, narrate, save, train

SMALL = BlindSpot(2, 4)


def same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b))
    return jax.tree.structure(a) == jax.tree.structure(b) and all((x == y).all() for x, y in leaves)


def test_a_denoiser_comes_back_as_it_was(denoiser, raw, tmp_path):
    save(tmp_path / "trained.npz", denoiser)
    back = load(tmp_path / "trained.npz")
    assert same(back, denoiser)
    assert eqx.tree_equal(back(raw).frames[:, raw.domain.inside], denoiser(raw).frames[:, raw.domain.inside])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ValueError, match=r"is not a file written by operax\.denoise"):
        load(tmp_path / "text.npz")


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_killed_training_ends_with_the_same_bits(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["operax.denoise.train"], "INTERVAL", -1.0)
    path = tmp_path / "training.npz"

    def run(progress=None, seed=0, path=path):
        options = {"network": SMALL, "steps": 55, "batch": 1, "progress": progress, "checkpoint": path}
        return train(raw, noise.Gaussian(0.1), key=jax.random.key(seed), **options)

    def kill(step, steps, risk):
        if step == 50:
            raise Killed

    with pytest.raises(Killed):
        run(kill)
    steps = []
    resumed = run(lambda step, *_: steps.append(step))
    assert steps == [55]
    whole = run(path=None)
    assert same(resumed, whole)
    assert same(run(path=tmp_path / "other.npz"), whole)
    with pytest.raises(ValueError, match="is the checkpoint of another training"):
        run(seed=1)
    with pytest.raises(ValueError, match="must hold a denoiser in layout 6, it holds a training"):
        load(path)


def test_progress_is_told_with_the_time_left():
    out = io.StringIO()
    tell = narrate(out)
    for step in (25, 50, 60):
        tell(step, 60, 1e-3)
    first, second, last = out.getvalue().strip().split("\r")
    assert "measuring speed" in first
    assert "step 50 of 60, 0 s left, blind risk 0.001" in second
    assert "step 60 of 60" in last
    assert out.getvalue().endswith("\n")

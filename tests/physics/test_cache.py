"""Eigenvectors kept on disk are those of the matrix, and nothing that happens to the file or folder matters."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from operax.domain import Domain
from operax.physics.transforms import Eigenbasis, cache

PAIR = np.zeros((6, 9), bool)
PAIR[1:5, :4] = PAIR[2:6, 5:] = True  # two particles of one shape


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "WORTH_KEEPING", 4)
    return tmp_path / "kept"


def blocks(spacing=0.5):
    basis = Eigenbasis(Domain((6, 9), spacing, inside=PAIR))
    return [basis.eigenvalues, *basis.blocks]


def test_what_is_read_is_what_was_made(folder, monkeypatch):
    made = blocks()
    (file,) = folder.iterdir()  # particles of one shape share a file
    blocks(spacing=0.25)
    assert len(list(folder.iterdir())) == 2

    def refuse(*_, **__):
        raise AssertionError("factorised again")

    monkeypatch.setattr("scipy.linalg.eigh", refuse)
    for one, other in zip(made, blocks(), strict=True):
        np.testing.assert_array_equal(one, other)
    file.unlink()
    with pytest.raises(AssertionError, match="again"):
        blocks()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "another"])
def test_a_damaged_file_is_made_anew(folder, damage):
    made = blocks()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    if damage == "another":  # a whole file with numbers that are not the eigenvectors
        np.savez(file, values=made[0][:16], vectors=np.eye(16))
    else:
        file.write_bytes({"cut": whole[:700], "noise": b"\x00" * len(whole), "empty": b""}[damage])
    for one, other in zip(made, blocks(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_keeps_nothing(folder):
    folder.write_text("a file stands in the way")
    assert np.isfinite(blocks()[0]).all()
    assert folder.read_text() == "a file stands in the way"


def test_small_particles_are_not_kept(folder, monkeypatch):
    monkeypatch.setattr(cache, "WORTH_KEEPING", 17)
    blocks()
    assert not folder.exists()


def test_the_folder_is_that_of_the_platform_or_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    assert cache.folder() == tmp_path
    monkeypatch.setenv(cache.VARIABLE, "")
    assert cache.folder() is None
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "operax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "operax"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == tmp_path / "Library" / "Caches" / "operax"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache.folder() is None
    monkeypatch.setenv("LOCALAPPDATA", os.fspath(tmp_path))
    assert cache.folder() == Path(tmp_path) / "operax" / "cache"

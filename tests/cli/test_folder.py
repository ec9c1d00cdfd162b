"""Run folders: which may be taken, what is hashed, what is kept."""

import json

import pytest

from operax.cli import folder


def test_the_first_free_number_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(folder.choose(None, "a")) == "runs/a-1"
    for name in ("a-1", "a-2", "a-b-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert str(folder.choose(None, "a")) == "runs/a-3"


def test_only_an_empty_folder_or_one_of_a_run_is_taken(tmp_path):
    out = tmp_path / "out"
    assert folder.choose(out, "a") == out
    out.mkdir()
    assert folder.choose(out, "a") == out
    (out / "thesis.txt").write_text("years of work")
    (out / "run.json").write_text('{"versions": {}}')
    with pytest.raises(ValueError, match="holds other files and no operax run"):
        folder.choose(out, "a")
    assert folder.choose(out, "a", force=True) == out
    (out / "run.json").write_text('{"versions": {"operax": "0.1"}}')
    assert folder.choose(out, "a") == out
    assert (out / "thesis.txt").read_text() == "years of work"


def test_how_a_run_ended_is_recorded(tmp_path):
    with pytest.raises(RuntimeError, match="diverged"), folder.recorded(folder.Folder(tmp_path)):
        raise RuntimeError("training diverged")
    state = json.loads((tmp_path / "run.json").read_text())
    assert (state["state"], state["error"]) == ("failed", "training diverged")
    with folder.recorded(folder.Folder(tmp_path)):
        pass
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "finished"


def test_all_images_of_a_stack_are_part_of_its_fingerprint(tmp_path):
    (tmp_path / "scan.hdr").write_text("header")
    (tmp_path / "scan_a000.xim").write_text("1 2")
    (tmp_path / "other.xim").write_text("9")
    before = folder.fingerprint(tmp_path / "scan.hdr")
    assert before["bytes"] == 9
    (tmp_path / "other.xim").write_text("8")
    assert folder.fingerprint(tmp_path / "scan.hdr") == before
    (tmp_path / "scan_a000.xim").write_text("1 3")
    assert folder.fingerprint(tmp_path / "scan.hdr")["sha256"] != before["sha256"]
    assert folder.fingerprint(tmp_path)["bytes"] == 10


def test_nothing_is_reused_from_a_folder_that_cannot_be_read(tmp_path):
    for name in ("config.toml", "run.json", "denoised.h5", "denoising.h5"):
        assert not folder.reusable(tmp_path, None, [])
        (tmp_path / name).write_text("not = [")
    assert not folder.reusable(tmp_path, None, [])

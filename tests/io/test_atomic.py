import os

import pytest

from operax.io import replacing


def test_file_appears_whole(tmp_path):
    with replacing(tmp_path / "a.txt") as part:
        assert part.parent == tmp_path
        part.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fails():
        with replacing(target) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "there" / "real.txt")
    with replacing(tmp_path / "link.txt") as part:
        part.write_text("x")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "there" / "real.txt").read_text() == "x"


def test_permissions_follow_the_umask(tmp_path):
    with replacing(tmp_path / "a.txt") as part:
        part.write_text("x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_missing_folder_and_folder_as_target(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"folder .*nowhere does not exist"),
        replacing(tmp_path / "nowhere" / "a"),
    ):
        pass
    with pytest.raises(IsADirectoryError, match="is a folder"), replacing(tmp_path):
        pass

"""The command line as the tests run it, and small movies for it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from decay import CONFIG, decaying

from operax import io
from operax.cli import main


class Said(NamedTuple):
    """Exit code and what was written to standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def operax(capsys, monkeypatch, tmp_path) -> Callable[..., Said]:
    """Run the command in an empty folder of its own and give what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Said:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def movie_file(tmp_path) -> Path:
    path = tmp_path / "movie.h5"
    io.save(path, decaying())
    return path


@pytest.fixture
def config_file(movie_file) -> Path:
    path = movie_file.with_name("decay.toml")
    path.write_text(CONFIG, encoding="utf-8")
    return path

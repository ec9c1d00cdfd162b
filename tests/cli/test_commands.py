"""Help, version, info and exit codes of the command."""

import re
import subprocess
import sys

import pytest
import typer
from decay import decaying

from operax import io
from operax.cli import app, errors

COMMANDS = typer.main.get_command(app.app).commands


def test_the_commands_are_there():
    assert list(COMMANDS) == ["demo", "info", "init", "denoise", "fit", "run", "report", "cite"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(operax, name):
    said = operax(name, "--help")
    assert said.code == 0
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name


def test_help_without_a_command_and_the_version(operax):
    assert "operax [OPTIONS] COMMAND" in operax().out
    assert re.fullmatch(r"operax \d+\.\d+\.\d+\S*\n", operax("--version").out)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_needs_nothing_heavy(words):
    code = """
import sys
from operax.cli import main
code = main(sys.argv[1:])
heavy = {"jax", "numpy", "matplotlib", "h5py"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else code)
"""
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)


def test_info_tells_what_is_inside(operax, tmp_path):
    io.save(tmp_path / "movie.h5", decaying())
    said = operax("info", "movie.h5")
    assert said.code == 0
    assert "shape    8 x 12 x 5" in said.out
    assert "ready, nothing more is needed" in said.out


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (ValueError("`x` must be 1."), "`x` must be 1.", 2),
        (TypeError("a number."), "a number.", 2),
        (ImportError("install operax[xarray]."), "install operax[xarray].", 2),
        (FileNotFoundError("there is no file."), "there is no file.", 2),
        (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied.", 2),
        (RuntimeError("diverged."), "diverged.", 1),
        (MemoryError(), "out of memory (MemoryError): crop the movie, or take fewer frames a window.", 1),
        (KeyboardInterrupt(), "interrupted.", 130),
        (KeyError("x"), "KeyError: 'x' (a defect of operax; `--debug` shows where).", 1),
        (typer.BadParameter("no such thing"), "Invalid value: no such thing", 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exceptions_become_a_message_and_an_exit_code(capsys, error, text, code):
    def command():
        raise error

    assert errors.guarded(command, debug=False) == code
    assert capsys.readouterr().err == f"operax: error: {text}\n"
    with pytest.raises(type(error)):
        errors.guarded(command, debug=True)


def test_a_reader_that_left_is_no_error(capsys, monkeypatch):
    def command():
        raise BrokenPipeError

    class Pipe:
        def close(self):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Pipe())
    assert errors.guarded(command, debug=False) == 0

"""One place where an exception becomes a clear message and an exit code."""

import contextlib
import sys
import warnings
from collections.abc import Callable

import typer

from .say import says

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

# the exception of typer's own usage errors, wherever this version of typer keeps it
_Usage = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def outcome(error: BaseException) -> tuple[str, int]:
    """What to say about an exception, and the exit code: 2 bad input, 1 a failed computation, 130 Ctrl-C.

    What no operax function raises on purpose is called a defect of operax.
    """
    text = str(error).strip() or type(error).__name__
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted.", INTERRUPTED
    if isinstance(error, _Usage):
        return error.format_message(), BAD_INPUT  # type: ignore[attr-defined]
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}.", BAD_INPUT
    if isinstance(error, ValueError | TypeError | OSError | ImportError):
        return text, BAD_INPUT
    if isinstance(error, MemoryError):
        return f"out of memory ({text}): crop the movie, or take fewer frames a window.", FAILED
    if isinstance(error, RuntimeError):
        return text, FAILED
    return f"{type(error).__name__}: {text} (a defect of operax; `--debug` shows where).", FAILED


def guarded(command: Callable[[], int | None], *, debug: bool) -> int:
    """Run a command and give its exit code; exceptions and warnings become one message each on standard error.

    Parameters
    ----------
    command
        What to run; it may give its own exit code.
    debug
        Let exceptions pass, with their traceback.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            code = command() or 0
        if code == INTERRUPTED:  # typer turns Ctrl-C into a bare code
            _say("error", "interrupted.", "red")
        return code
    except BrokenPipeError:
        # whoever read our output has left, e.g. `operax info x | head`
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        message, code = outcome(error)
        _say("error", message, "red")
        return code


def _warn(message, category, filename, lineno, file=None, line=None) -> None:
    """A warning in one line, without the place in the code that gave it."""
    if says("warning"):
        _say("warning", str(message), "yellow")


def _say(kind: str, message: str, colour: str) -> None:
    from rich.console import Console
    from rich.text import Text

    # soft_wrap: a message is one line, however narrow the terminal, so that it can be searched and copied
    Console(stderr=True).print(Text(f"operax: {kind}: {message}", style=colour), soft_wrap=True)

"""How much the command says while it works: errors always, warnings, stages, every step."""

from contextvars import ContextVar

# In order: each level says what those before it say, and more.
LEVELS = ("error", "warning", "info", "debug")

_level: ContextVar[str] = ContextVar("level", default="info")


def set_level(level: str) -> None:
    """Say no more than this from now on.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"`--log-level` must be one of {', '.join(LEVELS)}, got {level!r}.")
    _level.set(level)


def says(level: str) -> bool:
    """Whether messages of this level are said."""
    return LEVELS.index(level) <= LEVELS.index(_level.get())

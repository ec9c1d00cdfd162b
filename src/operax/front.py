"""The front door: every public name is imported when it is first asked for, so that `import operax` costs nothing.

Which names there are, and in which room each lives, stands in ``__init__.pyi`` and nowhere else.
"""

import ast
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def _rooms() -> dict[str, str]:
    """The module of every public name; "" for those that are modules themselves."""
    stub = ast.parse(Path(__file__).with_name("__init__.pyi").read_text("utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {name.name: node.module or "" for node in imports for name in node.names}


ROOMS = _rooms()
__all__ = sorted(ROOMS)


def __dir__() -> list[str]:
    return [*__all__]


def __getattr__(name: str) -> Any:
    if name not in ROOMS:
        raise AttributeError(f"module 'operax' has no attribute {name!r}")
    module = import_module(f".{ROOMS[name] or name}", __package__)
    found = getattr(module, name) if ROOMS[name] else module
    setattr(sys.modules[__package__], name, found)
    return found


class _House(ModuleType):
    """`operax.report` is the verb: Python would put the room of that name in its place once the room is imported."""

    @property
    def report(self) -> Any:
        return import_module(".report", __package__).report

    @report.setter
    def report(self, room: Any) -> None:
        pass


sys.modules[__package__].__class__ = _House

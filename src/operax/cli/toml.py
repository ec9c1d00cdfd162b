"""TOML files: read with line numbers for messages, written plainly enough to be read back the same."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
KEY = re.compile(r"\s*([A-Za-z0-9_\-.\s\"']+?)\s*=")


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The tables of a TOML file, and the line on which each key stands.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not UTF-8 or not TOML; the message names the line.
    """
    where = Path(path)
    if not where.exists():
        raise FileNotFoundError(f"there is no config file {os.fspath(path)!r}.")
    raw = where.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}: line {line}: is not UTF-8 (byte 0x{raw[error.start]:02x}); save it as UTF-8 text."
        ) from error
    try:
        return tomllib.loads(text), lines(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: is not valid TOML: {error}.") from error


def value(text: str) -> Any:
    """One TOML value: ``2e-3``, ``[0, 1]`` or ``{value = 2e-3, factor = 3}``.

    Raises
    ------
    ValueError
        If it is no single TOML value.
    """
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{text!r} is not a TOML value: {error}.") from error
    if list(found) != ["value"]:
        raise ValueError(f"{text!r} must be one TOML value.")
    return found["value"]


def lines(text: str) -> dict[tuple[str, ...], int]:
    """The line, counted from one, of every table header and of every key at the start of a line."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif key := KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def written(tables: Mapping[str, Any]) -> str:
    """TOML text of a mapping; tables inside tables are written inline, ``None`` is left out.

    Raises
    ------
    TypeError
        If a value has no form in TOML.
    """
    plain = [(k, v) for k, v in tables.items() if not isinstance(v, Mapping) and v is not None]
    out = [f"{_key(name)} = {_value(entry)}" for name, entry in plain]
    for name, table in tables.items():
        if isinstance(table, Mapping):
            out += [""] if out else []
            out.append(f"[{_key(name)}]")
            out += [f"{_key(key)} = {_value(entry)}" for key, entry in table.items() if entry is not None]
    return "\n".join(out) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(entry: Any) -> str:
    if isinstance(entry, bool):
        return "true" if entry else "false"
    if isinstance(entry, (int, float)):
        return repr(entry)  # TOML spells inf and nan as Python does
    if isinstance(entry, str):
        # JSON escapes are TOML escapes, but JSON leaves DEL as it is
        return json.dumps(entry, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(entry, Mapping):
        inner = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in entry.items() if v is not None)
        return f"{{{inner}}}"
    if isinstance(entry, (list, tuple)):
        return f"[{', '.join(_value(item) for item in entry)}]"
    raise TypeError(f"{entry!r} has no form in TOML.")

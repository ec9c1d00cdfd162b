"""What is wrong with a config, in sentences that name the table, the key and the line."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}


def explain(
    error: ValidationError,
    model: type[BaseModel],
    tables: Mapping[str, Any],
    lines: Mapping[tuple[str, ...], int],
    prefix: str,
) -> str:
    """One line for every mistake, beginning with ``prefix`` and, where it is known, the line of the file.

    Parameters
    ----------
    error
        What pydantic found.
    model
        The model that was tried.
    tables
        The values that were tried; tells keys from the names of alternatives in pydantic's locations.
    lines
        Line of every key, see `toml.lines`; empty where the values came from the command line.
    prefix
        Begins every line, such as the path of the file.
    """
    said: dict[tuple, list[str]] = {}
    for found in error.errors(include_url=False):
        keys = _keys(found["loc"], tables)
        if found["type"] == "union_tag_not_found":
            keys = (*keys, *_misspelt(found))
        # alternatives of one value each complain; say it once
        said.setdefault(keys, []).append(_sentence(found, keys, model, bool(lines)))
    out = []
    for keys, sentences in said.items():
        message = sentences[0] if len(sentences) == 1 else _merged(sentences)
        out.append((_line(keys, lines), message))
    out.sort(key=lambda found: found[0])
    return "\n".join(f"{prefix}{f'line {line}: ' if line else ''}{message}" for line, message in out)


def _merged(sentences: list[str]) -> str:
    """Alternatives as one sentence: they share their beginning, and the end says what was got."""
    heads = [s.split(" must be ", 1) for s in sentences]
    if any(len(h) != 2 or ", got " not in h[1] for h in heads):
        return sentences[0]
    wanted = [h[1].rsplit(", got ", 1) for h in heads]
    return f"{heads[0][0]} must be {' or '.join(dict.fromkeys(w[0] for w in wanted))}, got {wanted[0][1]}"


def _keys(loc: tuple, tables: Any) -> tuple:
    """The keys of a location; pydantic puts names of alternatives in between."""
    keys, here = [], tables
    for n, part in enumerate(loc):
        last = n == len(loc) - 1
        if part in (here if isinstance(here, Mapping) else range(len(here) if isinstance(here, list) else 0)):
            keys.append(part)
            here = here[part]
        elif last and isinstance(here, Mapping):
            keys.append(part)  # a missing key
    return tuple(keys)


def _line(keys: tuple, lines: Mapping[tuple[str, ...], int]) -> int:
    """The line of the nearest key around; zero where none is known."""
    words = tuple(k for k in keys if isinstance(k, str))
    return next((lines[words[:n]] for n in range(len(words), 0, -1) if words[:n] in lines), 0)


def _sentence(found, keys: tuple, model, filed: bool) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind.startswith("union_tag") and len(keys) == 1:
        keys = (*keys, None)  # the key that chooses belongs to this table
    table, key = f"[{keys[0]}] " if len(keys) > 1 and filed else "", _dotted(keys[1:] or keys, filed)
    if kind == "extra_forbidden" and len(keys) == 1:
        known = list(model.model_fields)
        return f"unknown table [{keys[0]}]{_meant(keys[0], known)}; known are {', '.join(known)}."
    if kind == "extra_forbidden":
        known = _fields(found["loc"][:-1], model)
        return f"{table}unknown key {key}{_meant(keys[-1], known)}; known are {', '.join(known)}."
    if kind == "missing":
        return f"{table}{key} is required." if len(keys) > 1 else f"the table [{keys[0]}] is required."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        wanted = [w.strip().strip("'") for w in context.get("expected_tags", "").split(",") if w.strip()]
        names = {"number": "a number", "between": "{value, factor}", "normal": "{mean, std}"}
        tag = str(context.get("discriminator", "law")).strip("'")
        tag = "law" if "(" in tag else tag
        got = context.get("tag", "nothing")
        listed = ", ".join(names.get(w, repr(w)) for w in wanted)
        inner = _dotted((*keys[1:], tag), filed)
        if kind == "union_tag_not_found" and _misspelt(found):
            return f"{table}unknown key {key} (did you mean `{tag}`?)."
        if kind == "union_tag_not_found":
            return f"{table}{inner} is required."
        return f"{table}{inner} must be one of {listed}, got {got!r}{_meant(str(got), wanted)}."
    if kind == "value_error":
        whole = f"[{keys[0]}] " if len(keys) == 1 and filed else table
        return f"{whole}{found['msg'].removeprefix('Value error, ')}"
    if kind in KINDS:
        return f"{table}{key} must be {KINDS[kind]}, got {found['input']!r}."
    if kind == "literal_error":
        return f"{table}{key} must be {context['expected']}, got {found['input']!r}."
    if kind in ("too_short", "too_long"):
        length = context.get("min_length", context.get("max_length"))
        return f"{table}{key} must be a list of {length} entries, got {found['input']!r}."
    wanted_words = found["msg"].removeprefix("Input should be ").replace("a finite number", "finite")
    wanted_words = wanted_words.replace("greater than or equal to", "at least").replace("greater than", "above")
    return f"{table}{key} must be {wanted_words}, got {found['input']!r}."


def _misspelt(found) -> tuple[str, ...]:
    """The key that was meant to choose the table, where one looks like it."""
    tag = str(found["ctx"]["discriminator"]).strip("'")
    keys = list(found["input"]) if isinstance(found["input"], Mapping) else []
    return tuple(difflib.get_close_matches(tag, keys, n=1))


def _dotted(keys: tuple, filed: bool) -> str:
    words = ".".join(str(k) for k in keys if isinstance(k, str))
    return f"`{words}`" if filed else f"`--{words.replace('_', '-')}`"


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _fields(loc: tuple, model: type[BaseModel]) -> list[str]:
    """Names of the keys of the table at a location, alternatives chosen as pydantic names them."""
    reached: list[type[BaseModel]] = [model]
    for part in loc:
        step: list[type[BaseModel]] = []
        for here in reached:
            if part in here.model_fields:
                step += _models(here.model_fields[part].annotation)
        named = [m for m in reached if part in (m.__name__, *_tags(m))]
        reached = step or named or reached
    return list(dict.fromkeys(name for m in reached for name in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in _models(argument)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The words that choose this table among its alternatives."""
    named = [model.model_fields[k].annotation for k in ("law", "method", "equation") if k in model.model_fields]
    return (model.__name__.lower(), *(word for a in named for word in get_args(a)))

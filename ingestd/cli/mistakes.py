"""Explains each wrong line of a configuration: where it is, what is wrong, what would be right."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ingestd.config import Settings, explain
from ingestd.errors import ConfigError
from ingestd.location import find_config
from ingestd.settings.content import SourceSettings

from .effective import literal
from .sample import EXAMPLES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
SECRET = frozenset({"token", "url", "state_url"})
"""What stands there is not repeated."""
PLAIN = {"missing": "it is missing", "int_type": "a whole number is expected"}
PREFIX = "INGESTD_"
OTHERS = frozenset({"INGESTD_CONFIG"})
_SHOWN_CHARS = 60


def explained(error: ConfigError, named: Path | None) -> list[str]:
    """What is wrong, one line a mistake, in the order of the file.

    Args:
        error: of `ingestd.config.load`.
        named: the configuration file, as it was given to it.
    """
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return error.message.splitlines()
    file = find_config(named)
    lines = line_numbers(file.read_text("utf-8")) if file else {}
    found = [_located(mistake, file, lines) for mistake in cause.errors()]
    return [text for _, text in sorted(found, key=lambda one: one[0])]


def patterns(settings: Settings, file: Path | None) -> list[str]:
    """The patterns of sources that can match nothing, one line each."""
    from ingestd.watch.rules import Rules

    lines = line_numbers(file.read_text("utf-8")) if file else {}
    found = []
    for number, source in enumerate(settings.sources):
        for key in ("include", "exclude"):
            for place, pattern in enumerate(getattr(source, key)):
                one: dict[str, Any] = {key: (pattern,)}
                try:
                    Rules(os.fsencode(source.path), **one)
                except ConfigError as error:
                    line = _line(("sources", number, key, place), lines)
                    where = f"{file}:{line}" if line else str(file or "environment")
                    more = f". {error.hint}" if error.hint != ConfigError.hint else ""
                    found.append(f"{where}: sources.{number}.{error.message}{more}")
    return found


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that look like keys of the configuration and are none: a warning each."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OTHERS
    for name in sorted(environment):
        table = name.split("__")[0]
        if name.startswith(PREFIX) and table not in known and "FAILPOINT" not in name:
            close = difflib.get_close_matches(table, sorted(known), n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            yield f"environment {name}: no such key{meant}"


def line_numbers(text: str) -> dict[Place, int]:
    """In which line each key and each table of a TOML file begins.

    A statement begins in the line behind the last one up to which the file is whole.
    """
    lines = text.splitlines(keepends=True)
    found: dict[Place, int] = {}
    first, whole = 1, True
    for number, line in enumerate(lines, start=1):
        if whole and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = number if whole else first
        try:
            values = tomllib.loads("".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            whole = False
            continue
        whole = True
        for place in _places(values):
            found.setdefault(place, first)
    return found


def _places(values: Any, above: Place = ()) -> Iterator[Place]:
    pairs: Iterator[tuple[str | int, Any]]
    pairs = iter(values.items()) if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*above, key))


def _line(place: Place, lines: Mapping[Place, int]) -> int:
    """The line of a place, or of what it is in; 0 where nobody can tell."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 0)


def _located(
    mistake: ErrorDetails, file: Path | None, lines: Mapping[Place, int]
) -> tuple[int, str]:
    """A mistake with its line, for the order, and as text."""
    place: Place = mistake["loc"]
    dotted = ".".join(map(str, place)) or "file"
    message = _message(mistake, place)
    for end in range(len(place), 0, -1):
        variable = PREFIX + "__".join(map(str, place[:end])).upper()
        if variable in os.environ:
            return 0, f"environment {variable}: {message}"
    line = _line(place, lines)
    where = f"{file}:{line}" if line else str(file or "environment")
    return line, f"{where}: {dotted}: {message}"


def _message(mistake: ErrorDetails, place: Place) -> str:
    kind, given = mistake["type"], mistake["input"]
    if kind == "extra_forbidden":
        return _no_such_key(mistake, place)
    message = PLAIN.get(kind) or mistake["msg"].removeprefix("Value error, ")
    if kind != "missing" and isinstance(given, (str, int, float)) and place[-1] not in SECRET:
        message += f", not {literal(given)[:_SHOWN_CHARS]}"
    if kind == "literal_error":
        close = difflib.get_close_matches(str(given), mistake["ctx"]["expected"].split("'"), n=1)
        return f"{message}; did you mean {literal(close[0])}?" if close else message
    example = _example(place)
    return f"{message}; right would be `{example}`" if example else message


def _no_such_key(mistake: ErrorDetails, place: Place) -> str:
    """That a key does not exist: the nearest one, or the table that it belongs in."""
    told = explain_one(mistake)
    key = str(place[-1])
    homes = [
        name
        for name, field in Settings.model_fields.items()
        if (model := _model(field)) is not None and key in model.model_fields
    ]
    if "did you mean" in told or not homes:
        return told
    return f"{told} here; it belongs in {' or '.join(f'[{name}]' for name in homes)}"


def explain_one(mistake: ErrorDetails) -> str:
    """The explanation that every verb gives, without its place."""
    lines = explain([mistake], "")
    return lines.split(": ", 2)[-1]


def _example(place: Place) -> str:
    """A line that would be right; empty where there is none to give."""
    names = [part for part in place if isinstance(part, str)]
    model: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for name in names:
        field = model.model_fields.get(name) if model else None
        if field is None:
            return ""
        model = SourceSettings if name == "sources" else _model(field)
    value = EXAMPLES.get(".".join(names), field.default if field else None)
    if model is not None or not isinstance(value, (str, int, float, list, tuple)) or value == "":
        return ""
    return f"{names[-1]} = {literal(value)}"


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None

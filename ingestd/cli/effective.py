"""The configuration that applies, key by key, with where each value comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ingestd.location import read_toml
from ingestd.visible import masked

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location

MASK = "***"
SECRETS = {"store.token", "http.token"}
PLACES = ("state_dir", "cache_dir", "state_url")
"""Keys whose value is found, not read."""


@dataclass(frozen=True, slots=True)
class Value:
    """One key with its value, ready to be shown, and where it comes from."""

    key: str
    value: Any
    origin: str


def values(settings: Settings, location: Location) -> Iterator[Value]:
    """Every key in the order of the documentation; secrets are masked."""
    file = read_toml(location.config_file) if location.config_file else {}
    places = {
        "state_dir": str(location.state_dir),
        "cache_dir": str(location.cache_dir),
        "state_url": masked(location.state_url),
    }
    for key, value in _flat(settings):
        shown = places.get(key, value)
        if key in SECRETS and value is not None:
            shown = MASK
        elif key == "store.url" and value is not None:
            shown = masked(str(value))
        yield Value(key, shown, _origin(key, value, shown, file))


def as_json(settings: Settings, location: Location) -> dict[str, Any]:
    """As one object for scripts."""
    found = list(values(settings, location))
    return {
        "type": "config",
        "file": str(location.config_file) if location.config_file else None,
        "values": {one.key: one.value for one in found},
        "origins": {one.key: one.origin for one in found},
    }


def as_text(settings: Settings, location: Location) -> str:
    """As TOML, with the origin of each value that is not a default in a comment."""
    lines = [f"# file: {location.config_file or 'none'}"]
    table = ""
    for one in values(settings, location):
        *tables, key = one.key.split(".")
        if tables and (name := _header(tables)) != table:
            table = name
            lines += ["", name]
        unset = one.value is None
        line = f"# {key} is not set" if unset else f"{key} = {literal(one.value)}"
        lines.append(line if unset or one.origin == "default" else f"{line}  # {one.origin}")
    return "\n".join(lines)


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(one) for one in value)}]"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)


def _flat(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Plain keys before tables, as TOML wants it."""
    found = [(name, getattr(model, name)) for name in type(model).model_fields]
    for name, value in found:
        if not _is_table(value):
            yield prefix + name, str(value) if isinstance(value, Path) else value
    for name, value in found:
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{name}.")
        elif _is_table(value):
            for number, one in enumerate(value):
                yield from _flat(one, f"{prefix}{name}.{number}.")


def _is_table(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return True
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], BaseModel)


def _header(tables: list[str]) -> str:
    """``[store]``, or ``[[sources]]`` with its number in a comment that tells two apart."""
    if tables[-1].isdigit():
        return f"[[{'.'.join(tables[:-1])}]]  # {int(tables[-1]) + 1}"
    return f"[{'.'.join(tables)}]"


def _origin(key: str, value: Any, shown: Any, file: dict[str, Any]) -> str:
    top = key.split(".", maxsplit=1)[0]
    names = {f"INGESTD_{key.replace('.', '__').upper()}", f"INGESTD_{top.upper()}"}
    if set_by := sorted(names & set(os.environ)):
        return f"environment {set_by[0]}"
    if _in_file(key, file):
        return "file"
    if key in PLACES and shown != value:
        return "found"
    return "default"


def _in_file(key: str, file: Any) -> bool:
    for part in key.split("."):
        try:
            file = file[int(part)] if isinstance(file, list) else file[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return True

"""What the papers of a model say: its languages and its licence, as far as they say so plainly.

A model's ``README.md`` begins with lines of ``key: value`` between two lines of dashes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MOST_CHARS = 64 * 1024
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?|multilingual")
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,60}")


def languages(folder: Path) -> tuple[str, ...]:
    """Codes of the languages; empty where none are named."""
    values = [value.lower() for value in _values(folder, "language")]
    return tuple(dict.fromkeys(value for value in values if _CODE.fullmatch(value)))


def licence(folder: Path) -> str:
    """The short name of the licence; empty where none is named."""
    found = [value for value in _values(folder, "license") if _LICENCE.fullmatch(value)]
    return found[0] if found else ""


def _values(folder: Path, key: str) -> list[str]:
    """The values of a key: behind it, or in a list below it."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST_CHARS).splitlines()
    except OSError:
        return []
    if not lines or lines[0].strip() != "---":
        return []
    found: list[str] = []
    inside = False
    for line in lines[1:]:
        if line.strip() == "---":
            break
        if inside and re.match(r"\s*- ", line):
            found.append(line.strip().removeprefix("- "))
            continue
        inside = line.startswith(f"{key}:")
        if inside:
            found += line.partition(":")[2].strip().strip("[]").split(",")
    return [value.strip().strip("'\"") for value in found if value.strip()]

"""Sizes as people write them: ``512M``, ``2G``, or a number of bytes."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse(value: object) -> int:
    """Read a size.

    Args:
        value: a number of bytes, or a number with K, M, G or T, which are powers of 1024.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        message = f'{value!r} is no size: write bytes, or a number such as "512M" or "2G"'
        raise ValueError(message)
    number, unit = found.groups()
    return int(float(number) * 1024 ** _POWERS[unit.lower()])


def parse_or_none(value: object) -> int | None:
    """The same for a size that need not be given."""
    return None if value is None else parse(value)

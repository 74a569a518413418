"""Words, numbers, durations and times in the language of who looks. Pure but for the catalogues."""

from __future__ import annotations

import time
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("en", "ko")
"""The first one is for those who ask for none of them."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
BINARY = 1_024


class Language:
    """How a language says things.

    Args:
        code: one of `LANGUAGES`.
        words: its catalogue, by dotted key.
    """

    def __init__(self, code: str, words: Mapping[str, str]) -> None:
        self.code = code
        self._words = words

    def __call__(self, key: str, **values: object) -> str:
        """The words for a key, with values put in.

        Raises:
            KeyError: there is no such key: a mistake in a template.
        """
        return self._words[key].format(**values) if values else self._words[key]

    def name_of(self, group: str, name: str) -> str:
        """The words for a name that programs use; itself, where there are none."""
        return self._words.get(f"{group}.{name}", name)

    def duration(self, seconds: float) -> str:
        """A duration in its two largest units at most, such as ``2 h 5 min``."""
        if seconds < 10:  # noqa: PLR2004 - below, a second more or less is much
            return self("unit.second", number=f"{max(0.0, seconds):.1f}".removesuffix(".0"))
        left = int(max(0.0, seconds) + 0.5)
        units = (("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", 1))
        first = next((place for place, (_, size) in enumerate(units) if left >= size), 3)
        parts: list[str] = []
        for unit, size in units[first : first + 2]:
            number, left = divmod(left, size)
            if number or not parts:
                parts.append(self(f"unit.{unit}", number=number))
            if unit == "minute" and number >= 10:  # noqa: PLR2004 - seconds matter no more
                break
        return " ".join(parts)

    def size(self, number: float) -> str:
        """Bytes in binary units."""
        for unit in ("B", "KiB", "MiB"):
            if number < BINARY:
                return f"{number:,.0f} {unit}"
            number /= BINARY
        return f"{number:,.1f} GiB"

    def number(self, value: float) -> str:
        """A whole number with its thousands set apart."""
        return f"{value:,.0f}"

    def moment(self, at: float, now: float) -> str:
        """A time of the local clock; with its date, where that is not today."""
        there, here = time.localtime(at), time.localtime(now)
        clock = time.strftime("%H:%M:%S", there)
        if there[:3] == here[:3]:
            return clock
        if self.code == "ko":
            return f"{there.tm_year}. {there.tm_mon}. {there.tm_mday}. {clock}"
        return f"{time.strftime('%Y-%m-%d', there)} {clock}"


@cache
def language(code: str) -> Language:
    """The language of a code, which must be one of `LANGUAGES`."""
    return Language(code, catalogue(code))


def catalogue(code: str) -> dict[str, str]:
    """Its words by dotted key."""
    text = files(__package__).joinpath("words", f"{code}.toml").read_text("utf-8")
    return dict(_flat("", tomllib.loads(text)))


def _flat(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _flat(f"{prefix}{key}.", value)
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found


def accepted(header: str) -> str:
    """The language that fits an ``Accept-Language`` best.

    Args:
        header: as a browser sends it, such as ``ko-KR,ko;q=0.9,en;q=0.8``.
    """
    wishes = []
    for place, wish in enumerate(header.split(",")[:20]):
        tag, _, weight = wish.partition(";q=")
        code = tag.strip().lower().partition("-")[0]
        if code in LANGUAGES and (value := _weight(weight)) > 0:
            wishes.append((-value, place, code))
    return min(wishes)[2] if wishes else LANGUAGES[0]


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0

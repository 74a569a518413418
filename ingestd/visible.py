"""Text for people's eyes: what could steer a terminal or a browser is shown, not obeyed."""

from __future__ import annotations

import re
import unicodedata

OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that are not seen themselves, but change what is seen."""
JOINERS = "\u200c\u200d"
"""Some scripts and pictures need them between letters; they turn nothing around."""


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it needs one."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def clean(value: str) -> str:
    """A name in one line; all that is not printable is escaped, line breaks as well."""
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else _escaped(char) for char in value)


def prose(value: str) -> str:
    """A text of several lines; control characters and those that turn text around are escaped."""
    if value.isprintable():
        return value
    return "".join(char if _is_harmless(char) else _escaped(char) for char in value)


def _is_harmless(char: str) -> bool:
    return char in "\n\t" or char in JOINERS or unicodedata.category(char) not in OBEYED


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def masked(url: str) -> str:
    """An address without the password in it."""
    return re.sub(r"(?<=:)[^:@/]+(?=@)", "***", url)

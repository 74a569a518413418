"""One form for characters that mean the same: composed letters, and no full-width Latin letters.

Text is brought to the normal form C, which changes nothing that a reader sees: Korean that a Mac
wrote as single letters becomes syllables again. Of the compatibility forms only those are replaced
that differ in width alone; the form KC would make a 2 of a superscript, and m2 of a square metre.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HELD_CHARS = 4096
_MOST_MARKS = 30
_MARKS = range(0x300, 0x10000)
# They are no marks themselves, but made of marks.
_MADE_OF_MARKS = "\u0f73\u0f75\u0f81"

# What nothing before it is composed with, and what no escape and no run of wide forms goes on with.
_SAFE = re.compile(
    "(?<!\\\\)[\t\n ,{}\\[\\]]|[\u1100-\u1112\u3041-\u3096\u4e00-\u9fff\uac00-\ud7a3]"
)
_WIDE = {0xFF01 + i: 0x21 + i for i in range(94)}
_LETTER = "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
# Signs count between letters only, and ends of sentences never: they need their width to be seen.
_WIDE_WORD = re.compile(f"[{_LETTER}](?:[\uff02-\uff1e\uff20-\uff5e]*[{_LETTER}])?")
_NARROW_WORD = re.compile("[\uff66-\uffdc]+")


def normal(text: str, *, fold: bool = True) -> str:
    """A text in its normal form.

    Args:
        text: any text.
        fold: replace full-width letters and digits, and half-width Hangul and katakana.
    """
    if text.isascii():
        return text
    if not _special().search(text):
        return unicodedata.normalize("NFC", text)
    if fold:
        text = _WIDE_WORD.sub(lambda found: found[0].translate(_WIDE), text)
        text = _NARROW_WORD.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return "".join(_composed(text))


def normal_pieces(pieces: Iterator[str], *, fold: bool = True) -> Iterator[str]:
    """Yield the normal form of a text that comes in pieces."""
    for piece in regrouped(pieces):
        yield normal(piece, fold=fold)


def regrouped(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the text in pieces that begin where no character depends on the one before.

    Where a text goes on for thousands of characters without such a place, it is cut anywhere.
    """
    held = ""
    for piece in pieces:
        held += piece
        place = 0
        for found in _SAFE.finditer(held, max(0, len(held) - _HELD_CHARS)):
            place = found.start()
        if place or len(held) > _HELD_CHARS:
            place = place or len(held)
            yield held[:place]
            held = held[place:]
    if held:
        yield held


def _composed(text: str) -> Iterator[str]:
    """Yield the text in form C, and runs of very many marks as they are.

    Marks are sorted, in quadratic time: a hostile file could be nothing but marks.
    """
    start = 0
    for found in _long_runs().finditer(text):
        yield unicodedata.normalize("NFC", text[start : found.start()])
        yield found[0]
        start = found.end()
    yield unicodedata.normalize("NFC", text[start:])


@lru_cache(maxsize=1)
def _long_runs() -> re.Pattern[str]:
    """Finds more marks in a row than any language writes."""
    return re.compile(f"[{_marks()}]{{{_MOST_MARKS + 1},}}")


@lru_cache(maxsize=1)
def _special() -> re.Pattern[str]:
    """Finds what takes more than the form C: one look, where most texts have nothing of it."""
    return re.compile(f"[{_marks()}\uff01-\uffdc]")


@lru_cache(maxsize=1)
def _marks() -> str:
    """The marks that letters are composed with, as ranges of a set.

    Whatever is beyond the first 65,536 characters passes for one: with many ranges there, the look
    would take ten times as long.
    """
    ranges: list[list[int]] = []
    for code in _MARKS:
        if unicodedata.combining(chr(code)) or chr(code) in _MADE_OF_MARKS:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return f"{marks}\U00010000-\U0010ffff"

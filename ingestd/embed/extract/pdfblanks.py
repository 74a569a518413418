"""Blanks of a PDF that nobody wrote: in Korean each would part a word in two.

Some programs write a blank of no width where the letters go on in another part of a font. And where
Korean goes on behind a Latin word, word processors move it by up to a quarter of a letter, which
the library takes for a blank: a written one is a third wide. Programs that write no blanks at all,
as TeX, are left alone: there a blank may be as narrow.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from pypdfium2 import PdfiumError, raw

_BLANK = re.compile(r"(?<=[\uac00-\ud7a3]) (?=[!-~\uac00-\ud7a3])|(?<=[!-~]) (?=[\uac00-\ud7a3])")
_BEYOND_BMP = re.compile(r"[\U00010000-\U0010ffff]")
_GAP_SHARE = 0.05  # of the width of a letter: less is no gap
_MOST_ASKED = 1_000  # blanks, until one is found that the file has
_MOVED_SHARE = 0.28  # of the width of a Korean letter: that much it may be moved


def without_unseen(textpage: Any, text: str) -> str:
    """The text of a page without such blanks.

    Args:
        textpage: of pypdfium2.
        text: all of its text, as the library gives it; where a part was left out, nothing is done.
    """
    first = _BLANK.search(text)
    if first is None:
        return text
    # The library counts what lies beyond the first plane twice, or once: whichever fits.
    beyond = [found.start() for found in _BEYOND_BMP.finditer(text)]
    twice = textpage.count_chars() - len(text)
    if twice not in {0, len(beyond)}:
        return text
    writes = _writes_blanks(textpage, text)
    kept, end, passed = [], 0, 0
    for found in _BLANK.finditer(text, first.start()):
        place = found.start()
        while twice and passed < len(beyond) and beyond[passed] < place:
            passed += 1
        moved = writes and text[place - 1].isascii()
        if _is_unwritten(textpage, place + passed, moved=moved):
            kept.append(text[end:place])
            end = found.end()
    return "".join([*kept, text[end:]])


def _writes_blanks(textpage: Any, text: str) -> bool:
    """Whether a blank of the page is one of the file."""
    blanks = (at for at, sign in enumerate(text) if sign == " ")
    return any(_is_written(textpage, at) for at in islice(blanks, _MOST_ASKED))


def _is_written(textpage: Any, place: int) -> bool:
    found = raw.FPDFText_GetUnicode(textpage.raw, place) == ord(" ")
    return bool(found and raw.FPDFText_IsGenerated(textpage.raw, place) == 0)


def _is_unwritten(textpage: Any, place: int, *, moved: bool) -> bool:
    """Whether there is no room for this blank, or no more than what a letter may be moved by."""
    made = raw.FPDFText_IsGenerated(textpage.raw, place) != 0  # by the library, for there is a gap
    if made and not moved:
        return False
    if raw.FPDFText_GetUnicode(textpage.raw, place) != ord(" "):
        return False  # not the place that was meant
    try:
        before = textpage.get_charbox(place - 1, loose=True)
        behind = textpage.get_charbox(place + 1, loose=True)
    except PdfiumError:
        return False
    if min(before[3], behind[3]) <= max(before[1], behind[1]):
        return False  # on two lines
    gap = abs(behind[0] - before[2])
    if made:
        return bool(gap <= _MOVED_SHARE * (behind[2] - behind[0]))
    return bool(gap <= _GAP_SHARE * (before[2] - before[0]))

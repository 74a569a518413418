"""Blanks of a PDF that nobody sees: between two letters that stand side by side.

Some programs write a blank of no width where the letters go on in another part of a font; in Korean
it would part a word in two.
"""

from __future__ import annotations

import re
from typing import Any

from pypdfium2 import PdfiumError, raw

_BLANK = re.compile(r"(?<=[\uac00-\ud7a3]) (?=[\uac00-\ud7a3.,:;!?)\]])")
_BEYOND_BMP = re.compile(r"[\U00010000-\U0010ffff]")
_GAP_SHARE = 0.05  # of the width of a letter: less is no gap


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
    kept, end, passed = [], 0, 0
    for found in _BLANK.finditer(text, first.start()):
        place = found.start()
        while twice and passed < len(beyond) and beyond[passed] < place:
            passed += 1
        if _is_unseen(textpage, place + passed):
            kept.append(text[end:place])
            end = found.end()
    return "".join([*kept, text[end:]])


def _is_unseen(textpage: Any, place: int) -> bool:
    """Whether the file has this blank, and no room for it."""
    if raw.FPDFText_IsGenerated(textpage.raw, place) != 0:
        return False  # made by the library, because there is a gap
    if raw.FPDFText_GetUnicode(textpage.raw, place) != ord(" "):
        return False  # not the place that was meant
    try:
        before = textpage.get_charbox(place - 1, loose=True)
        behind = textpage.get_charbox(place + 1, loose=True)
    except PdfiumError:
        return False
    gap, width = behind[0] - before[2], before[2] - before[0]
    in_line = min(before[3], behind[3]) > max(before[1], behind[1])
    return bool(in_line and abs(gap) <= _GAP_SHARE * width)

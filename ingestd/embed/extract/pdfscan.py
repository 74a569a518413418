"""Pages of a PDF that are pictures of text: which they are, and what they look like."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw

if TYPE_CHECKING:
    from ingestd.embed.extract.picture import Pixels

_LETTER = re.compile(r"[^\W\d_]")
_FEW_LETTERS = 50
"""What a scanner adds, or a number of the page; a page of text has more."""
_MOST_OBJECTS = 200
_MOST_DEPTH = 3
_SOME_SHARE = 0.03
_MOST_SHARE = 0.5
"""Of the page, that a picture covers."""
_DPI, _POINTS = 300, 72
_LEAST_DPI = 70


def is_scan(page: Any, lines: list[str]) -> bool:
    """Whether the text of a page stands in a picture.

    Args:
        page: of PDFium.
        lines: the text that it has besides.
    """
    letters = sum(len(_LETTER.findall(line)) for line in lines)
    if letters >= _FEW_LETTERS:
        return False
    return _covered(page) >= (_MOST_SHARE if letters else _SOME_SHARE)


def pixels(page: Any, most: int) -> Pixels | None:
    """A page as it is seen, grey, at 300 pixels in an inch, or fewer where it is large.

    Args:
        page: of PDFium.
        most: pixels that it may have.

    Returns:
        None where so few pixels of so large a page say nothing.
    """
    width, height = page.get_size()
    area = max(width * height, 1.0) / _POINTS**2
    dpi = min(_DPI, int(math.sqrt(most / area)))
    if dpi < _LEAST_DPI:
        return None
    bitmap = page.render(scale=dpi / _POINTS, grayscale=True, may_draw_forms=False)
    try:
        # A bitmap that pypdfium2 makes itself has no gaps between its rows.
        return bytes(bitmap.buffer), bitmap.width, bitmap.height, dpi
    finally:
        bitmap.close()


def _covered(page: Any) -> float:
    """The share of the page that its largest picture covers."""
    width, height = page.get_size()
    most = 0.0
    found = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=_MOST_DEPTH)
    for number, image in enumerate(found):
        if number == _MOST_OBJECTS:
            break
        try:
            left, bottom, right, top = image.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        covers = max(0.0, min(right, width) - max(left, 0)) * max(
            0.0, min(top, height) - max(bottom, 0)
        )
        most = max(most, covers / max(width * height, 1.0))
    return most

"""What encoding a text is in that is neither UTF-8 nor Korean: a guess, made over all of it."""

from __future__ import annotations

import codecs
import re
from collections import Counter

_CODECS = {
    "EUC-KR": "cp949",
    "GBK": "gb18030",
    "Shift_JIS": "cp932",
    "Big5": "big5hkscs",
    "ISO-8859-8-I": "iso8859-8",
    "IBM866": "cp866",
    "x-mac-cyrillic": "mac-cyrillic",
}
"""What Python calls the encodings of the web that it calls otherwise, or a superset of them."""
_WESTERN = "cp1252"
_ASIAN = frozenset({"cp949", "gb18030", "big5hkscs", "cp932", "euc_jp"})
_CYRILLIC = frozenset({"cp1251", "koi8-u", "iso8859-5", "cp866", "mac-cyrillic"})

_NOT_OF_THE_WEB = ("cp850", "mac-roman")
"""Of DOS and of old Macintoshes: no browser guesses them."""
_WITHIN_WORD = re.compile(rb"(?<=[a-z])[\x80-\xff](?=[a-z])")
_FEW = 2
_MOST_ODD_SHARE = 0.5
_FITTING_SHARE = 0.9

_CENTRAL = "iso8859-2"
_CENTRAL_ONLY = bytes(
    byte for byte in range(0xA0, 0x100) if bytes([byte]).decode(_CENTRAL) != chr(byte)
)
_QUOTES = "\u00ab\u00bb".encode(_WESTERN)


class Guess:
    """Guesses from the bytes that it was given, piece by piece; it holds none of them."""

    def __init__(self) -> None:
        from chardetng_py import EncodingDetector  # noqa: PLC0415 - rarely needed

        self._detector = EncodingDetector()
        self._within: Counter[bytes] = Counter()
        self._central = self._quotes = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._detector.feed(piece, last=False)
        self._within.update(found[0] for found in _WITHIN_WORD.finditer(piece))
        self._central += len(piece) - len(piece.translate(None, _CENTRAL_ONLY))
        self._quotes += len(piece) - len(piece.translate(None, _QUOTES))

    def codec(self) -> str:
        """The likeliest encoding, as Python names it; call once, after the last piece."""
        self._detector.feed(b"", last=True)
        name: str = self._detector.guess(tld=None, allow_utf8=False)
        found = codecs.lookup(_CODECS.get(name, name)).name
        # French and Spanish quotes pass for two letters of Czech, which no text has most of.
        if found == _CENTRAL and 2 * self._quotes >= self._central:
            found = _WESTERN
        if found in _ASIAN or self._within.total() < _FEW or self._fit(found) > _MOST_ODD_SHARE:
            return found
        older = max(_NOT_OF_THE_WEB, key=self._fit)
        return older if self._fit(older) >= _FITTING_SHARE else found

    def _fit(self, codec: str) -> float:
        """The share of what stands between small letters and is one, or an apostrophe."""
        fitting = 0
        for byte, count in self._within.items():
            char = byte.decode(codec, "replace")
            fitting += count if char.islower() or char == "\u2019" else 0
        return fitting / self._within.total()


def is_far_from_korean(codec: str) -> bool:
    """Whether a guess speaks against Korean: for a script whose bytes give Hangul as well."""
    return codec in _CYRILLIC or (codec in _ASIAN and codec != "cp949")


def candidates(codec: str) -> tuple[str, ...]:
    """What to decode by: the guess, and what takes the bytes that Windows left without meaning."""
    return (codec, "iso8859-1") if codec == _WESTERN else (codec,)

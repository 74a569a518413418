"""Words, and how many of them a reader found."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?: \"[^\"]*\")?\)")
_SIGNS = re.compile(r"[*`]|~~|\\(?=[^\w\s])|(?<![^\W_])_{1,3}|_{1,3}(?![^\W_])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def words(text: str) -> Counter[str]:
    """The words of a text, each as often as it stands there.

    A word is a run of letters and digits, in whatever form and case: Korean with another spacing
    has other words.
    """
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return Counter(_WORD.findall(plain.casefold()))


def unmarked(markdown: str) -> str:
    """Markdown without its signs of emphasis, code and links, which stand within Korean words."""
    return _SIGNS.sub("", _LINK.sub(r"\1", markdown))


@dataclass(slots=True)
class Score:
    """Words of one reader, summed over documents.

    Attributes:
        both: in the truth and in what was read.
        truth: in the truth.
        read: in what was read.
    """

    both: int = 0
    truth: int = 0
    read: int = 0

    def add(self, truth: Counter[str], read: Counter[str]) -> None:
        """Count a document."""
        self.both += (truth & read).total()
        self.truth += truth.total()
        self.read += read.total()

    @property
    def recall(self) -> float:
        """The share of the truth that was read."""
        return self.both / self.truth if self.truth else 1.0

    @property
    def precision(self) -> float:
        """The share of what was read that is in the truth."""
        return self.both / self.read if self.read else 0.0

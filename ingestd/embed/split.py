"""Cuts a text into units that fit a budget of tokens: blocks, then lines, sentences, words.

A unit is what the chunker packs. It is as large as the budget allows, so that ever smaller cuts
are made only where a block is too long.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingestd.ports import Tokenizer

    Range = tuple[int, int]

# Long texts hold the interpreter while they are counted: never count more at once.
MAX_PIECE_CHARS = 16_000
_BATCH_CHARS = 64_000
_BATCH_TEXTS = 64

# Words that the model has no entry for count as one token however long they are.
CHARS_PER_TOKEN = 8

# End marks and the quotes and brackets that may stand behind them. East Asian marks (ideographic
# full stop, full-width exclamation and question mark) end a sentence without white space too.
_WIDE_ENDINGS = "\u3002\uff01\uff1f"
_ENDINGS = (*".!?\u2026", *_WIDE_ENDINGS)
_CLOSING = "\"')]\u2019\u201d\u00bb\u300d\u300f"
_BEHIND = f"{re.escape(_CLOSING)}{_WIDE_ENDINGS}"
# The last syllables of Korean sentences: behind a mark they need no white space to end one. The
# formal endings, and those of minutes and notices, end one at white space without a mark.
_KOREAN = "\ub2e4\uc694\uae4c\ud568\uc74c\ub428\uc784\uc8e0"
_KOREAN += "\ub124\uc624\ub77c\uc790\uc9c0\uad70\ub098\uac83"
_KOREAN_ENDINGS = """
    \ub2c8\ub2e4 \ub2c8\uae4c \uc138\uc694 \uc2dc\uc624 \uc5b4\uc694 \uc544\uc694 \uc608\uc694
    \uc5d0\uc694 \uc9c0\uc694 \uc788\uc74c \uc5c6\uc74c \ud588\uc74c \uc600\uc74c \ub410\uc74c
"""
_UNMARKED = "|".join(f"(?<={ending})" for ending in _KOREAN_ENDINGS.split())
_NEXT = "\uac00-\ud7a3\u4e00-\u9fffA-Z0-9(\u201c\u2018\u300c\u300e"
_ENDS = re.compile(
    rf"(?<=[.!?\u2026{_BEHIND}])\s+|(?<=[{_WIDE_ENDINGS}])(?![{_BEHIND}\s])"
    rf"|(?<=[{_KOREAN}][.!?])(?=[{_NEXT}])|((?:{_UNMARKED})\s+)"
)
_WORD_RUN = re.compile(r"\S+\s*")
_RUN_CHARS = (100, 300)
_RUN_SHARE = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text that is not cut any more.

    Attributes:
        start: first character, as an offset into the extracted text.
        end: one past the last character.
        cost: what it takes of a chunk's budget, in tokens.
        rank: how good a place to cut its beginning is; 0 is a sentence or worse, 1 a line, 2 a
            block, 3 a heading.
        headings: titles of the sections around it, outermost first.
        heading: its level where it is a heading, else 0.
        page: where it begins, as in `Block`.
    """

    start: int
    end: int
    cost: int
    rank: int
    headings: tuple[str, ...] = ()
    heading: int = 0
    page: int | None = None


class Splitter:
    """Splits ranges of one text to a budget, by the counts of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self._tokenizer = tokenizer
        self._text = text

    def costs(self, ranges: Sequence[Range]) -> list[int]:
        """What each range takes of a budget; no tokens are counted for what is far too long."""
        costs = [-(-(end - start) // CHARS_PER_TOKEN) for start, end in ranges]
        short = [i for i, (start, end) in enumerate(ranges) if end - start <= MAX_PIECE_CHARS]
        if not short:
            return costs
        tokens = self._tokenizer.count([self._text[slice(*ranges[i])] for i in short])
        for i, count in zip(short, tokens, strict=True):
            costs[i] = max(costs[i], count)
        return costs

    def fitting(self, start: int, end: int, budget: int, level: int = 0) -> Iterator[Unit]:
        """Yield the units of a range that does not fit as a whole.

        Args:
            start: first character.
            end: one past the last character.
            budget: the most that a unit may cost.
            level: how finely to cut: 0 lines, 1 sentences, 2 runs of words, 3 and up anywhere.
        """
        cut = _CUTS[min(level, len(_CUTS) - 1)]
        size = max(1, budget * CHARS_PER_TOKEN >> max(1, level - 2))
        rank = 1 if level == 0 else 0
        for batch in batches(cut(self._text, start, end, size)):
            for (a, b), cost in zip(batch, self.costs(batch), strict=True):
                if (cost <= budget and b - a <= MAX_PIECE_CHARS) or b - a == 1:
                    yield Unit(a, b, cost, rank)
                else:
                    yield from self.fitting(a, b, budget, level + 1)


def batches(ranges: Iterable[Range]) -> Iterator[list[Range]]:
    """Group ranges so that each group is small enough to count at once."""
    group: list[Range] = []
    size = 0
    for start, end in ranges:
        length = min(end - start, MAX_PIECE_CHARS)
        if group and (size + length > _BATCH_CHARS or len(group) == _BATCH_TEXTS):
            yield group
            group, size = [], 0
        group.append((start, end))
        size += length
    if group:
        yield group


def mark(text: str) -> int:
    """A number that depends on the text alone: the same in every process, and well spread."""
    return zlib.crc32(text.strip().encode())


def _lines(text: str, start: int, end: int, _size: int) -> Iterator[Range]:
    return lines(text, start, end)


def sentences(text: str, start: int, end: int, _size: int = 0) -> Iterator[Range]:
    """Yield sentences: Western ends before white space, East Asian ones anywhere.

    Korean ones end behind a Western mark with or without white space, and without a mark behind
    what only a sentence ends with.
    """
    for found in _ENDS.finditer(text, start, end):
        if not start < found.end() < end:
            continue
        if found[1] or _ends_sentence(text, found.start()):
            yield start, found.end()
            start = found.end()
    yield start, end


def _ends_sentence(text: str, place: int) -> bool:
    """Whether what stands before a place is an end mark, perhaps with closing marks behind."""
    before = text[max(0, place - 4) : place].rstrip(_CLOSING)
    return before.endswith(_ENDINGS)


def _runs(text: str, start: int, end: int, _size: int) -> Iterator[Range]:
    """Yield runs of words that end where the last word says so, so that an edit stays local."""
    least, most = _RUN_CHARS
    for found in _WORD_RUN.finditer(text, start, end):
        length = found.end() - start
        ends_run = length >= least and mark(found[0]) % _RUN_SHARE == 0
        if ends_run or length >= most:
            yield start, found.end()
            start = found.end()
    if start < end:
        yield start, end


def _anywhere(_text: str, start: int, end: int, size: int) -> Iterator[Range]:
    for at in range(start, end, size):
        yield at, min(at + size, end)


_CUTS = (_lines, sentences, _runs, _anywhere)

"""Cuts the rows of a table into chunks, each with the table's header in front.

Rows stay whole where they fit. Where a chunk ends depends on the rows around it, as with text: a
row more or less changes the chunks beside it and no others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingestd.embed.pack import pack
from ingestd.embed.split import CHARS_PER_TOKEN, MAX_PIECE_CHARS, Unit, mark
from ingestd.ports import Block, Extracted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ingestd.ports import Chunk, Table, Tokenizer

    Cut = Callable[[Extracted], Iterator[Chunk]]

_ROWS_AT_ONCE = 64
_ROW_CHARS_AT_ONCE = 64_000
_HEADER_SHARE = 3  # of a chunk, a header takes at most one such part
_GAP = 2  # characters between two groups


class TableCutter:
    """Cuts the rows of one table.

    Args:
        table: what to cut.
        budget: what a chunk may cost, header included.
        tokenizer: counts; None where characters count.
        cut: cuts a text that has one block.
    """

    def __init__(self, table: Table, budget: int, tokenizer: Tokenizer | None, cut: Cut) -> None:
        self._table = table
        self._budget = budget
        self._tokenizer = tokenizer
        self._cut = cut
        self._held: dict[int, str] = {}

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks; places are those in the text that they make up, gaps included."""
        header = _line(self._table.header)
        cost = self._costs([header])[0] if header else 0
        rows: Iterable[str] = self._table.rows
        if cost * _HEADER_SHARE > self._budget:
            rows, header, cost = _behind(header, rows), "", 0
        offset = ordinal = 0
        for text in self._groups(rows, header, self._budget - cost):
            whole = Block(0, len(text), self._table.headings, page=self._table.page)
            for one in self._cut(Extracted(text, self._table.title, "", [whole])):
                start, end = one.start + offset, one.end + offset
                yield replace(one, ordinal=ordinal, start=start, end=end)
                ordinal += 1
            offset += len(text) + _GAP

    def _groups(self, rows: Iterable[str], header: str, budget: int) -> Iterator[str]:
        """Yield the text of each group of rows, header first."""
        for units in pack(self._units(rows), lambda _: budget, self._mark):
            texts = [self._held.pop(unit.start) for unit in units]
            yield "\n".join([header, *texts] if header else texts)

    def _mark(self, unit: Unit) -> int:
        return mark(self._held[unit.start])

    def _units(self, rows: Iterable[str]) -> Iterator[Unit]:
        number = 0
        for batch in _batches(rows):
            for text, cost in zip(batch, self._costs(batch), strict=True):
                self._held[number] = text
                yield Unit(number, number + 1, cost, 1)
                number += 1

    def _costs(self, texts: list[str]) -> list[int]:
        if self._tokenizer is None:
            return [len(text) + 1 for text in texts]
        short = [text if len(text) <= MAX_PIECE_CHARS else "" for text in texts]
        counts = self._tokenizer.count([f"{text}\n" for text in short])
        return [
            max(count, -(-len(text) // CHARS_PER_TOKEN))
            for text, count in zip(texts, counts, strict=True)
        ]


def _line(text: str) -> str:
    return text.strip("\n").rstrip()


def _behind(header: str, rows: Iterable[str]) -> Iterator[str]:
    yield header
    yield from rows


def _batches(rows: Iterable[str]) -> Iterator[list[str]]:
    """Rows that are not blank, on one line each, as many as are counted at once."""
    texts = (" ".join(text.splitlines()) for text in rows)
    waiting = (text for text in texts if text and not text.isspace())
    batch: list[str] = []
    chars = 0
    for text in waiting:
        batch.append(text)
        chars += len(text)
        if len(batch) == _ROWS_AT_ONCE or chars >= _ROW_CHARS_AT_ONCE:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch

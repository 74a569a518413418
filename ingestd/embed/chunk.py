"""Cuts an extracted text into chunks that the model sees whole and that an edit leaves alone.

Two ways. The structural one, the default, starts a chunk at a heading and fills it with whole
blocks; inside a long section the place of a cut depends on the text around it, not on how far it
is from the beginning, so that an insertion changes the chunks beside it and no others. The window
is the classic one: so many characters, so many of them shared with the next.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from ingestd.embed.cutting import Cutting
from ingestd.embed.draft import Draft, white_space_before
from ingestd.embed.pack import pack
from ingestd.embed.split import MAX_PIECE_CHARS, Splitter, Unit, batches, mark
from ingestd.embed.tabular import TableCutter
from ingestd.ports import Block, Chunk, Extracted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ingestd.ports import Table, Tokenizer

_SPECIAL_TOKENS = 2
_MAX_PREFIX_TOKENS = 48
_PREFIX_SHARE = 4  # of the longest text, a prefix takes at most one such part
_PART_CHARS = (180, 120, 60, 30, 15)  # what is left of a title where a prefix is too long
_SEPARATOR = " > "
_LONGEST_PART = 300
_KEPT_PREFIXES = 64
_VERIFIED_AT_ONCE = 32


class Chunker:
    """Cuts documents into chunks.

    Args:
        tokenizer: counts as the embedding model does.
        max_tokens: the longest embedded text, special tokens included; what the model takes when
            it is None or more than that.
        size: length of a window in characters; None cuts by structure.
        overlap: characters that a window shares with the one before.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int | None = None,
        size: int | None = None,
        overlap: int = 0,
    ) -> None:
        limit = min(max_tokens or tokenizer.max_tokens, tokenizer.max_tokens)
        self._tokenizer = tokenizer
        self._cutting = Cutting(limit, size, overlap)

    @property
    def version(self) -> str:
        """The settings in words: texts cut under the same version are cut alike."""
        return self._cutting.version

    def chunks(self, extracted: Extracted) -> Iterator[Chunk]:
        """Yield the chunks of a document, in reading order.

        Each character that is not white space is in exactly one chunk when windows do not
        overlap, and ``extracted.text[chunk.start:chunk.end] == chunk.text``.
        """
        cutting = self._cutting
        yield from _Document(self._tokenizer, cutting.max_tokens, extracted).chunks(
            cutting.size, cutting.overlap
        )

    def table_chunks(self, table: Table) -> Iterator[Chunk]:
        """Yield the chunks of a table; the places are those in their texts, put together.

        Windows do not overlap here: they too begin with the header, and end with a row.
        """
        cutting = self._cutting
        if cutting.size is not None:
            budget, tokenizer = cutting.size, None
        else:
            empty = Extracted("", table.title, "", ())
            document = _Document(self._tokenizer, cutting.max_tokens, empty)
            budget, tokenizer = document.room(table.headings), self._tokenizer
        return TableCutter(table, budget, tokenizer, self.chunks).chunks()


class _Document:
    """The cutting of one document."""

    def __init__(self, tokenizer: Tokenizer, limit: int, extracted: Extracted) -> None:
        self._tokenizer = tokenizer
        self._limit = limit - _SPECIAL_TOKENS
        self._text = extracted.text
        self._title = extracted.title
        self._blocks = extracted.blocks
        self._splitter = Splitter(tokenizer, extracted.text)
        self._prefixes: dict[tuple[tuple[str, ...], bool], tuple[str, int]] = {}

    def chunks(self, size: int | None, overlap: int) -> Iterator[Chunk]:
        """Yield the chunks, each no longer than the limit."""
        drafts = self._structural() if size is None else self._windows(size, overlap)
        for ordinal, draft in enumerate(self._verified(drafts)):
            start, end = draft.start, draft.end
            digest = hashlib.sha256(draft.embedded(self._text).encode()).digest()
            own = self._text[start:end]
            headings, page = draft.headings, draft.page
            yield Chunk(ordinal, start, end, own, draft.prefix, headings, digest, page)

    def room(self, headings: tuple[str, ...]) -> int:
        """Tokens for the text of a chunk that is no heading."""
        return self._limit - self._prefix(headings, own=False)[1]

    # By structure

    def _structural(self) -> Iterator[Draft]:
        """Yield drafts of packed units."""
        for units in pack(self._units(), self._budget, self._mark):
            first = units[0]
            prefix, _ = self._prefix(first.headings, own=bool(first.heading))
            yield Draft(first.start, units[-1].end, prefix, first.headings, first.page)

    def _units(self) -> Iterator[Unit]:
        """Yield the blocks that fit, and the parts of those that do not."""
        blocks = iter(self._blocks)
        for batch in batches((block.start, block.end) for block in self._blocks):
            for cost in self._splitter.costs(batch):
                yield from self._block_units(next(blocks), cost)

    def _block_units(self, block: Block, cost: int) -> Iterator[Unit]:
        rank = 3 if block.heading else 2
        headings = block.headings
        budget = self.room(headings)
        if cost <= budget and block.end - block.start <= MAX_PIECE_CHARS:
            yield Unit(block.start, block.end, cost, rank, headings, block.heading, block.page)
            return
        heading = block.heading
        for unit in self._splitter.fitting(block.start, block.end, budget):
            yield replace(unit, rank=rank, headings=headings, heading=heading, page=block.page)
            rank, heading = unit.rank, 0

    def _budget(self, first: Unit) -> int:
        """Tokens for the text of a chunk that begins with a unit."""
        return self._limit - self._prefix(first.headings, own=bool(first.heading))[1]

    def _mark(self, unit: Unit) -> int:
        return mark(self._text[unit.start : unit.end])

    def _prefix(self, headings: tuple[str, ...], *, own: bool) -> tuple[str, int]:
        """Title and headings on one line, and how many tokens they take.

        With ``own``, the text itself begins with the last heading, which is then left out.
        """
        found = self._prefixes.get((headings, own))
        if found is None:
            if len(self._prefixes) >= _KEPT_PREFIXES:
                self._prefixes.clear()
            found = self._prefixes[headings, own] = self._made_prefix(headings, own=own)
        return found

    def _made_prefix(self, headings: tuple[str, ...], *, own: bool) -> tuple[str, int]:
        """The first of ever shorter forms that is short enough."""
        title = () if headings[:1] == (self._title,) else (self._title,)
        parts = [part for part in (*title, *(headings[:-1] if own else headings)) if part]
        if not parts:
            return "", 0
        most = min(_MAX_PREFIX_TOKENS, self._limit // _PREFIX_SHARE)
        forms = shorter_forms(parts)
        counts = self._tokenizer.count([f"{form}\n" for form in forms])
        for form, count in zip(forms, counts, strict=True):
            if count <= most:
                return form, count
        return "", 0

    # By windows

    def _windows(self, size: int, overlap: int) -> Iterator[Draft]:
        """Yield windows of a number of characters, cut at white space where there is some."""
        blocks = _BlockAt(self._blocks)
        start, length = 0, len(self._text)
        while start < length:
            end = min(start + size, length)
            if end < length:
                end = white_space_before(self._text, end, end - (size - overlap) // 5)
            block = blocks.at(start)
            yield Draft(start, end, "", block.headings, block.page)
            if end == length:
                return
            start = max(end - overlap, start + 1)

    # Both

    def _verified(self, drafts: Iterable[Draft]) -> Iterator[Draft]:
        """Yield the drafts that the model sees whole, trimmed; others in halves.

        Counts of parts do not quite add up to the count of the whole, least of all where a word
        was cut; only the count of what is embedded is certain.
        """
        trimmed = (draft.trimmed(self._text) for draft in drafts)
        kept = (draft for draft in trimmed if draft.start < draft.end)
        while batch := list(islice(kept, _VERIFIED_AT_ONCE)):
            for draft, fits in zip(batch, self._fit(batch), strict=True):
                if fits:
                    yield draft
                else:
                    yield from self._verified(draft.halves(self._text))

    def _fit(self, drafts: list[Draft]) -> list[bool]:
        """Whether each draft is within the limit; a single character always is."""
        long = [d.end - d.start > MAX_PIECE_CHARS for d in drafts]
        texts = [
            "" if skip else d.embedded(self._text) for d, skip in zip(drafts, long, strict=True)
        ]
        counts = self._tokenizer.count(texts)
        return [
            d.end - d.start == 1 or (not skip and count <= self._limit)
            for d, skip, count in zip(drafts, long, counts, strict=True)
        ]


class _BlockAt:
    """The block around ever later places."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._next = 0
        self._last = Block(0, 0)

    def at(self, place: int) -> Block:
        """The last block that begins up to a place, which is not before the last one asked for."""
        while self._next < len(self._blocks) and self._blocks[self._next].start <= place:
            self._last = self._blocks[self._next]
            self._next += 1
        return self._last


def shorter_forms(parts: list[str]) -> list[str]:
    """A prefix in full, without its inner parts, and with its parts cut short."""
    kept = [" ".join(part.split())[:_LONGEST_PART] for part in parts]
    forms = [_SEPARATOR.join(kept)]
    while len(kept) > 2:  # noqa: PLR2004 - the outermost and the innermost stay
        del kept[len(kept) // 2]
        forms.append(_SEPARATOR.join(kept))
    return forms + [_SEPARATOR.join(part[:most].rstrip() for part in kept) for most in _PART_CHARS]

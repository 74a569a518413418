"""From an open file to its chunks: small ones and HTML whole, long texts as a stream."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from ingestd.embed.extract import (
    BinaryFileError,
    NoTextError,
    SkipDocument,
    cleaned,
    extract,
    may_be_markup,
    sniffed,
)
from ingestd.embed.extract.documents import HEAD_BYTES, Documents
from ingestd.embed.extract.formats import Kind
from ingestd.embed.extract.segment import SegmentReader
from ingestd.errors import DocumentError, ExtractionError, UnreadableError
from ingestd.ports import Table

from .encoding import encoding_of, texts
from .file import FileBytes
from .guarded import guarded
from .parts import Batch, End, Head, StarvedError
from .segments import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ingestd.embed.chunk import Chunker
    from ingestd.embed.extract.formats import Format
    from ingestd.ports import Chunk, Extracted, Section

    from .parts import Part

WHOLE_BYTES = 1024 * 1024
_HELD_WHOLE = frozenset({Kind.HTML, Kind.NOTEBOOK})
SECTION_GAP = "\n\n"
"""What stands between two sections in the extracted text."""
BATCH_CHARS = 48 * 1024
BATCH_CHUNKS = 256


class Cutter:
    """Cuts files in this process: the child's work, and the pool's twin for tests.

    Args:
        chunker: cuts texts.
        progress: called now and then while a long file is read, also when it gives no chunks.
        whole_bytes: a file that is longer is read as a stream, if its format allows.
        documents: reads what is no text.
    """

    def __init__(
        self,
        chunker: Chunker,
        progress: Callable[[], None] = lambda: None,
        *,
        whole_bytes: int = WHOLE_BYTES,
        documents: Documents | None = None,
    ) -> None:
        self._chunker = chunker
        self._progress = progress
        self._whole_bytes = whole_bytes
        self._documents = documents or Documents()

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Yield the parts of a file: see `FileCutter.cut`."""
        parts = self._safely(fd, name, size)
        return guarded(parts, name) if guard else parts

    def _safely(self, fd: int, name: bytes, size: int) -> Generator[Part, None, None]:
        """Yield the parts; what goes wrong is one of our errors."""
        file = FileBytes(fd, size, self._progress)
        try:
            yield from self._parts(file, name)
        except (DocumentError, SkipDocument):
            raise
        except MemoryError as error:
            raise StarvedError from error
        except PermissionError as error:  # the file itself is open
            raise ExtractionError(f"its reader asks for what it may not have: {error}") from error
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        except Exception as error:  # whatever a hostile file provokes in a parser
            raise ExtractionError(f"{type(error).__name__}: {error}") from error
        yield End(file.digest)

    def _parts(self, file: FileBytes, name: bytes) -> Iterator[Part]:
        named = self._documents.named(name)
        if named is not None and named.kind is Kind.BINARY:
            raise BinaryFileError(named.mime)
        found = self._documents.recognised(file.head(HEAD_BYTES), file.view, named)
        if found is not None:
            return self._document(file, name, found)
        if named is not None and named.kind is Kind.DOCUMENT:  # its name lies: it may be text
            named, name = None, b""
        if file.size <= self._whole_bytes or (named is not None and named.kind in _HELD_WHOLE):
            return self._whole(file, name)
        return self._long(file, name, named)

    def _whole(self, file: FileBytes, name: bytes) -> Iterator[Part]:
        extracted = extract(file.read(), name)
        yield Head(extracted.title, extracted.mime)
        yield from batches(self._chunker.chunks(extracted))

    def _long(self, file: FileBytes, name: bytes, named: Format | None) -> Iterator[Part]:
        encoding = encoding_of(file, markup=may_be_markup(named))
        pieces = texts(file, encoding)
        if named is None:
            first = next(pieces, "")
            named, pieces = sniffed(first), chain([first], pieces)
            if named.kind in _HELD_WHOLE:
                return self._whole(file, name)
        return self._stream(cleaned(pieces, named.kind), named)

    def _stream(self, pieces: Iterator[str], named: Format) -> Iterator[Part]:
        """Cut segment by segment; the first one gives the title."""
        reader = SegmentReader(named.kind)
        found = segments(pieces, lambda text: reader.look(text).blocks)
        first = reader.read(next(found, ""))
        rest = (replace(reader.read(text), title=first.title) for text in found)
        chunks = self._chunks(chain([first], rest))
        one = next(chunks, None)
        if one is None:  # blank, or nothing but comments
            raise NoTextError
        yield Head(first.title, named.mime)
        yield from batches(chain([one], chunks))

    def _document(self, file: FileBytes, name: bytes, found: Format) -> Iterator[Part]:
        """Cut section by section; the first one gives the title."""
        sections = self._documents.sections(found, file.stream(), name)
        first = next(sections, None)
        if first is None:
            raise NoTextError
        yield Head(first.title, found.mime)
        titled = (replace(section, title=first.title) for section in chain([first], sections))
        yield from batches(self._section_chunks(titled))
        file.settle()

    def _section_chunks(self, sections: Iterable[Section]) -> Iterator[Chunk]:
        """Yield the chunks of sections, with their places in the whole, gaps included."""
        offset = ordinal = 0
        for section in sections:
            if isinstance(section, Table):
                found, length = self._chunker.table_chunks(section), 0
            else:
                found, length = self._chunker.chunks(section), len(section.text)
            for one in found:
                start, end = one.start + offset, one.end + offset
                yield replace(one, ordinal=ordinal, start=start, end=end)
                ordinal += 1
                length = max(length, one.end)
            offset += length + len(SECTION_GAP)

    def _chunks(self, extracted: Iterable[Extracted]) -> Iterator[Chunk]:
        """Yield the chunks of segments, with their places in the whole."""
        offset = ordinal = 0
        for segment in extracted:
            for one in self._chunker.chunks(segment):
                start, end = one.start + offset, one.end + offset
                yield replace(one, ordinal=ordinal, start=start, end=end)
                ordinal += 1
            offset += len(segment.text)
            self._progress()


def batches(chunks: Iterable[Chunk]) -> Iterator[Batch]:
    """Group chunks so that a group is small enough for one message."""
    held: list[Chunk] = []
    chars = 0
    for chunk in chunks:
        held.append(chunk)
        chars += len(chunk.text) + len(chunk.prefix) + sum(map(len, chunk.headings))
        if chars >= BATCH_CHARS or len(held) == BATCH_CHUNKS:
            yield Batch(held)
            held, chars = [], 0
    if held:
        yield Batch(held)

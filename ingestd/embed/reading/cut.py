"""From an open file to its chunks."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from ingestd.embed.extract import NoTextError, SkipDocument
from ingestd.embed.extract.documents import Documents
from ingestd.errors import DocumentError, ExtractionError, UnreadableError
from ingestd.ports import Table

from .contents import WHOLE_BYTES, Contents
from .file import FileBytes
from .guarded import guarded
from .parts import Batch, End, Head, StarvedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ingestd.embed.chunk import Chunker
    from ingestd.ports import Chunk, Section

    from .parts import Part

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
        self._contents = Contents(documents or Documents(), whole_bytes, progress)

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Yield the parts of a file: see `FileCutter.cut`."""
        parts = self._safely(fd, name, size, guard=guard)
        return guarded(parts, name) if guard else parts

    def _safely(
        self, fd: int, name: bytes, size: int, *, guard: bool
    ) -> Generator[Part, None, None]:
        """Yield the parts; what goes wrong is one of our errors."""
        file = FileBytes(fd, size, self._progress)
        try:
            yield from self._parts(file, name, guard=guard)
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

    def _parts(self, file: FileBytes, name: bytes, *, guard: bool) -> Iterator[Part]:
        """Cut section by section; the first one gives the title."""
        content = self._contents.of(file, name, guard=guard)
        first = next(content.sections, None)
        if first is None:
            raise NoTextError
        titled = (
            replace(section, title=first.title) for section in chain([first], content.sections)
        )
        chunks = self._chunks(titled, len(content.gap))
        one = next(chunks, None)
        if one is None:  # blank, or nothing but comments
            raise NoTextError
        yield Head(first.title, content.mime)
        yield from batches(chain([one], chunks))
        if content.gap:
            file.settle()

    def _chunks(self, sections: Iterable[Section], gap: int) -> Iterator[Chunk]:
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
            offset += length + gap


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

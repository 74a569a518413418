"""What is in a file, section by section, whatever it is: small texts whole, long ones as a stream.

The same reads what is packed in a document: mails have attachments, and archives their members.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ingestd.embed.extract import BinaryFileError, cleaned, extract, may_be_markup, sniffed
from ingestd.embed.extract.bounds import Shared
from ingestd.embed.extract.documents import HEAD_BYTES
from ingestd.embed.extract.formats import Kind
from ingestd.embed.extract.nest import Nest
from ingestd.embed.extract.segment import SegmentReader

from .encoding import encoding_of, texts
from .held import HeldBytes
from .segments import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.embed.extract.documents import Documents
    from ingestd.embed.extract.formats import Format
    from ingestd.ports import Section

    from .file import FileBytes

WHOLE_BYTES = 1024 * 1024
_HELD_WHOLE = frozenset({Kind.HTML, Kind.NOTEBOOK})
SECTION_GAP = "\n\n"
"""What stands between two sections of a document in the extracted text."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file.

    Attributes:
        mime: its media type.
        sections: in reading order, each read when it is asked for; the first one has the title.
        gap: what stands between two of them in the extracted text.
    """

    mime: str
    sections: Iterator[Section]
    gap: str = ""


class Contents:
    """Finds out what files are, and reads them.

    Args:
        documents: reads what is no text.
        whole_bytes: a text that is longer is read as a stream, if its format allows.
        progress: called now and then while a long text is read.
    """

    def __init__(
        self, documents: Documents, whole_bytes: int, progress: Callable[[], None]
    ) -> None:
        self._documents = documents
        self._whole_bytes = whole_bytes
        self._progress = progress

    def of(self, file: FileBytes, name: bytes, *, guard: bool = True) -> Content:
        """What is in a file.

        Args:
            file: the file.
            name: the last part of its path, which may tell its format.
            guard: leave out what is packed under a name that holds credentials.

        Raises:
            SkipDocument: there is no text in it.
            DocumentError: it cannot be read.
        """
        bounds = Shared.of(self._documents.bounds, file.size)
        nest = Nest(
            self._packed,
            bounds,
            self._documents.packed.depth,
            lambda path: self._documents.refused(path, guard=guard),
        )
        return self._of(file, name, nest, self._progress)

    def _packed(self, data: bytes, name: bytes, nest: Nest) -> Iterator[Section]:
        """The sections of what is packed in a document."""
        return self._of(HeldBytes(data), name, nest).sections

    def _of(
        self, file: FileBytes, name: bytes, nest: Nest, progress: Callable[[], None] = lambda: None
    ) -> Content:
        named = self._documents.named(name)
        if named is not None and named.kind is Kind.BINARY:
            raise BinaryFileError(named.mime)
        found = self._documents.recognised(file.head(HEAD_BYTES), file.view, named)
        if found is not None:
            sections = self._documents.sections(found, file.stream(), name, nest)
            return Content(found.mime, sections, SECTION_GAP)
        if named is not None and named.kind is Kind.DOCUMENT:  # its name lies: it may be text
            named, name = None, b""
        if file.size <= self._whole_bytes or (named is not None and named.kind in _HELD_WHOLE):
            return _whole(file, name)
        return _long(file, name, named, progress)


def _whole(file: FileBytes, name: bytes) -> Content:
    extracted = extract(file.read(), name)
    return Content(extracted.mime, iter([extracted]))


def _long(
    file: FileBytes, name: bytes, named: Format | None, progress: Callable[[], None]
) -> Content:
    encoding = encoding_of(file, markup=may_be_markup(named))
    pieces = texts(file, encoding)
    if named is None:
        first = next(pieces, "")
        named, pieces = sniffed(first), chain([first], pieces)
        if named.kind in _HELD_WHOLE:
            return _whole(file, name)
    sections = _stream(cleaned(pieces, named.kind), named.kind, progress)
    return Content(named.mime, sections)


def _stream(pieces: Iterator[str], kind: Kind, progress: Callable[[], None]) -> Iterator[Section]:
    """Yield a long text segment by segment."""
    reader = SegmentReader(kind)
    found = segments(pieces, lambda text: reader.look(text).blocks)
    yield reader.read(next(found, ""))
    progress()
    for text in found:
        yield reader.read(text)
        progress()

"""The parts of a document as messages, and back again, checked.

The digest of a chunk is made on the daemon's side: no file can pass its text for another's.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import ExtractionError, UnreadableError
from ingestd.ports import Chunk

from .file import PIECE_BYTES
from .parts import Batch, End, Head, StarvedError
from .wire import NonsenseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingestd.errors import DocumentError

    from .parts import Part

MAX_LABEL_CHARS = 8_000
"""More than any title and prefix with all its headings."""
MAX_HEADINGS = 16
_DIGEST_BYTES = 32
_SIGNS = 64
_EXTRA_CHARS = 1024  # between blocks, an extractor may put more than was there
_MOST_PAGES = 10_000_000

MEMORY = "memory"
"""A failure for lack of memory."""
UNREADABLE = "unreadable"
"""A failure of the disk, or of the file."""
EXTRACTION = "extraction"
"""A failure of a parser."""


def messages(parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    """Yield messages of parts: one alone for a small document."""
    held: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Head):
            held["head"] = [part.title, part.mime]
        elif isinstance(part, End):
            held["end"] = part.digest.hex()
        else:
            if "chunks" in held:
                yield held
                held = {}
            held["chunks"] = [
                [chunk.start, chunk.text, chunk.prefix, chunk.headings, chunk.page]
                for chunk in part.chunks
            ]
    if held:
        yield held


def skip_message(skip: SkipDocument) -> dict[str, Any]:
    """The message that a file is no document for us."""
    return {"skip": [_label(skip.reason), _label(skip.detail)]}


def error_message(error: DocumentError) -> dict[str, Any]:
    """The message that a file failed."""
    code = UNREADABLE if isinstance(error, UnreadableError) else EXTRACTION
    if isinstance(error, StarvedError):
        code = MEMORY
    return {"error": [code, _label(error.message)]}


PROGRESS = {"alive": True}
"""The message that there is progress, although no chunks."""


class Received:
    """What has come of one document.

    Args:
        size: bytes of the file, which bound what can come of it.
        repeat: in how many chunks one character may be.
        unpacked: characters that may come of it when it is a packed document.
        signs: how often it may say that it goes on, beyond what its size allows.

    Attributes:
        size: the same.
        ended: whether the document is complete, or over.
        starved: whether it failed for lack of memory.
    """

    def __init__(self, size: int, repeat: int = 1, unpacked: int = 0, signs: int = 0) -> None:
        self.ended = False
        self.starved = False
        self.size = size
        self._most = max(2 * size, unpacked) + _EXTRA_CHARS
        self._count = 0
        self._left = repeat * self._most
        self._signs = -signs
        self._start = 0
        self._headings: tuple[str, ...] = ()
        self._prefix = ""
        self._has_head = False

    def parts(self, message: Any) -> Iterator[Part]:
        """Yield the parts that a message holds.

        Raises:
            NonsenseError: it is not what a child says.
            SkipDocument: there is no text in the file.
            DocumentError: it failed.
        """
        if not isinstance(message, dict) or not message:
            raise NonsenseError("an empty message")
        if "skip" in message:
            self.ended = True
            reason, detail = _texts(message["skip"], 2)
            raise SkipDocument(reason, detail)
        if "error" in message:
            self.ended = True
            raise self._failure(*_texts(message["error"], 2))
        if "alive" in message:
            self._alive()
        if "head" in message:
            self._has_head = True
            title, mime = _texts(message["head"], 2)
            yield Head(title, mime)
        if "chunks" in message:
            yield Batch([self._chunk(row) for row in _items(message["chunks"])])
        if "end" in message:
            self.ended = True
            yield End(_digest(message["end"]))

    def _alive(self) -> None:
        """Believe that it goes on, as often as a file of this size can take."""
        self._signs += 1
        if self._signs > _SIGNS + self.size // PIECE_BYTES:
            raise NonsenseError("progress without end")

    def _failure(self, code: str, text: str) -> DocumentError:
        if code == UNREADABLE:
            return UnreadableError(text)
        self.starved = code == MEMORY
        if self.starved:
            return StarvedError()
        return ExtractionError(text)

    def _chunk(self, row: Any) -> Chunk:
        start, text, prefix, headings, page = _row(row)
        end = start + len(text)
        if not self._has_head or not text or start < self._start:
            raise NonsenseError("a chunk that cannot be")
        self._left -= len(text)
        if self._left < 0 or end > self._most:
            raise NonsenseError("more text than there can be")
        # Neighbours share what they have in common.
        if headings != self._headings:
            self._headings = headings
        if prefix != self._prefix:
            self._prefix = prefix
        embedded = f"{prefix}\n{text}" if prefix else text
        digest = hashlib.sha256(embedded.encode("utf-8")).digest()
        chunk = Chunk(self._count, start, end, text, self._prefix, self._headings, digest, page)
        self._count += 1
        self._start = start
        return chunk


def _label(text: str) -> str:
    """A text for people, cut so that it passes as one."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:MAX_LABEL_CHARS]


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise NonsenseError("no list")
    return value


def _texts(value: Any, count: int) -> list[str]:
    items = _items(value)
    if len(items) != count or not all(_is_label(item) for item in items):
        raise NonsenseError("no texts")
    return items


def _is_label(value: Any) -> bool:
    """Whether this is a short text that every store takes."""
    return isinstance(value, str) and len(value) <= MAX_LABEL_CHARS and _is_storable(value)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON can say
        return False
    return "\0" not in text


def _row(row: Any) -> tuple[int, str, str, tuple[str, ...], int | None]:
    match row:
        case [int(start), str(text), str(prefix), list(headings), page] if (
            start >= 0
            and _is_storable(text)
            and len(headings) <= MAX_HEADINGS
            and all(isinstance(title, str) for title in headings)
            and _is_label(prefix + "".join(headings))
            and _is_page(page)
        ):
            return start, text, prefix, tuple(headings), page
    raise NonsenseError("no chunk")


def _is_page(value: Any) -> bool:
    """Whether this is the number of a page, or None."""
    return value is None or (type(value) is int and 0 < value <= _MOST_PAGES)


def _digest(value: Any) -> bytes:
    try:
        digest = bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise NonsenseError("no digest") from error
    if len(digest) != _DIGEST_BYTES:
        raise NonsenseError("no digest")
    return digest

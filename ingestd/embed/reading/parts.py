"""What the cutting of one file gives, part by part, and who gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingestd.errors import ExtractionError, IngestdError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ingestd.ports import Chunk


@dataclass(frozen=True, slots=True)
class Head:
    """The first part: what is known of the document as a whole.

    Attributes:
        title: the document's own title; may be empty.
        mime: its media type.
    """

    title: str
    mime: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of its chunks, in reading order."""

    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class End:
    """The last part.

    Attributes:
        digest: SHA-256 of the bytes that the chunks were cut from.
    """

    digest: bytes


Part = Head | Batch | End


class FileCutter(Protocol):
    """Cuts an open file into chunks. Blocking."""

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Yield a head, the chunks in batches, and an end.

        Args:
            fd: the file, open for reading; its offset is left alone.
            name: the last part of its path, which may tell its format.
            size: how many of its bytes are read.
            guard: skip a file with a key or a token in it.

        Raises:
            SkipDocument: there is no text in it, or a secret.
            DocumentError: it cannot be read or extracted; some parts may have been given.
            ExtractorError: the extractor itself is broken; no file is to blame.
            StoppedError: it was told to stop.
        """


class StarvedError(ExtractionError):
    """A file needs more memory than extraction may take."""

    hint = "Raise `extract.memory_bytes`, or exclude the file."

    def __init__(self) -> None:
        super().__init__("it needs more memory than extraction may take")


class ExtractorError(IngestdError):
    """The extraction child cannot be started."""

    code = "extractor"
    hint = "Check `extract.memory_bytes` and the limits of the service; the work is tried again."


class StoppedError(IngestdError):
    """Extraction was told to stop in the middle of a document, which is due again."""

    code = "stopped"
    hint = "Nothing to do: the document is taken up at the next start."

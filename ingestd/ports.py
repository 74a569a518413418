"""What the parts of the daemon hand to each other, and the ports to the outside world.

The glossary of ``docs/architecture.md`` defines the words. Each port has a real adapter and an
in-memory twin; one contract suite in ``tests/contract`` runs over both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import os
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

SEALED = -1
"""The size of a file that nobody looks into."""

Metadata = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The cheap key of a file: when it differs, the file may have changed. Never proof.

    ctime catches an edit whose size and mtime were put back.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Fingerprint:
        """Take the key from a stat result."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def sealed(self) -> Fingerprint:
        """The key of the same file while it is not to be opened.

        It differs from the other one, so that a file which may be opened from now on, or no more,
        counts as changed.
        """
        return replace(self, size=SEALED)


@dataclass(frozen=True, slots=True)
class Source:
    """A configured root, as this process serves it.

    Attributes:
        id: its id in the state table.
        name: its short name.
        root: the folder, absolute, bytes as on disk.
        collection: name of the collection that its chunks go to.
    """

    id: int
    name: str
    root: bytes
    collection: str


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of extracted text that belongs together: a paragraph, a heading, a code block.

    Attributes:
        start: first character, as an offset into the extracted text.
        end: one past the last character.
        headings: titles of the sections around it, outermost first.
        heading: 0 for text, 1 to 6 where the block itself is a heading of that level.
        page: number of the page, slide or sheet that it begins on, from 1; None where a format
            has none.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()
    heading: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's text, as an extractor gives it.

    Attributes:
        text: the whole extracted text; offsets of blocks and chunks point into it.
        title: the document's own title, never derived from its path; may be empty.
        mime: the media type, such as ``text/markdown``.
        blocks: in reading order, not overlapping.
    """

    text: str
    title: str
    mime: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that belong together, of any number; their header is repeated in each chunk.

    The extracted text of a table is what its chunks are, one after the other.

    Attributes:
        header: a line or a few that tell what the columns are; may be empty.
        rows: a line each, without its newline; they are taken once, one after the other.
        title: the document's own title, as in `Extracted`.
        headings: titles of the sections around it, outermost first.
        page: as in `Block`.
    """

    header: str
    rows: Iterable[str]
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None


Section = Extracted | Table
"""A part of a document that is not text, as its reader gives it: at most some MiB are in hand."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: the unit that is embedded and found.

    Attributes:
        ordinal: its place in the document, from 0.
        start: first character, as an offset into the extracted text.
        end: one past the last character.
        text: the chunk's own text, which the collection stores.
        prefix: title and headings, embedded in front of the text; may be empty.
        headings: titles of the sections around it, outermost first.
        digest: SHA-256 of the embedded text; equal digests share one embedding.
        page: number of the page, slide or sheet that it begins on, from 1; None where a format
            has none.
    """

    ordinal: int
    start: int
    end: int
    text: str
    prefix: str
    headings: tuple[str, ...]
    digest: bytes
    page: int | None = None

    @property
    def embedded_text(self) -> str:
        """The text that the model sees."""
        return f"{self.prefix}\n{self.text}" if self.prefix else self.text


class Extractor(Protocol):
    """Turns decoded text of one format into blocks."""

    def __call__(self, text: str) -> Extracted:
        """Extract; raise `ExtractionError` when the text is not of this format."""


class DocumentReader(Protocol):
    """Reads documents of one format that is no text; what a plug-in is made of."""

    @property
    def suffixes(self) -> Sequence[str]:
        """The ends of the names of such files, without a dot, in lower case."""

    @property
    def mime(self) -> str:
        """The media type."""

    @property
    def version(self) -> str:
        """Another one when what it gives changes: then its documents are read again."""

    def read(self, file: BinaryIO, name: str) -> Iterator[Section]:
        """Yield the sections of a document, in reading order.

        The title of the first one is the document's. Raise `SkipDocument` where there is nothing
        to read, and anything else where the file is damaged.

        Args:
            file: the whole file, to be read and sought in, not to be closed.
            name: the last part of its path, which may lie.
        """


class Tokenizer(Protocol):
    """Counts tokens as the embedding model does."""

    @property
    def max_tokens(self) -> int:
        """The longest input of the model, special tokens included."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens and without truncation."""


class Embedder(Protocol):
    """Turns texts into embeddings."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def tokens(self) -> int:
        """Tokens that `embed` has put through the model so far, without padding."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts as documents.

        Returns:
            Array of shape (len(texts), dimension), float32, rows of length 1, in the given order.
        """

    def embed_query(self, text: str) -> Vectors:
        """Embed one text as a query: shape (dimension,), float32."""

    def close(self) -> None:
        """Give back threads and memory."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a query, best first."""

    id: str
    distance: float
    text: str
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Record:
    """One slot of a collection, as stored."""

    id: str
    text: str
    metadata: Metadata
    embedding: Sequence[float] = field(default=())


class Collection(Protocol):
    """One collection of the vector store. Every call may raise `StoreError`; all are repeatable."""

    @property
    def name(self) -> str:
        """The collection's name."""

    def upsert(
        self,
        ids: Sequence[str],
        embeddings: Vectors,
        texts: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Write slots whole. ``embeddings`` has shape (len(ids), dimension)."""

    def relabel(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Write the metadata of slots that keep their text and embedding."""

    def refill(self, ids: Sequence[str], embeddings: Vectors) -> None:
        """Write the embeddings of slots that keep text and metadata, after an index was lost.

        A slot that is not there comes into being without text: only for slots that are.
        """

    def delete(self, ids: Sequence[str]) -> None:
        """Delete slots; ids that are not there are ignored."""

    def count(self) -> int:
        """How many slots are there."""

    def get(
        self, ids: Sequence[str], *, embeddings: bool = False, texts: bool = True
    ) -> list[Record]:
        """These slots, in no particular order; those that are not there are left out.

        Without ``texts``, which cost the most, their text is empty.
        """

    def page(self, offset: int, limit: int, *, embeddings: bool = False) -> list[Record]:
        """Slots by place; for checks, in a store that nobody writes to meanwhile."""

    def query(self, embedding: Vectors, limit: int) -> list[Hit]:
        """The nearest slots. ``embedding`` has shape (dimension,)."""

"""From an open file to its chunks: long texts as a stream, with exact places."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import extract
from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.skip import BinaryFileError, NoTextError
from ingestd.embed.reading import segments as segments_module
from ingestd.embed.reading.contents import WHOLE_BYTES
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch, End, Head, StarvedError
from ingestd.embed.tokenize import WordTokenizer
from ingestd.errors import ExtractionError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.embed.reading.parts import Part
    from ingestd.ports import Chunk

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "문서", "조각"]
CHUNKER = Chunker(WordTokenizer())


@pytest.fixture
def opened() -> Iterator[Callable[[bytes], tuple[int, int]]]:
    """Makes an open file of these bytes: its descriptor and size."""
    fds: list[int] = []

    def make(data: bytes) -> tuple[int, int]:
        fd = os.memfd_create("data")
        fds.append(fd)
        os.write(fd, data)
        return fd, len(data)

    yield make
    for fd in fds:
        os.close(fd)


def document(size: int, seed: int = 1) -> str:
    """A long text in Markdown."""
    rng = random.Random(seed)
    parts, length = ["# The title"], 0
    while length < size:
        parts.append(f"## Section {len(parts)}\n\n" + " ".join(rng.choices(WORDS, k=80)))
        length += len(parts[-1].encode())
    return "\n\n".join(parts)


def taken(parts: Iterator[Part]) -> tuple[Head, list[Chunk], End]:
    """The parts of a document, put together."""
    head, *batches, end = parts
    assert isinstance(head, Head)
    assert isinstance(end, End)
    chunks = [chunk for batch in batches if isinstance(batch, Batch) for chunk in batch.chunks]
    return head, chunks, end


def test_a_short_file_is_cut_as_its_extracted_text(
    opened: Callable[[bytes], tuple[int, int]],
) -> None:
    """Title, media type and chunks are those of the extractor and the chunker."""
    text = document(100_000)
    fd, size = opened(text.encode())
    extracted = extract(text.encode(), b"a.md")
    head, chunks, end = taken(Cutter(CHUNKER).cut(fd, b"a.md", size))
    assert head == Head("The title", "text/markdown")
    assert chunks == list(CHUNKER.chunks(extracted))
    assert end.digest == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize("name", [b"a.md", b"a.rst", b"a.txt", b"a.py", b"none"])
def test_a_long_file_is_cut_as_a_stream_with_exact_places(
    opened: Callable[[bytes], tuple[int, int]], name: bytes
) -> None:
    """Chunks are stretches of the whole text, in order, and leave out white space only."""
    text = document(2 * WHOLE_BYTES)
    fd, size = opened(text.encode())
    head, chunks, end = taken(Cutter(CHUNKER).cut(fd, name, size))
    assert head.title == ("The title" if name == b"a.md" else "")
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    place = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert text[place : chunk.start].isspace() or place == chunk.start
        place = chunk.end
    assert not text[place:].strip()
    assert end.digest == hashlib.sha256(text.encode()).digest()
    if name == b"a.md":
        assert all(chunk.headings[0] == "The title" for chunk in chunks)
        assert all(len(chunk.headings) == 2 for chunk in chunks[1:])


def test_a_stream_gives_almost_the_chunks_of_the_whole(
    opened: Callable[[bytes], tuple[int, int]],
) -> None:
    """Only beside the borders of segments may a text be cut otherwise than in one piece."""
    text = document(2 * WHOLE_BYTES)
    fd, size = opened(text.encode())
    _, chunks, _ = taken(Cutter(CHUNKER).cut(fd, b"a.md", size))
    _, whole, _ = taken(Cutter(CHUNKER, whole_bytes=size).cut(fd, b"a.md", size))
    different = {chunk.digest for chunk in chunks} ^ {chunk.digest for chunk in whole}
    assert len(different) < 20


def test_an_insertion_at_the_top_of_a_long_file_changes_few_chunks(
    opened: Callable[[bytes], tuple[int, int]],
) -> None:
    """The rest keeps its digests, and is not embedded again."""
    text = document(2 * WHOLE_BYTES)
    found = []
    for version in (text, text.replace("# The title", "# The title\n\nA new paragraph.", 1)):
        fd, size = opened(version.encode())
        _, chunks, _ = taken(Cutter(CHUNKER).cut(fd, b"a.md", size))
        found.append({chunk.digest for chunk in chunks})
    assert len(found[1] - found[0]) < 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949"])
def test_places_are_those_of_the_decoded_text(
    opened: Callable[[bytes], tuple[int, int]], encoding: str
) -> None:
    """Whatever the encoding and the newlines: places count characters of the text."""
    data = document(2 * WHOLE_BYTES).replace("\n", "\r\n").encode(encoding)
    fd, size = opened(data)
    text = decode(data)
    _, chunks, _ = taken(Cutter(CHUNKER).cut(fd, b"a.txt", size))
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)


def test_windows_are_cut_segment_by_segment(opened: Callable[[bytes], tuple[int, int]]) -> None:
    """Each character that is not white space is in a window."""
    text = document(2 * WHOLE_BYTES)
    fd, size = opened(text.encode())
    chunker = Chunker(WordTokenizer(), size=500, overlap=50)
    _, chunks, _ = taken(Cutter(chunker).cut(fd, b"a.md", size))
    place = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.start <= place or text[place : chunk.start].isspace()
        place = chunk.end


def test_a_line_without_end_is_cut(opened: Callable[[bytes], tuple[int, int]]) -> None:
    """Three megabytes without a space: all of it is in chunks, none is too long."""
    text = "".join(random.Random(1).choices("abcdefghij", k=3 * WHOLE_BYTES))
    fd, size = opened(text.encode())
    _, chunks, _ = taken(Cutter(CHUNKER).cut(fd, b"a.txt", size))
    assert "".join(chunk.text for chunk in chunks) == text


def test_a_long_page_without_a_suffix_is_read_as_html(
    opened: Callable[[bytes], tuple[int, int]],
) -> None:
    """What its beginning gives away is held whole, as HTML is."""
    page = "<!DOCTYPE html><title>A page</title>" + "<p>one paragraph of words</p>\n" * 40_000
    fd, size = opened(page.encode())
    head, chunks, end = taken(Cutter(CHUNKER).cut(fd, b"page", size))
    assert head == Head("A page", "text/html")
    assert "<" not in chunks[0].text
    assert end.digest == hashlib.sha256(page.encode()).digest()


def test_long_files_without_text_are_skipped(opened: Callable[[bytes], tuple[int, int]]) -> None:
    """Binary is refused, and white space is no text."""
    fd, size = opened(b"\0\1\2\3" * WHOLE_BYTES)
    with pytest.raises(BinaryFileError):
        list(Cutter(CHUNKER).cut(fd, b"a.txt", size))
    for number in (1, WHOLE_BYTES):
        fd, size = opened(b" \t" * number)
        with pytest.raises(NoTextError):
            list(Cutter(CHUNKER).cut(fd, b"a.txt", size))


def test_there_is_a_sign_of_progress_for_each_segment(
    opened: Callable[[bytes], tuple[int, int]],
) -> None:
    """Also where a long file gives no chunks for long."""
    fd, size = opened(b"words\n" * (WHOLE_BYTES // 3))
    signs: list[None] = []
    list(Cutter(CHUNKER, lambda: signs.append(None)).cut(fd, b"a.txt", size))
    assert len(signs) >= 2


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (MemoryError(), StarvedError, "more memory"),
        (RecursionError("too deep"), ExtractionError, "RecursionError: too deep"),
        (OSError(5, "Input/output error"), UnreadableError, "Input/output error"),
    ],
)
def test_whatever_is_raised_is_a_failure_of_the_document(
    opened: Callable[[bytes], tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
    text: str,
) -> None:
    """Parsers, the disk, the memory: each has its own error."""

    def explode(*_: object) -> None:
        raise raised

    monkeypatch.setattr("ingestd.embed.reading.contents.extract", explode)
    fd, size = opened(b"words")
    with pytest.raises(expected, match=text):
        list(Cutter(CHUNKER).cut(fd, b"a.txt", size))


def test_no_batch_is_large(opened: Callable[[bytes], tuple[int, int]]) -> None:
    """Messages stay small, whatever the file."""
    fd, size = opened(document(WHOLE_BYTES).encode())
    for part in Cutter(CHUNKER).cut(fd, b"a.md", size):
        if isinstance(part, Batch):
            assert sum(len(chunk.text.encode()) for chunk in part.chunks) < 256 * 1024


def test_segments_are_far_smaller_than_what_a_file_may_be() -> None:
    """The bound on memory is a constant."""
    assert segments_module.MOST_CHARS <= 1024 * 1024


@pytest.mark.parametrize(
    ("name", "line"),
    [(b"a.txt", " \n"), (b"a.tex", "% a comment\n"), (b"a.adoc", "// a comment\n")],
)
def test_a_long_file_without_text_is_skipped(
    opened: Callable[[bytes], tuple[int, int]], name: bytes, line: str
) -> None:
    """As a short one is: blank lines and comments are no text, however many."""
    for number in (10, 2 * WHOLE_BYTES // len(line)):
        fd, size = opened((line * number).encode())
        with pytest.raises(NoTextError):
            list(Cutter(CHUNKER).cut(fd, name, size))

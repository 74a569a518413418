"""The port for documents that are no text: sections become chunks with places and pages."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract.compose import SECTION_CHARS, Composer
from ingestd.embed.extract.documents import Documents
from ingestd.embed.extract.formats import Format, Kind
from ingestd.embed.extract.skip import NoTextError
from ingestd.embed.reading import file as file_module
from ingestd.embed.reading.contents import SECTION_GAP
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch, End, Head
from ingestd.embed.tokenize import WordTokenizer
from ingestd.errors import ExtractionError, UnreadableError
from ingestd.ports import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Chunk, Extracted, Section

Opened = tuple[int, int]


class Stub(Documents):
    """Takes every file for a document."""

    def __init__(self, read: Callable[[BinaryIO], Iterator[Section]]) -> None:
        super().__init__()
        self._read = read

    def recognised(
        self, head: bytes, view: Callable[[], BinaryIO], named: Format | None
    ) -> Format | None:
        """All are."""
        return Format("application/x-stub", Kind.DOCUMENT)

    def sections(self, found: Format, file: BinaryIO, name: bytes, nest: Nest) -> Iterator[Section]:
        """What the stub gives."""
        return self._read(file)


@pytest.fixture
def opened() -> Iterator[Callable[[bytes], Opened]]:
    """Makes an open file of these bytes."""
    fds: list[int] = []

    def make(data: bytes) -> Opened:
        fd = os.memfd_create("data")
        fds.append(fd)
        os.write(fd, data)
        return fd, len(data)

    yield make
    for fd in fds:
        os.close(fd)


def taken(
    opened: Opened, read: Callable[[BinaryIO], Iterator[Section]]
) -> tuple[Head, list[Chunk], bytes]:
    """Head, chunks and digest of a document."""
    fd, size = opened
    parts = list(Cutter(Chunker(WordTokenizer()), documents=Stub(read)).cut(fd, b"a.stub", size))
    [head] = [part for part in parts if isinstance(part, Head)]
    [end] = [part for part in parts if isinstance(part, End)]
    chunks = [chunk for part in parts if isinstance(part, Batch) for chunk in part.chunks]
    return head, chunks, end.digest


def composed() -> Iterator[Extracted | Table]:
    """Three sections: text on two pages, a table, text again."""
    text = Composer()
    text.page = 1
    text.heading(1, "First")
    for number in range(200):
        text.paragraph(f"paragraph {number} with some words in it")
    text.page = 2
    text.paragraph("second page")
    yield from text.rest()
    yield Table("A | B", (f"{n} | value" for n in range(500)), page=3)
    text.page = 4
    text.heading(2, "Last")
    text.paragraph("the end")
    yield from text.rest()


def test_sections_become_chunks_with_exact_places(opened: Callable[[bytes], Opened]) -> None:
    """Ordinals run on, places are those in the whole, the first title is that of all."""
    whole = []
    for section in composed():
        if isinstance(section, Table):
            chunks = Chunker(WordTokenizer()).table_chunks(section)
            whole.append("\n\n".join(chunk.text for chunk in chunks))
        else:
            whole.append(section.text)
    text = SECTION_GAP.join(whole)
    head, chunks, digest = taken(opened(b"bytes"), lambda _: composed())
    assert head == Head("First", "application/x-stub")
    assert digest == hashlib.sha256(b"bytes").digest()
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert all(chunk.prefix.startswith("First") for chunk in chunks[1:])
    assert chunks[-1].headings == ("First", "Last")


def test_a_chunk_has_the_page_on_which_it_begins(opened: Callable[[bytes], Opened]) -> None:
    """Also where it goes on to the next page, and in a table."""
    _, chunks, _ = taken(opened(b""), lambda _: composed())
    assert {chunk.page for chunk in chunks} >= {1, 3, 4}
    assert [chunk.page for chunk in chunks] == sorted(chunk.page or 0 for chunk in chunks)
    assert all(chunk.page == 3 for chunk in chunks if chunk.text.startswith("A | B"))


@pytest.mark.parametrize("held", [0, 1 << 20])
def test_a_reader_gets_the_bytes_that_are_digested(
    opened: Callable[[bytes], Opened], monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """As a stream that can be sought in, in memory or not; up to the size asked for."""
    monkeypatch.setattr(file_module, "HELD_BYTES", held)
    data = bytes(range(256)) * 1_000
    fd, size = opened(data + b"more")

    def read(file: BinaryIO) -> Iterator[Extracted]:
        file.seek(-10, io.SEEK_END)
        assert file.read() == data[-10:]
        file.seek(100)
        assert file.tell() == 100
        assert file.read(50) == data[100:150]
        file.seek(0)
        assert file.read() == data
        text = Composer()
        text.paragraph("fine")
        return text.rest()

    _, chunks, digest = taken((fd, size - 4), read)
    assert [chunk.text for chunk in chunks] == ["fine"]
    assert digest == hashlib.sha256(data).digest()
    assert os.lseek(fd, 0, os.SEEK_CUR) == size


def test_a_file_that_changes_under_a_reader_is_told(
    opened: Callable[[bytes], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was digested and what was read would differ."""
    monkeypatch.setattr(file_module, "HELD_BYTES", 0)
    fd, size = opened(b"one content")

    def read(file: BinaryIO) -> Iterator[Extracted]:
        os.pwrite(fd, b"another", 0)
        text = Composer()
        text.paragraph(file.read().decode())
        return text.rest()

    with pytest.raises(UnreadableError, match="changed while it was read"):
        taken((fd, size), read)


def test_what_a_reader_raises_is_a_failure_of_the_document(
    opened: Callable[[bytes], Opened],
) -> None:
    """Also in the middle; nothing at all is no text."""

    def broken(_: BinaryIO) -> Iterator[Extracted]:
        text = Composer()
        text.paragraph("some")
        yield from text.rest()
        raise ValueError("what a parser says")

    with pytest.raises(ExtractionError, match="ValueError: what a parser says"):
        taken(opened(b""), broken)
    with pytest.raises(NoTextError):
        taken(opened(b""), lambda _: iter(()))


def test_sections_are_bounded() -> None:
    """A composer gives text away when there is enough of it, headings go on."""
    text = Composer("Title")
    text.heading(1, "One")
    sections = []
    for _ in range(30_000):
        text.paragraph("words " * 10)
        sections += list(text.full())
    sections += list(text.rest())
    assert len(sections) > 2
    assert all(len(section.text) < SECTION_CHARS + 100 for section in sections)
    assert all(section.title == "Title" for section in sections)
    assert sections[-1].blocks[0].headings == ("One",)


def test_a_composer_leaves_out_what_is_no_text() -> None:
    """Control characters, lone surrogates, marks of a byte order; newlines are line feeds."""
    text = Composer()
    text.paragraph("a\0b\ud800c\ufeff\r\nd\x0be\x07\n")
    text.paragraph(" \x01\n")
    text.heading(9, "two\nlines")
    text.heading(1, "x" * 2_000)
    [section] = text.rest()
    assert section.text.startswith("abc\nd\ne\n\ntwo lines\n\nxxx")
    assert [block.heading for block in section.blocks] == [0, 6, 0]
    assert text.is_empty
    assert list(text.rest()) == []


def test_documents_are_in_normal_form() -> None:
    """Letters that a program took apart, and full-width digits, are found as ordinary ones."""
    text = Composer("\u1112\u1161\u11ab\u1100\u1173\u11af")
    text.heading(1, "\u1100\u1161")
    text.paragraph("\uff11\uff12\u00a0\u338f")
    (section,) = text.rest()
    assert (section.title, section.text) == ("한글", "가\n\n12\u00a0\u338f")

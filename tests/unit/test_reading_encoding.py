"""Decoding a long file piece by piece: the same text as from the whole."""

from __future__ import annotations

import codecs
import contextlib
import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.skip import BinaryFileError, SkipDocument, UndecodableError
from ingestd.embed.reading import file as file_module
from ingestd.embed.reading.encoding import Encoding, encoding_of, texts
from ingestd.embed.reading.file import FileBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KOREAN = (
    "문서를 읽고 조각으로 나눈다.\r\n그 다음에 임베딩을 만든다.\r자세한 내용은 아래를 참고하세요.\n"
)
FRENCH = (
    "L\u2019été dernier, les élèves ont été très occupés à répéter leur pièce de théâtre. "
    "Où êtes-vous allés ? Nous espérons que la fête de Noël sera réussie.\r\n"
)
ASTRAL = "emoji \U0001f600 and 漢字\r\n\r\n"


@pytest.fixture
def opened() -> Iterator[Callable[[bytes], FileBytes]]:
    """Makes an open file of these bytes."""
    fds: list[int] = []

    def make(data: bytes) -> FileBytes:
        fd = os.memfd_create("data")
        fds.append(fd)
        os.write(fd, data)
        return FileBytes(fd, len(data))

    yield make
    for fd in fds:
        os.close(fd)


def streamed(file: FileBytes, *, markup: bool = False) -> str:
    """The text of a file, read as a stream."""
    return "".join(texts(file, encoding_of(file, markup=markup)))


@pytest.mark.parametrize("piece", [1, 2, 3, 1_000, 1 << 18])
@pytest.mark.parametrize("text", [KOREAN, FRENCH, ASTRAL, "plain ASCII\r\n", "\r", "a"])
@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "utf-16-le"),
        (b"", "utf-32-be"),
    ],
)
def test_a_stream_decodes_as_the_whole_does(
    opened: Callable[[bytes], FileBytes],
    monkeypatch: pytest.MonkeyPatch,
    bom: bytes,
    encoding: str,
    text: str,
    piece: int,
) -> None:
    """Characters, newlines and marks may lie across any border of pieces."""
    monkeypatch.setattr(file_module, "PIECE_BYTES", piece)
    data = bom + (text * 7).encode(encoding, "ignore")
    expected: str | SkipDocument
    try:
        expected = decode(data)
    except SkipDocument as skip:
        with pytest.raises(type(skip)):
            streamed(opened(data))
        return
    assert streamed(opened(data)) == expected


@pytest.mark.parametrize("piece", [1, 2, 1_000])
def test_korean_decodes_as_the_whole_does(
    opened: Callable[[bytes], FileBytes], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Characters of two bytes may lie across any border of pieces."""
    monkeypatch.setattr(file_module, "PIECE_BYTES", piece)
    data = (KOREAN * 7).encode("cp949")
    assert streamed(opened(data)) == decode(data)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
        st.text(max_size=50).map(lambda text: text.encode("utf-16", "replace")),
    ),
    st.integers(1, 9),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_bytes_the_verdict_is_the_same(
    opened: Callable[[bytes], FileBytes], data: bytes, piece: int
) -> None:
    """The same text, or the same reason to leave it; guesses see a sample and may differ."""
    before, file_module.PIECE_BYTES = file_module.PIECE_BYTES, piece
    try:
        outcomes: list[str] = []
        for how in (decode, lambda _: streamed(opened(data))):
            try:
                outcomes.append(how(data))
            except SkipDocument as skip:
                outcomes.append(skip.reason)
    finally:
        file_module.PIECE_BYTES = before
    try:
        data.decode()
        guessed = False
    except UnicodeDecodeError:
        guessed = b"\0" not in data
    if not guessed:
        assert outcomes[0] == outcomes[1]


def test_a_declared_encoding_is_believed_in_markup(opened: Callable[[bytes], FileBytes]) -> None:
    """As for short files: only where asked for."""
    page = '<?xml version="1.0" encoding="shift_jis"?>\n<p>' + "表示する文章です。" * 50
    assert streamed(opened(page.encode("shift_jis")), markup=True) == page


def test_a_late_accent_decides_the_guess(opened: Callable[[bytes], FileBytes]) -> None:
    """The sample is taken where the text is not ASCII, however far behind that is."""
    text = "nothing but ASCII here\n" * 20_000 + FRENCH.replace("\r", "") * 40
    assert streamed(opened(text.encode("cp1252"))) == text


def test_a_tenth_of_broken_bytes_is_settled(opened: Callable[[bytes], FileBytes]) -> None:
    """Random bytes all over: text in some encoding, or undecodable; never an exception."""
    rng = random.Random(1)
    data = bytearray((KOREAN + "some words in between\n").encode() * 5_000)
    for place in rng.sample(range(len(data)), len(data) // 10):
        data[place] = rng.randrange(128, 256)
    with contextlib.suppress(UndecodableError):
        assert "some words in between" in streamed(opened(bytes(data)))


def test_control_characters_anywhere_mean_binary(opened: Callable[[bytes], FileBytes]) -> None:
    """Also far behind the beginning."""
    with pytest.raises(BinaryFileError):
        streamed(opened(b"header\n" * 2_000 + bytes(range(1, 9)) * 4_000))


def test_a_file_that_changed_its_encoding_is_noticed(
    opened: Callable[[bytes], FileBytes],
) -> None:
    """What was found out on the first reading must hold on the second."""
    file = opened(KOREAN.encode("cp949"))
    with pytest.raises(UndecodableError):
        "".join(texts(file, Encoding("utf-8")))


def test_the_digest_is_that_of_what_was_read(opened: Callable[[bytes], FileBytes]) -> None:
    """It is there when the text was read to its end, mark included."""
    import hashlib

    data = codecs.BOM_UTF8 + KOREAN.encode() * 100
    file = opened(data)
    assert streamed(file)
    assert file.digest == hashlib.sha256(data).digest()


@pytest.mark.parametrize("piece", [1, 3, 1_000, 1 << 18])
def test_damaged_utf8_reads_as_from_the_whole(
    opened: Callable[[bytes], FileBytes], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """UTF-8 that was cut in the middle of a character stays UTF-8."""
    monkeypatch.setattr(file_module, "PIECE_BYTES", piece)
    data = (KOREAN * 20).encode() + "한".encode()[:2]
    text = streamed(opened(data))
    assert text == decode(data)
    assert text.startswith("문서를 읽고")


def test_syllables_that_euc_kr_spells_are_read_from_a_stream(
    opened: Callable[[bytes], FileBytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the eight bytes lie in several pieces."""
    monkeypatch.setattr(file_module, "PIECE_BYTES", 3)
    data = (KOREAN + "똠방각하를 만났다.\n").encode("euc_kr")
    assert streamed(opened(data)) == decode(data)
    assert "똠방각하" in decode(data)

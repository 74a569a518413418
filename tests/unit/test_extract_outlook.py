"""Items of Outlook, made by another's writer: what is taken of them, and what becomes of damage."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import compressed_rtf
import pytest
from aspose.email_foss.msg import MapiMessage
from packedfiles import letter, read, told

from ingestd.embed.extract import lzfu
from ingestd.embed.extract.bounds import MIB, Bounds, Packed
from ingestd.embed.extract.skip import SkipDocument, UnsupportedError
from ingestd.errors import ExtractionError

SUBJECT = "회의 결과"
HTML, RTF, INTERNET_PAGE, PAGE, WRITTEN = 0x1013, 0x1009, 0x3FDE, 0x3FFD, 0x1016
BINARY, NUMBER, STRING_8 = 0x0102, 0x0003, 0x001E


def item(text: str = "본문입니다.\r\n\r\n둘째.\r\n", subject: str = SUBJECT) -> MapiMessage:
    """An item with a sender, recipients and a date."""
    made = MapiMessage.create(subject, text)
    made.set_property(0x0042, 0x001F, "홍길동")
    made.set_property(0x5D01, 0x001F, "hong@example.com")
    made.set_property(0x0039, 0x0040, datetime(2026, 3, 5, 5, 3, tzinfo=UTC))
    made.add_recipient("kim@example.com", display_name="김")
    made.add_recipient("lee@example.com", recipient_type=2)
    return made


def _texts(data: bytes) -> list[str]:
    return [text.strip() for _, text in told(read(data, "a.msg"))]


HEAD = (
    "From: 홍길동 <hong@example.com>\nTo: 김 <kim@example.com>\nCc: lee@example.com\n"
    "Date: 2026-03-05 05:03 +0000"
)


def test_subject_head_and_text() -> None:
    """The subject is the title, and everything stands under it."""
    found = read(item().to_bytes(), "a.msg")
    assert found[0].title == SUBJECT
    assert told(found) == [
        ((SUBJECT,), SUBJECT),
        ((SUBJECT,), HEAD),
        ((SUBJECT,), "본문입니다."),
        ((SUBJECT,), "둘째."),
    ]


def test_an_item_is_told_by_its_content() -> None:
    """Whatever its name says."""
    assert _texts(item().to_bytes()) == [t for _, t in told(read(item().to_bytes(), "a.doc"))]


def test_what_is_attached_is_read() -> None:
    """Files under their names, items under their subjects, and so on down."""
    inner = item("안쪽 글", "첫 소식")
    inner.add_attachment("b.txt", "읽을 글".encode())
    made = item()
    made.add_attachment("표.csv", "이름,값\n가,1\n".encode("cp949"))
    made.add_attachment("a.png", b"\x89PNG\0")
    made.add_embedded_message_attachment(inner)
    made.add_attachment("c.eml", letter("글자").as_bytes())
    found = [(headings, text.strip()) for headings, text in told(read(made.to_bytes(), "a.msg"))]
    assert found[4:10] == [
        (("표.csv", "이름 | 값"), "이름,값"),
        (("표.csv", "이름 | 값"), "가,1"),
        (("첫 소식",), "첫 소식"),
        (("첫 소식",), HEAD),
        (("첫 소식",), "안쪽 글"),
        (("첫 소식", "b.txt"), "읽을 글"),
    ]
    assert ((SUBJECT,), "글자") in found[10:]
    depths = [len(told(read(made.to_bytes(), "a.msg", Packed(depth=n)))) for n in range(3)]
    assert depths == [4, 12, 13]


@pytest.mark.parametrize(("page", "codec"), [(949, "cp949"), (65001, "utf-8"), (51949, "euc-kr")])
def test_texts_of_eight_bits_are_decoded(page: int, codec: str) -> None:
    """By the code page of the item, and without one as other Korean text is."""
    made = MapiMessage.create(unicode_strings=False)
    for number, text in ((0x0037, "주간 회의"), (0x1000, "안녕하세요. 회의록을 보냅니다.")):
        made.properties.add(number, STRING_8, text.encode(codec))
    without = made.to_bytes()
    made.set_property(PAGE, NUMBER, page)
    for data in (made.to_bytes(), without):
        assert _texts(data) == ["주간 회의", "안녕하세요. 회의록을 보냅니다."]


def test_a_page_is_read_where_nobody_wrote_plain_text() -> None:
    """Or where the plain one was made from it. Rich text comes last."""
    made = item("")
    made.set_property(HTML, BINARY, "<h1>제목</h1><p>쪽</p>".encode("cp949"))
    made.set_property(INTERNET_PAGE, NUMBER, 949)
    assert told(read(made.to_bytes(), "a.msg"))[2:] == [
        ((SUBJECT, "제목"), "제목"),
        ((SUBJECT, "제목"), "쪽"),
    ]
    made = item("words <https://example.com/link>")
    made.set_property(HTML, BINARY, b"<p>words")
    made.set_property(WRITTEN, NUMBER, 1)
    assert _texts(made.to_bytes())[2:] == ["words <https://example.com/link>"]
    made.set_property(WRITTEN, NUMBER, 3)
    made.add_attachment("a.txt", b"more")
    assert _texts(made.to_bytes())[2:] == ["words", "more"]
    made = item("")
    rich = rb"{\rtf1\ansi\ansicpg949 \'c7\'d1\'b1\'db words\par more\par}"
    made.set_property(RTF, BINARY, compressed_rtf.compress(rich, compressed=True))
    found = read(made.to_bytes(), "a.msg")
    assert told(found)[2:] == [((SUBJECT,), "한글 words"), ((SUBJECT,), "more")]
    assert {section.title for section in found} == {SUBJECT}


@pytest.mark.parametrize("compressed", [True, False])
def test_rich_text_is_unpacked(compressed: bool) -> None:  # noqa: FBT001 - a parameter
    """As the other implementation does, whatever is in it."""
    for text in (
        b"{\\rtf1 " + b"words and words, " * 999 + b"}",
        b"",
        b"abc",
        bytes(range(256)) * 40,
    ):
        assert lzfu.unpacked(compressed_rtf.compress(text, compressed=compressed)) == text


def test_damaged_rich_text() -> None:
    """It is refused, or ends early; it never grows past eight times its size."""
    for data in (b"", b"x" * 15, b"x" * 99):
        with pytest.raises(ExtractionError, match="damaged rich text"):
            lzfu.unpacked(data)
    header = struct.pack("<IIII", 0, 1 << 31, 0x75465A4C, 0)
    assert len(lzfu.unpacked(header + b"\xff" + b"\x10\x0f" * 99_000)) < 8 * 198_000
    assert lzfu.unpacked(header + b"\x01\x10") == b""
    made = item("")
    made.set_property(RTF, BINARY, b"x" * 99)
    assert _texts(made.to_bytes()) == [SUBJECT, HEAD]


def test_text_is_what_the_other_implementation_finds() -> None:
    """Its own reader, of what it wrote from a mail."""
    mail = letter("가나다\n\n라마바\n")
    mail.add_attachment("첨부한 글", filename="a.txt")
    data = MapiMessage.from_email_message(mail).to_bytes()
    with MapiMessage.from_msg_document(
        MapiMessage.from_email_message(mail).to_msg_document()
    ) as it:
        theirs = it.to_email_message()
    found = _texts(data)
    body = theirs.get_body()
    assert body is not None
    assert [found[0], *found[2:4]] == [theirs["subject"], *body.get_content().split()]
    assert found[4] == "첨부한 글"


def test_what_is_cut_off_or_loops_fails_with_a_reason() -> None:
    """Or is read as far as it goes; it never hangs."""
    data = item().to_bytes()
    for size in range(0, len(data), 512):
        try:
            found = told(read(data[:size], "a.msg"))
        except (ExtractionError, SkipDocument):
            continue
        assert {text for _, text in found} <= {SUBJECT, HEAD, "본문입니다.", "둘째.", ""}
    with pytest.raises(ExtractionError, match="damaged compound file"):
        read(data[:44] + struct.pack("<I", 1 << 30) + data[48:], "a.msg")


def test_many_attachments_are_bounded() -> None:
    """By `extract.entries`; the text is read all the same."""
    made = item()
    for number in range(30):
        made.add_attachment(f"{number}.txt", b"words")
    found = told(read(made.to_bytes(), "a.msg", bounds=Bounds(entries=10)))
    assert len(found) == 4 + 10


def test_a_large_item_is_known() -> None:
    """Its directory stands at its end, where the header does not lead."""
    made = item()
    made.add_attachment("a.bin", bytes(18 * MIB))
    made.add_attachment("b.txt", "읽을 글".encode())
    data = made.to_bytes()
    assert _texts(data)[-1] == "읽을 글"
    start = struct.unpack_from("<I", data, 68)[0]
    for broken in (start + 1 << 9, 68):  # the list of the rest leads to itself, or nowhere
        with pytest.raises((UnsupportedError, ExtractionError)):
            read(data[:broken] + struct.pack("<I", 0xFFFFFFF0) * 64 + data[broken + 256 :], "a.msg")

"""Mails: what is taken of them, what of what is attached, and what their senders get wrong."""

from __future__ import annotations

import base64
import io
import random
from email import message_from_bytes
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import TYPE_CHECKING

import docx
import pytest
from officefiles import packed as zipped
from packedfiles import letter, raw, read, told

from ingestd.embed.extract import mailparts, mailwords
from ingestd.embed.extract.bounds import Bounds, Packed
from ingestd.embed.extract.charset import decoded
from ingestd.embed.extract.skip import SkipDocument
from ingestd.ports import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.mime.base import MIMEBase

    from ingestd.embed.extract.mailparts import Part

FROM = "From: 홍길동 <hong@example.com>"
SUBJECT = "회의 결과"


def _word(text: str) -> bytes:
    document = docx.Document()
    document.add_heading("첫째 장", 1)
    document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _texts(data: bytes, name: str = "a.eml") -> list[str]:
    return [text.strip() for _, text in told(read(data, name))]


def test_the_subject_is_the_title_and_the_head_stands_below_it() -> None:
    """Names and dates as people read them; everything stands under the subject."""
    found = read(raw(letter("첫 문단.\n계속\n\n둘째 문단.\n")), "a.eml")
    assert found[0].title == SUBJECT
    assert told(found) == [
        ((SUBJECT,), SUBJECT),
        (
            (SUBJECT,),
            f"{FROM}\nTo: kim@example.com, Lee <lee@example.com>\nDate: 2026-03-05 14:03 +0900",
        ),
        ((SUBJECT,), "첫 문단.\n계속"),
        ((SUBJECT,), "둘째 문단."),
    ]


def test_what_is_attached_is_read_by_its_own_reader() -> None:
    """Word, a table, a page, under the names of their files; pictures are left out."""
    mail = letter()
    kind = "vnd.openxmlformats-officedocument.wordprocessingml.document"
    mail.add_attachment(_word("본문"), maintype="application", subtype=kind, filename="회의록.docx")
    mail.add_attachment("# 제목\n\n글\n", subtype="markdown", filename="a.md")
    mail.add_attachment(b"\x89PNG\0", maintype="image", subtype="png", filename="a.png")
    mail.add_attachment(b"\0\1\2", maintype="application", subtype="x-y", filename="a.bin")
    found = told(read(raw(mail), "a.eml"))
    assert [headings for headings, _ in found[3:]] == [
        ("회의록.docx", "첫째 장"),
        ("회의록.docx", "첫째 장"),
        ("a.md", "제목"),
        ("a.md", "제목"),
    ]
    assert [text.strip() for _, text in found[3:]] == ["첫째 장", "본문", "# 제목", "글"]


def test_an_attached_table_keeps_its_header() -> None:
    """A table of a sheet is one here too, and has the title of the mail."""
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("값")
        for row in range(40):
            sheet.write_row(row, 0, ["이름", "값", "비고"] if not row else [f"것 {row}", row, "가"])
    mail = letter()
    mail.add_attachment(out.getvalue(), maintype="application", subtype="x", filename="표.xlsx")
    table = read(raw(mail), "a.eml")[-1]
    assert isinstance(table, Table)
    assert (table.header, table.headings, table.title) == (
        "이름 | 값 | 비고",
        ("표.xlsx", "값"),
        "",
    )
    assert next(iter(table.rows)) == "것 1 | 1 | 가"


def test_a_forwarded_mail_stands_under_its_own_subject() -> None:
    """What is attached to it stands below that."""
    inner = letter("안쪽 글", "첫 소식")
    inner.add_attachment("읽을 글", filename="a.txt")
    mail = letter()
    mail.add_attachment(inner)
    found = told(read(raw(mail), "a.eml"))
    assert [(headings, text.strip()) for headings, text in found[3:]] == [
        (("첫 소식",), "첫 소식"),
        (("첫 소식",), f"{FROM}\n{found[1][1].split(chr(10), 1)[1]}"),
        (("첫 소식",), "안쪽 글"),
        (("첫 소식", "a.txt"), "읽을 글"),
    ]


def test_of_several_forms_of_a_text_the_plain_one_is_taken() -> None:
    """The page is read where the plain one is empty."""
    mail = letter("글자만")
    mail.add_alternative("<h1>제목</h1><p>쪽<p>둘", subtype="html")
    assert _texts(raw(mail))[2:] == ["글자만"]
    mail = letter(" \n")
    mail.add_alternative("<h1>제목</h1><p>쪽<p>둘", subtype="html")
    assert told(read(raw(mail), "a.eml"))[2:] == [
        ((SUBJECT, "제목"), "제목"),
        ((SUBJECT, "제목"), "쪽"),
        ((SUBJECT, "제목"), "둘"),
    ]


def test_a_page_that_is_laid_out_by_tables() -> None:
    """Cells without words are nothing; rows with words keep what parts them."""
    mail = EmailMessage()
    mail["Subject"] = SUBJECT
    page = (
        f"<h1>{SUBJECT}</h1><table><tr><td> <td><table><tr><td><img><td>| <tr><td><td>여름 소식"
        "</table><td></table><ul><li>하나</li><li>둘</li></ul><table><tr><td>값<td>1<td></table><h2>끝</h2>글"
    )
    mail.set_content(page, subtype="html")
    found = read(raw(mail), "a.eml")
    assert told(found) == [
        ((SUBJECT,), SUBJECT),
        ((SUBJECT,), "여름 소식"),
        ((SUBJECT,), "하나"),
        ((SUBJECT,), "둘"),
        ((SUBJECT,), "값 | 1"),
        ((SUBJECT, "끝"), "끝"),
        ((SUBJECT, "끝"), "글"),
    ]
    assert "하나\n둘\n\n값" in found[0].text


def test_what_is_attached_beside_one_form_of_a_text_is_read() -> None:
    """Some programs put it within the form that is not taken."""
    page = EmailMessage()
    page.set_content("<p>쪽</p>", subtype="html")
    page.add_attachment("딸린 글", filename="a.txt")
    mail = letter("글자만")
    mail.make_alternative()
    mail.attach(page)
    assert _texts(raw(mail))[2:] == ["글자만", "딸린 글"]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("ks_c_5601-1987", "cp949"),
        ("euc-kr", "euc-kr"),
        ("cp949", "cp949"),
        ("iso-2022-kr", "iso-2022-kr"),
        ("us-ascii", "cp949"),
        ("iso-8859-1", "cp949"),
        ("iso-8859-1", "utf-8"),
        ("euc-kr", "utf-8"),
        ("utf-8", "cp949"),
        ("no-such-thing", "cp949"),
        ("rot13", "utf-8"),
        ("", "cp949"),
    ],
)
def test_korean_mails_are_read_whatever_they_declare(declared: str, encoding: str) -> None:
    """In the text, the headers and the names of files."""
    text = "안녕하세요. 회의록을 보냅니다."
    if encoding == "cp949":
        text += " 똠방각하"  # which EUC-KR has no letter for
    word = base64.b64encode("주간 회의".encode(encoding)).decode()
    file = base64.b64encode("회의록.txt".encode(encoding)).decode()
    charset = f"; charset={declared}" if declared else ""
    said = declared or "unknown"
    mail = (
        f"Subject: =?{said}?B?{word}?=\nContent-Type: multipart/mixed; boundary=x\n\n"
        f"--x\nContent-Type: text/plain{charset}\nContent-Transfer-Encoding: 8bit\n\n"
    ).encode() + text.encode(encoding)
    mail += (
        f'\n--x\nContent-Type: text/plain; name="=?{said}?B?{file}?="\n'
        "Content-Disposition: attachment\n\nwords\n--x--\n"
    ).encode()
    found = told(read(mail, "a.eml"))
    assert found == [
        (("주간 회의",), "주간 회의"),
        (("주간 회의",), text),
        (("회의록.txt",), "words"),
    ]


def test_a_charset_of_one_byte_is_believed() -> None:
    """What is Western or Cyrillic does not become Korean."""
    assert decoded("Größe für Café".encode("latin-1"), "iso-8859-1") == "Größe für Café"
    assert decoded("Привет, мир".encode("koi8-r"), "koi8-r") == "Привет, мир"
    assert decoded("“so”".encode("cp1252"), "iso-8859-1") == "“so”"
    assert decoded("日本語です".encode("iso-2022-jp"), "iso-2022-jp") == "日本語です"


def test_a_few_wrong_bytes_do_not_cost_the_text() -> None:
    """They are replaced; what is nothing but such is no text."""
    text = "안녕하세요. 회의록을 보냅니다.\n" * 20
    assert decoded(text.encode("cp949") + b"\xff", "euc-kr") == f"{text}\ufffd"
    with pytest.raises(SkipDocument):
        decoded(b"\0\xff\xfe\1" * 99, "utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"=?utf-8?q?a=5Fb_c?= d", "a_b c d"),
        (b"=?utf-8?B?7ZWc?= =?utf-8?B?6riA?=", "한글"),
        (b"=?utf-8?B?7Q==?= =?utf-8?B?lZw=?=", "한"),
        (b"=?euc-kr*ko?B?x9E=?=", "한"),
        (b"=?utf-8?B?7ZWc", "=?utf-8?B?7ZWc"),
        ("한글 그대로".encode("cp949"), "한글 그대로"),
        (b"a\0b", "a b"),
        (b"=?x?Q?abc?=", "abc"),
    ],
)
def test_words_of_headers_are_decoded(value: bytes, expected: str) -> None:
    """Also such as begin a letter in one word and end it in the next."""
    assert mailwords.words(value) == expected


def test_names_of_files_in_several_parts_are_put_together() -> None:
    """As RFC 2231 has them, also within the folders that some programs name."""
    mail = letter()
    mail.add_attachment("글", filename=f"{'긴 이름 ' * 20}.txt")
    assert told(read(raw(mail), "a.eml"))[-1][0][0].startswith("긴 이름 긴 이름")


def test_lines_that_flow_are_joined() -> None:
    """A line that ends in a blank goes on, but for the one above a signature."""
    mail = b"Subject: s\nContent-Type: text/plain; format=flowed\n\none \ntwo\nthree\n-- \nme\n"
    assert _texts(mail)[1:] == ["one two\nthree\n-- \nme"]


def test_signatures_cards_and_invitations() -> None:
    """A signature and a card are no documents; an invitation is text."""
    mail = letter()
    for kind in ("pkcs7-signature", "pgp-signature", "ms-tnef", "pkcs7-mime"):
        mail.add_attachment(b"x" * 99, maintype="application", subtype=kind, filename="smime.p7s")
    mail.add_attachment("BEGIN:VCARD\n", subtype="vcard", filename="me.vcf")
    mail.add_attachment("BEGIN:VCALENDAR\nSUMMARY:회의\n", subtype="calendar", filename="a.ics")
    found = told(read(raw(mail), "a.eml"))[3:]
    assert [headings for headings, _ in found] == [("a.ics",)]


def test_a_mail_without_text_is_found_by_its_head() -> None:
    """One without anything is skipped."""
    assert _texts(b"Subject: only\n\n") == ["only"]
    assert read(b"X-A: b\n\n", "a.eml") == []


def test_mails_are_opened_as_deep_as_is_asked() -> None:
    """What lies deeper is left out; a mail 3,000 deep costs nothing."""
    data = raw(letter("innermost", "0"))
    for number in range(1, 6):
        data = b"Subject: %d\nContent-Type: message/rfc822\n\n" % number + data
    titles = [text for _, text in told(read(data, "a.eml")) if text.isdigit()]
    assert titles == ["5", "4", "3", "2", "1"]
    titles = [t for _, t in told(read(data, "a.eml", Packed(depth=0))) if t.isdigit()]
    assert titles == ["5"]
    deep = b"Subject: s\nContent-Type: message/rfc822\n\n" * 3_000 + b"words"
    assert _texts(deep) == ["s"] * 5
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000)
    )
    assert _texts(b"Subject: s\n" + parts) is not None


def test_parts_are_counted() -> None:
    """Those past the bound are left out, and the mail is read all the same."""
    mail = b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n"
    mail += b"--x\nContent-Disposition: attachment; filename=a.txt\n\nwords\n" * 100
    assert len(_texts(mail)) == 101
    found = told(read(mail, "a.eml", bounds=Bounds(entries=10)))
    assert len(found) == 10


def test_a_bomb_that_is_attached_is_left_out() -> None:
    """The mail itself is read all the same."""
    bomb = zipped({"word/document.xml": b"<a>" + b" " * 20_000_000})
    mail = letter()
    mail.add_attachment(bomb, maintype="application", subtype="zip", filename="a.docx")
    mail.add_attachment("danach", filename="b.txt")
    bounds = Bounds(unpacked_ratio=10)
    found = told(read(raw(mail), "a.eml", bounds=bounds))
    assert [text.strip() for _, text in found[2:]] == ["본문입니다.", "danach"]


@pytest.mark.parametrize(
    "mail",
    [
        b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\nwords\n",
        b"Subject: s\nContent-Type: multipart/mixed\n\nwords\n",
        b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nwords",
        b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nwords\n--x--\n".replace(
            b"\n", b"\r\n"
        ),
        b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\nwords",
        b"Subject: s\nContent-Type: nonsense; charset=\n\nwords",
        b"\xef\xbb\xbfSubject: s\n\nwords",
        b"From me Thu Mar  5 14:03:00 2026\nSubject: s\n\nwords",
        b"\n\nSubject: s\n\nwords",
        b"Subject: s\nContent-Transfer-Encoding: base64\n\nd29yZHM",
        b"Subject: s\nContent-Transfer-Encoding: base64\n\nd2!9yZHM=\n",
        b"Subject: s\nContent-Transfer-Encoding: quoted-printable\n\nwo=72ds=\n",
    ],
)
def test_what_is_wrong_with_a_mail_does_not_cost_its_text(mail: bytes) -> None:
    """Boundaries that are never found or never end, and bytes that are written wrongly."""
    assert _texts(mail) == ["s", "words"]


def test_a_text_that_is_named_like_a_mail_stays_one() -> None:
    """It is read as what it looks like."""
    assert _texts(b"just words, no header\n") == ["just words, no header"]
    assert _texts(b"<!doctype html><p>a page</p>") == ["a page"]


def test_a_page_that_a_browser_saved_is_its_text() -> None:
    """What it was laid out by is none."""
    mail = MIMEMultipart("related")
    mail["From"] = "<Saved by Blink>"
    mail["Subject"] = "=?utf-8?Q?=EC=95=88=EB=82=B4?="
    mail.attach(MIMEText("<html><body><h1>제목</h1><p>쪽</p></body></html>", "html", "utf-8"))
    mail.attach(MIMEText("body { color: red }", "css", "utf-8"))
    mail.attach(MIMEText("alert(1)", "javascript", "utf-8"))
    for name in ("a.mht", "a.mhtml"):
        assert _texts(raw(mail), name) == ["안내", "From: <Saved by Blink>", "제목", "쪽"]


def test_what_is_encrypted_is_left_out() -> None:
    """Neither its parts nor their names are text."""
    mail = (
        b"Subject: s\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n"
        b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n--x\n"
        b"Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--x--\n"
    )
    assert _texts(mail) == ["s"]


def test_a_key_that_is_attached_is_left_out_by_its_name() -> None:
    """As a file of this name would be."""
    mail = letter()
    mail.add_attachment("words", filename="id_rsa")
    packed = Packed(sealed=("id_rsa",))
    assert len(told(read(raw(mail), "a.eml", packed))) == 3
    assert len(told(read(raw(mail), "a.eml"))) == 4


def _random_part(chance: random.Random, depth: int) -> MIMEBase:
    """A part of any kind, with parts of any kind."""
    if depth and chance.random() < 0.6:
        whole = MIMEMultipart(chance.choice(["mixed", "related", "alternative"]))
        for _ in range(chance.randrange(1, 4)):
            whole.attach(_random_part(chance, depth - 1))
        return whole
    lines = [
        chance.choice(["words", "", "--", "--x", "From me", "글", "a " * 60]) for _ in range(9)
    ]
    charset = chance.choice(["utf-8", "euc-kr", "us-ascii"])
    text = "\n".join(line if charset != "us-ascii" or line.isascii() else "" for line in lines)
    return MIMEText(text, chance.choice(["plain", "html", "csv"]), charset)


def _leaves(part: Part) -> Iterator[Part]:
    if not part.parts:
        yield part
    for one in part.parts:
        yield from _leaves(one)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_parts_are_those_that_the_standard_library_finds(newline: bytes) -> None:
    """All of them, in order, byte for byte, whatever is in what."""
    for seed in range(300):
        mail = _random_part(random.Random(seed), 4)
        data = mail.as_bytes().replace(b"\n", newline)
        file = io.BytesIO(data)
        root, number = mailparts.root_of(file, 10_000)
        theirs = list(message_from_bytes(data).walk())
        assert number == len(theirs)
        leaves = [part for part in theirs if not part.is_multipart()]
        assert [part.kind for part in _leaves(root)] == [p.get_content_type() for p in leaves]
        found = [part.content(file, 1 << 20) or b"" for part in _leaves(root)]
        wanted = [part.get_payload(decode=True) for part in leaves]
        assert [one.rstrip() for one in found] == [bytes(one).rstrip() for one in wanted], seed

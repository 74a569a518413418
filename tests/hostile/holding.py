"""Sound mails and archives, and what is in them."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from email.message import EmailMessage

import compressed_rtf
from aspose.email_foss.msg import MapiMessage

MAIL = """From: a@b
Subject: words
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/html

<p>words
--x--
"""


def holders(word: bytes, rich: bytes, markdown: str) -> dict[str, bytes]:
    """One of each kind, with these documents in them."""
    letter = mail(word)
    parts = {"docs/a.md": markdown.encode(), "a.eml": letter}
    return {
        "b.eml": letter,
        "a.msg": item(word, compressed_rtf.compress(rich, compressed=True)),
        "a.zip": zipped({**parts, "a.docx": word}),
        "a.tar": tar(parts),
        "a.tgz": gzip.compress(tar(parts), mtime=0),
        "a.txz": lzma.compress(tar(parts)),
    }


def mail(word: bytes) -> bytes:
    """A mail with something of all that its reader knows."""
    inner = EmailMessage()
    inner["Subject"] = "안쪽"
    inner.set_content("inner words")
    made = EmailMessage()
    made["Subject"] = "회의 결과 words"
    made["From"] = "홍길동 <hong@example.com>"
    made["Date"] = "Thu, 05 Mar 2026 14:03:00 +0900"
    made.set_content("본문입니다.\n", charset="euc-kr")
    made.add_alternative("<p>본문입니다.</p>", subtype="html")
    made.add_attachment(word, maintype="application", subtype="x", filename="회의록.docx")
    made.add_attachment("a,b\n1,2\n", subtype="csv", filename="a.csv")
    made.add_attachment(inner)
    made.set_boundary("==x==")
    return made.as_bytes()


def item(word: bytes, rich: bytes, text: str = "본문입니다.\r\n") -> bytes:
    """An item of Outlook in which another one is."""
    inner = MapiMessage.create("inner", "inner words")
    made = MapiMessage.create("회의 결과", text * 99)
    made.add_recipient("kim@example.com", display_name="김")
    made.add_attachment("회의록.docx", word)
    made.add_attachment("a.csv", b"a,b\n1,2\n")
    made.add_embedded_message_attachment(inner)
    made.set_property(0x1009, 0x0102, rich)
    return made.to_bytes()


def tar(parts: dict[str, bytes]) -> bytes:
    """A tar archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()

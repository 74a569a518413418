"""What is in a file that holds others, read as the child reads it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from email.message import EmailMessage, Message
from typing import TYPE_CHECKING

from ingestd.embed.extract.bounds import Bounds, Packed
from ingestd.embed.extract.documents import Documents
from ingestd.embed.reading.contents import WHOLE_BYTES, Contents
from ingestd.embed.reading.file import FileBytes
from ingestd.ports import Extracted, Table

if TYPE_CHECKING:
    from ingestd.ports import Section

ALL = Packed(archives=True)


def read(
    data: bytes, name: str, packed: Packed = ALL, bounds: Bounds | None = None
) -> list[Section]:
    """The sections of a file, rows of tables as lists."""
    contents = Contents(Documents(bounds, packed=packed), WHOLE_BYTES, lambda: None)
    result: list[Section] = []
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        held = FileBytes(file.fileno(), os.fstat(file.fileno()).st_size)
        for one in contents.of(held, name.encode()).sections:
            rows = list(one.rows) if isinstance(one, Table) else []
            result.append(replace(one, rows=rows) if isinstance(one, Table) else one)
    return result


def told(found: list[Section]) -> list[tuple[tuple[str, ...], str]]:
    """The headings and the text of each block, and of each table."""
    result: list[tuple[tuple[str, ...], str]] = []
    for one in found:
        if isinstance(one, Extracted):
            result += [(b.headings, one.text[b.start : b.end]) for b in one.blocks]
        else:
            result.append((one.headings, "\n".join([one.header, *one.rows])))
    return result


def letter(text: str = "본문입니다.", subject: str = "회의 결과") -> EmailMessage:
    """A mail, to be added to."""
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "홍길동 <hong@example.com>"
    mail["To"] = "kim@example.com, Lee <lee@example.com>"
    mail["Date"] = "Thu, 05 Mar 2026 14:03:00 +0900"
    mail.set_content(text)
    return mail


def raw(mail: Message) -> bytes:
    """A mail as it is sent."""
    return mail.as_bytes()

"""Mails and archives that hold a page that pandoc wrote."""

from __future__ import annotations

import io
import tarfile
import zipfile
from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KOREAN = "ks_c_5601-1987"
"""What Korean mail programs call CP949."""
_HTML, _PAGE, _UTF_8 = 0x1013, 0x3FDE, 65001
_BINARY, _NUMBER = 0x0102, 0x0003
_DAY = "Thu, 05 Mar 2026 14:03:00 +0900"


def eml(page: Path) -> bytes:
    """A mail whose text is a page of HTML, in the Korean encoding of old programs if it fits."""
    html = page.read_text(encoding="utf-8")
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"], mail["From"], mail["Date"] = page.stem, "a@example.com", _DAY
    try:
        data, charset = html.encode("cp949"), KOREAN
    except UnicodeEncodeError:
        data, charset = html.encode(), "utf-8"
    mail.set_content(data, maintype="text", subtype="html")
    mail.set_param("charset", charset)
    return mail.as_bytes()


def msg(page: Path) -> bytes:
    """The same as an item of Outlook.

    Raises:
        ImportError: who writes such items is not installed.
    """
    from aspose.email_foss.msg import MapiMessage  # noqa: PLC0415 - of the tests

    item = MapiMessage.create(page.stem, "")
    item.set_property(_PAGE, _NUMBER, _UTF_8)
    item.set_property(_HTML, _BINARY, page.read_bytes())
    made: bytes = item.to_bytes()
    return made


def packed_zip(page: Path) -> bytes:
    """An archive with the page in a folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(page, f"pages/{page.name}")
    return out.getvalue()


def packed_tgz(page: Path) -> bytes:
    """The same, by tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(page, f"pages/{page.name}")
    return out.getvalue()


MAKERS: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "eml": ("html", eml),
    "msg": ("html", msg),
    "zip": ("docx", packed_zip),
    "tgz": ("odt", packed_tgz),
}
"""By the end of the name: what pandoc wrote it is made of, and how."""

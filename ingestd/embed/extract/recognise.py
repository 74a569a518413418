"""What a file is by its content: a name may lie, and documents are told by their first bytes."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from ingestd.embed.extract import damage, ole
from ingestd.embed.extract.formats import MAIL, Kind, format_of
from ingestd.embed.extract.unpack import MAGICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from ingestd.embed.extract.formats import Format

_PDF = re.compile(rb"%PDF-\d\.\d")
_PDF_SURE = re.compile(
    rb"%PDF-\d\.\d\s*[\r\n](?:%[^\r\n]*[\x80-\xff]|[^\0]*?(?<!\d)\d{1,10} \d{1,5} obj\b)",
    re.DOTALL,
)
_PDF_START = 1024
_MAIL = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:From [^\r\n]*\r?\n)?[\x21-\x39\x3b-\x7e]{1,100}[ \t]*:[ \t\r\n]"
)
_STARTS = (
    ("rtf", re.compile(rb"\{\\rtf")),
    ("hwp", re.compile(rb"HWP Document File V\d\.\d\d ?\x1a")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("jpg", re.compile(rb"\xff\xd8\xff")),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("tif", re.compile(rb"II\*\0|MM\0\*")),
    ("webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("bmp", re.compile(rb"BM.{4}\0\0\0\0.{4}[\x0c-\xff]\0\0\0", re.DOTALL)),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TAR_PLACE = 257
_MOST_MIME_BYTES = 200
_MOST_TYPES_BYTES = 1024 * 1024

# By the main part's content type, whose subtype ends in the flavour (template, macros).
_OFFICE = (
    (b"wordprocessingml", "docx"),
    (b"ms-word.", "docx"),
    (b"spreadsheetml", "xlsx"),
    (b"ms-excel.sheet.binary", "xlsb"),
    (b"ms-excel.", "xlsx"),
    (b"presentationml", "pptx"),
    (b"ms-powerpoint.", "pptx"),
)
_MAIN = re.compile(
    rb'ContentType\s*=\s*["\'](application/[\w.+-]{1,120}?\.(?:document|sheet|presentation|'
    rb'slideshow|template)(?:\.binary)?(?:\.macroEnabled)?\.main(?:\+xml)?)["\']',
    re.IGNORECASE,
)
_MAIN_PARTS = {
    "word/document.xml": "docx",
    "xl/workbook.xml": "xlsx",
    "xl/workbook.bin": "xlsb",
    "ppt/presentation.xml": "pptx",
    "Contents/content.hpf": "hwpx",
    "META-INF/container.xml": "epub",
}
_SUFFIX_OF_MIMETYPE = {
    "application/epub+zip": "epub",
    "application/hwp+zip": "hwpx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.spreadsheet-template": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.presentation-template": "odp",
}


def recognised(head: bytes, view: Callable[[], BinaryIO], named: Format | None) -> Format | None:
    """The format that the content of a file tells; None when it tells none, as text does.

    Args:
        head: its first bytes.
        view: opens the whole of it, to be sought in; called for archives only.
        named: the format that its name tells; a text that happens to begin like a document stays
            one.
    """
    if named is not None and named.mime == MAIL and _MAIL.match(head):
        return named
    if head.startswith((ole.MAGIC, *_ZIP)):
        return _held(head, view(), named)
    if named is not None and named.kind is Kind.ARCHIVE and _is_tar(head, named):
        return _of("tar")
    is_document = named is not None and named.kind is Kind.DOCUMENT
    if _PDF_SURE.match(head) or (is_document and _PDF.search(head[:_PDF_START])):
        return _of("pdf")
    return next((_of(suffix) for suffix, start in _STARTS if start.match(head)), None)


def _held(head: bytes, file: BinaryIO, named: Format | None) -> Format | None:
    """The format of what holds streams or parts, by their names."""
    if not head.startswith(ole.MAGIC):
        return packed(file, named)
    names = ole.top(file)
    # Without a directory it is damaged: the reader of Hangul says how.
    return _of(ole.kind(names)) if names or not _is_hangul(named) else named


def _is_hangul(named: Format | None) -> bool:
    return named is not None and named.mime == "application/x-hwp"


def packed(file: BinaryIO, named: Format | None) -> Format | None:
    """The format of a ZIP archive by what is in it; None when it is no document."""
    try:
        with zipfile.ZipFile(file) as archive:
            suffix = _suffix(archive)
    except (*damage.ARCHIVE, OSError):
        # Damaged: whoever reads what its name tells says how.
        is_document = named is not None and named.kind in {Kind.DOCUMENT, Kind.ARCHIVE}
        return named if is_document else None
    if not suffix and named is not None and named.kind is Kind.ARCHIVE:
        return _of("zip")
    return _of(suffix)


def _is_tar(head: bytes, named: Format) -> bool:
    """Whether an archive is one of tar, compressed or not: the oldest ones have no mark."""
    return head.startswith(MAGICS) or head[_TAR_PLACE:].startswith(b"ustar") or named == _of("tar")


def _suffix(archive: zipfile.ZipFile) -> str:
    names = archive.NameToInfo
    if "mimetype" in names:
        mimetype = _start(archive, "mimetype", _MOST_MIME_BYTES).decode("latin-1").strip()
        if mimetype in _SUFFIX_OF_MIMETYPE:
            return _SUFFIX_OF_MIMETYPE[mimetype]
    if "[Content_Types].xml" in names:
        types = _start(archive, "[Content_Types].xml", _MOST_TYPES_BYTES)
        main = [found[1].lower() for found in _MAIN.finditer(types)]
        for part, suffix in _OFFICE:
            if any(part in mime for mime in main):
                return suffix
    for name, suffix in _MAIN_PARTS.items():
        if name in names:
            return suffix
    return ""


def _start(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as part:
        return part.read(most)


def _of(suffix: str) -> Format | None:
    return format_of(b"a." + suffix.encode()) if suffix else None

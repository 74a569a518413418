"""From a file's bytes to its text, in blocks: one extractor a format."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.formats import (
    HTML,
    INDENTED_SCRIPT,
    PLAIN,
    SCRIPT,
    SHELL_SCRIPT,
    SOURCES,
    Format,
    Kind,
    format_of,
)
from ingestd.embed.extract.skip import (
    BinaryFileError,
    NoTextError,
    SkipDocument,
    UndecodableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.ports import Extracted, Extractor

__all__ = [
    "EXTRACTOR_VERSION",
    "BinaryFileError",
    "NoTextError",
    "SkipDocument",
    "UndecodableError",
    "extract",
    "mime_of",
]

EXTRACTOR_VERSION = 4
"""Part of the pipeline version: raise it with every change of what an extractor gives."""


_SNIFFED_CHARS = 2_000
_PAGE = re.compile(
    r"(?:<\?xml[^<>]*>\s*|<!--[^>]*>\s*)?<(?:!doctype\s+html|html|head|meta|body|table)\b",
    re.IGNORECASE,
)


def extract(data: bytes, path: bytes) -> Extracted:
    """Extract the text of a file.

    Args:
        data: the file's bytes, whole.
        path: its path, bytes as on disk; only the last part is looked at.

    Raises:
        SkipDocument: the file is binary, undecodable or without text.
    """
    named = format_of(path)
    if named is not None and named.kind in {Kind.BINARY, Kind.DOCUMENT, Kind.ARCHIVE}:
        raise BinaryFileError(named.mime)
    # Only where texts are extracted are the decoders and parsers loaded.
    from ingestd.embed.extract.decode import decode  # noqa: PLC0415

    text = decode(data, markup=may_be_markup(named))
    del data
    chosen = named or sniffed(text)
    text = "".join(cleaned(iter([text]), chosen.kind))
    extracted = extractor(chosen.kind)(text)
    if not extracted.text or extracted.text.isspace():
        raise NoTextError
    return replace(extracted, mime=chosen.mime)


def extractor(kind: Kind) -> Extractor:
    """The extractor of a format: each is loaded when it is first needed."""
    found: Extractor = _module(kind).extract
    return found


def cleaned(pieces: Iterator[str], kind: Kind) -> Iterator[str]:
    """Yield a decoded text as its extractor takes it: offsets point into what comes of it.

    Args:
        pieces: the text in pieces of any length.
        kind: how it is read; a format may leave out what nobody reads, such as comments.
    """
    from ingestd.embed.extract.normal import normal_pieces  # noqa: PLC0415 - as the decoders

    clean = getattr(_module(kind), "clean", None)
    if clean is not None:
        pieces = clean(pieces)
    return normal_pieces(pieces, fold=kind not in SOURCES)


def _module(kind: Kind) -> Any:
    return import_module(f"ingestd.embed.extract.{kind.value}")


def may_be_markup(named: Format | None) -> bool:
    """Whether a file of this format may itself declare its encoding."""
    return named is None or named.kind is Kind.HTML or named.mime.endswith("xml")


def mime_of(path: bytes) -> str:
    """The media type that a path names; ``text/plain`` when it names none."""
    return (format_of(path) or PLAIN).mime


def sniffed(text: str) -> Format:
    """The format of a text whose name says nothing."""
    head = text[:_SNIFFED_CHARS].lstrip()
    if _PAGE.match(head):
        return HTML
    if not head.startswith("#!"):
        return PLAIN
    program = head.partition("\n")[0]
    if any(name in program for name in ("python", "ruby", "lua", "tclsh", "wish")):
        return INDENTED_SCRIPT
    return SHELL_SCRIPT if any(name in program for name in ("sh", "perl", "node")) else SCRIPT

"""From a file's bytes to its text, in blocks: one extractor a format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingestd.embed.extract import code, html, markdown, plain, rst
from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.formats import HTML, PLAIN, SCRIPT, Format, Kind, format_of
from ingestd.embed.extract.skip import (
    BinaryFileError,
    NoTextError,
    SkipDocument,
    UndecodableError,
)

if TYPE_CHECKING:
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

EXTRACTOR_VERSION = 1
"""Part of the pipeline version: raise it with every change of what an extractor gives."""

_EXTRACTORS: dict[Kind, Extractor] = {
    Kind.PLAIN: plain.extract,
    Kind.MARKDOWN: markdown.extract,
    Kind.RST: rst.extract,
    Kind.HTML: html.extract,
    Kind.CODE: code.extract,
}


def extract(data: bytes, path: bytes) -> Extracted:
    """Extract the text of a file.

    Args:
        data: the file's bytes, whole.
        path: its path, bytes as on disk; only the last part is looked at.

    Raises:
        SkipDocument: the file is binary, undecodable or without text.
    """
    named = format_of(path)
    if named is not None and named.kind is Kind.BINARY:
        raise BinaryFileError(named.mime)
    markup = named is None or named.kind is Kind.HTML or named.mime.endswith("xml")
    text = decode(data, markup=markup)
    chosen = named or _sniffed(text)
    extracted = _EXTRACTORS[chosen.kind](text)
    if not extracted.text or extracted.text.isspace():
        raise NoTextError
    return replace(extracted, mime=chosen.mime)


def mime_of(path: bytes) -> str:
    """The media type that a path names; ``text/plain`` when it names none."""
    return (format_of(path) or PLAIN).mime


def _sniffed(text: str) -> Format:
    """The format of a text whose name says nothing."""
    head = text[:200].lstrip().lower()
    if head.startswith(("<!doctype html", "<html")):
        return HTML
    return SCRIPT if head.startswith("#!") else PLAIN

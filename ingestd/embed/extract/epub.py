"""E-books: the chapters in reading order, each read as the page of HTML that it is."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from ingestd.embed.extract import html, office
from ingestd.embed.extract.archive import Archive, joined
from ingestd.embed.extract.compose import label
from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.skip import EncryptedError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.ports import Extracted

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Extracted]:
    """Yield the chapters of a book.

    Raises:
        EncryptedError: its chapters are encrypted.
        ExtractionError: it is damaged.
    """
    archive = Archive(file, bounds)
    package = _package(archive)
    title, chapters = _spine(archive, package)
    if _encrypted(archive) & set(chapters):
        raise EncryptedError("its chapters are locked by digital rights management")
    for chapter in chapters:
        if chapter not in archive:
            continue
        extracted = html.extract(decode(archive.read(chapter), markup=True))
        if extracted.blocks:
            yield replace(extracted, title=title)


def _package(archive: Archive) -> str:
    """The part that lists the chapters."""
    for kind, name, attributes in archive.events(_CONTAINER):
        if kind == "start" and name == "rootfile":
            return joined("", attributes.get("full-path", ""))
    raise ExtractionError("damaged e-book: nothing says where its chapters are")


def _spine(archive: Archive, package: str) -> tuple[str, list[str]]:
    """The title, and the parts of the chapters in reading order."""
    folder = posixpath.dirname(package)
    items: dict[str, str] = {}
    order: list[str] = []
    for kind, name, attributes in archive.events(package):
        if kind != "start":
            continue
        if name == "item" and attributes.get("media-type", "").lower() in _PAGES:
            # The table of contents says again what the headings say.
            if "nav" not in attributes.get("properties", "").split():
                items[attributes.get("id", "")] = joined(folder, attributes.get("href", ""))
        elif name == "itemref":
            order.append(attributes.get("idref", ""))
    title = label(office.text_in(archive, package, "title"))
    return title, list(dict.fromkeys(items[one] for one in order if one in items))


def _encrypted(archive: Archive) -> set[str]:
    """The parts that are encrypted: fonts often are, and say nothing."""
    if _ENCRYPTION not in archive:
        return set()
    return {
        joined("", attributes.get("URI", ""))
        for kind, name, attributes in archive.events(_ENCRYPTION)
        if kind == "start" and name == "cipherreference"
    }

"""What mails have in common, whatever their format: the lines at the top, the text, attachments."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ingestd.embed.extract import html
from ingestd.embed.extract.bounds import OverrunError
from ingestd.embed.extract.compose import Composer, clean, label
from ingestd.embed.extract.lines import paragraphs
from ingestd.embed.extract.nest import MEMBER_BYTES, TOO_LARGE, under
from ingestd.ports import Extracted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Section

_MOST_NAMES_CHARS = 500
_WORD = re.compile(r"\w|[^\x00-\x7f]")
_LEFT_OUT = ("image/", "audio/", "video/", "font/")
_NO_DOCUMENTS = frozenset(
    {
        "application/pgp-encrypted",
        "application/pgp-keys",
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "message/external-body",
        "message/partial",
        "text/directory",
        "text/vcard",
        "text/x-vcard",
    }
)
_UNREAD = frozenset({"application/ms-tnef", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_SUFFIXES = {
    "text/html": ".html",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/xml": ".xml",
    "application/xml": ".xml",
    "application/json": ".json",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "application/zip": ".zip",
}
MESSAGES = frozenset({"message/rfc822", "message/global"})


class Mail:
    """The text of a mail as it is put together.

    Args:
        subject: its title.
        nest: what may still be opened of what is attached.
    """

    def __init__(self, subject: str, nest: Nest) -> None:
        self._composer = Composer(subject)
        self._nest = nest
        self._composer.heading(1, subject)
        self._subject = self._composer.title

    def head(self, lines: dict[str, str]) -> None:
        """Take who wrote it, to whom, and when: words by what stands in front of them."""
        told = (f"{name}: {_shortened(words)}" for name, words in lines.items() if words)
        self._composer.paragraph("\n".join(told))

    def text(self, text: str) -> Iterator[Section]:
        """Take plain text."""
        text = clean(text)
        for start, end in paragraphs(text):
            self._composer.paragraph(text[start:end])
            yield from self._composer.full()

    def page(self, text: str) -> Iterator[Section]:
        """Take a page of HTML; its headings stand below the subject."""
        extracted, composer = html.extract(clean(text)), self._composer
        last = 0
        for block in extracted.blocks:
            words = _without_bars(extracted.text[block.start : block.end])
            close = extracted.text[last : block.start] == "\n"
            last = block.end
            if not _WORD.search(words) or (block.heading and label(words) == self._subject):
                continue
            if block.heading:
                composer.heading(block.heading + 1, words)
            else:
                composer.paragraph(words, close=close)
            yield from composer.full()

    def sections(self, found: Iterator[Section]) -> Iterator[Section]:
        """Take what the reader of another format makes of its text, under the subject."""
        yield from self._composer.rest()
        for section in found:
            if isinstance(section, Extracted):
                yield replace(under(section, "", self._subject), title=self._composer.title)
            else:
                yield replace(section, title=self._composer.title)

    def attached(
        self, content: Callable[[], bytes | None], name: str, kind: str
    ) -> Iterator[Section]:
        """Take what is attached, if it is a document.

        Args:
            content: gives its bytes; None where there are too many of them.
            name: of its file; may be empty.
            kind: its media type, as far as it is known.
        """
        if kind.startswith(_LEFT_OUT) or kind in _NO_DOCUMENTS:
            return
        if kind in _UNREAD:
            self._nest.left_out["unsupported"] += 1
            return
        path = name or f"attached{_SUFFIXES.get(kind, '')}"
        if kind in MESSAGES:
            path, name = "attached.eml", ""
        elif not name:
            name = kind
        if not self._nest.may_open(path):
            return
        yield from self._composer.rest()
        data = content()
        if data is None or len(data) > MEMBER_BYTES:
            self._nest.left_out[TOO_LARGE] += 1
            return
        try:
            yield from self._nest.sections(data, path, name)
        except OverrunError:  # the mail itself is read all the same
            self._nest.left_out[TOO_LARGE] += 1

    def within(self, reads: Callable[[Nest], Iterator[Section]]) -> Iterator[Section]:
        """Take a mail that is attached and is no file of its own."""
        yield from self._composer.rest()
        yield from self._nest.within(reads, "attached.msg")

    def rest(self) -> Iterator[Section]:
        """What is left when it has ended."""
        return self._composer.rest()


def _without_bars(text: str) -> str:
    """Text of a page without what parts cells at its margins: tables lay out pages of mails."""
    lines = []
    for line in text.split("\n"):
        bare = line.lstrip(" |") if line.lstrip(" ").startswith("|") else line
        lines.append(bare.rstrip(" |") if bare.rstrip(" ").endswith("|") else bare)
    return "\n".join(lines).strip("\n")


def _shortened(words: str) -> str:
    """Words that are not too many: of names, whole ones."""
    words = " ".join(words.split())
    if len(words) <= _MOST_NAMES_CHARS:
        return words
    return f"{words[:_MOST_NAMES_CHARS].rpartition(',')[0] or words[:_MOST_NAMES_CHARS]}, …"

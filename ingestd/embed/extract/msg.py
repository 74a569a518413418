"""Mails as Outlook stores them (``.msg``): the text of each, and what is attached to it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ingestd.embed.extract import lzfu, rtf
from ingestd.embed.extract.bounds import OverrunError
from ingestd.embed.extract.charset import decoded
from ingestd.embed.extract.mail import Mail
from ingestd.embed.extract.mailwords import moment
from ingestd.embed.extract.mapi import ITEM, PART, Storage, code_page, opened
from ingestd.embed.extract.nest import DAMAGED, MEMBER_BYTES, TOO_LARGE
from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Section

_SUBJECT = 0x0037
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_WRITTEN, _PLAIN = 0x1016, 1
_DATA, _TYPE = 0x3701, 0x370E
_FILE_NAMES = (0x3707, 0x3704, 0x3001)
_SENDER = ((0x0042, 0x0C1A), (0x5D01, 0x5D02, 0x0065, 0x0C1F))
_NAME, _ADDRESSES = 0x3001, (0x39FE, 0x3003)
_SENT = (0x0039, 0x0E06)
_INTERNET_PAGE = 0x3FDE
_RECIPIENT_TYPE = 0x0C15
_TO, _CC = 1, 2
_HEADS = {_TO: 0x0E04, _CC: 0x0E03}
_MOST_NAMES = 20


def read(file: BinaryIO, bounds: Bounds, nest: Nest) -> Iterator[Section]:
    """Yield the sections of an item: its text first, then what is attached.

    Raises:
        ExtractionError: it is damaged.
    """
    with opened(file) as ole:
        yield from _Reader(Storage(ole), bounds, nest).sections()


class _Reader:
    """Reads one item."""

    def __init__(self, item: Storage, bounds: Bounds, nest: Nest) -> None:
        self._item = item
        self._bounds = bounds
        self._nest = nest
        self._mail = Mail(item.text(_SUBJECT), nest)

    def sections(self) -> Iterator[Section]:
        """Yield its sections."""
        item = self._item
        name, address = (item.text(*numbers) for numbers in _SENDER)
        sent = item.moment(*_SENT)
        people = self._people()
        self._mail.head(
            {
                "From": _person(name, address),
                "To": people[_TO] or item.text(_HEADS[_TO]),
                "Cc": people[_CC] or item.text(_HEADS[_CC]),
                "Date": _date(sent),
            }
        )
        yield from self._body()
        for number, attached in enumerate(item.names("__attach_version1.0_#")):
            if number >= self._nest.bounds.entries:
                break
            yield from self._attached(attached)
        yield from self._mail.rest()

    def _people(self) -> dict[int, str]:
        """To whom it was sent, and who got a copy."""
        found: dict[int, list[str]] = {_TO: [], _CC: []}
        for name in self._item.names("__recip_version1.0_#")[:_MOST_NAMES]:
            if (one := self._item.inner(name, PART)) is not None:
                people = found.get(one.number(_RECIPIENT_TYPE))
                if people is not None:
                    people.append(_person(one.text(_NAME), one.text(*_ADDRESSES)))
        return {kind: ", ".join(filter(None, people)) for kind, people in found.items()}

    def _body(self) -> Iterator[Section]:
        """The text as it was written: a page, else plain text, else rich text."""
        item = self._item
        if item.number(_WRITTEN) != _PLAIN and (page := self._page()).strip():
            # The plain text is made from it then, with all the addresses behind its links.
            yield from self._mail.page(page)
        elif text := item.text(_BODY):
            yield from self._mail.text(text)
        elif packed := item.binary(_RTF):
            try:
                plain = lzfu.unpacked(packed)
                yield from self._mail.sections(rtf.read(io.BytesIO(plain), self._bounds))
            except ExtractionError:  # what is attached is read all the same
                self._nest.left_out[DAMAGED] += 1

    def _page(self) -> str:
        if text := self._item.text(_HTML):
            return text
        raw = self._item.binary(_HTML)
        page = code_page(self._item.number(_INTERNET_PAGE)) or self._item.code_page
        try:
            return decoded(raw, page, markup=True) if raw else ""
        except SkipDocument as skip:
            self._nest.left_out[skip.reason] += 1
            return ""

    def _content_of(self, attached: Storage) -> Callable[[], bytes | None]:
        """Gives the bytes of what is attached."""

        def content() -> bytes | None:
            size = attached.size(_DATA)
            if size > MEMBER_BYTES:
                return None
            self._nest.bounds.spend(0, size)
            return attached.binary(_DATA)

        return content

    def _of(self, item: Storage) -> Callable[[Nest], Iterator[Section]]:
        """Reads an item in this one."""
        return lambda nest: _Reader(item, self._bounds, nest).sections()

    def _attached(self, name: str) -> Iterator[Section]:
        """Take what is attached: bytes, or an item of its own."""
        try:
            self._nest.bounds.spend(1)
            attached = self._item.inner(name, PART)
            if attached is None:
                return
            inner = attached.inner(f"__substg1.0_{_DATA:04x}000d", ITEM)
            if inner is not None:
                yield from self._mail.within(self._of(inner))
                return
            if attached.size(_DATA):
                kind = attached.text(_TYPE).strip().lower()
                file_name = " ".join(attached.text(*_FILE_NAMES).replace("\\", "/").split())
                yield from self._mail.attached(self._content_of(attached), file_name, kind)
        except OverrunError:
            self._nest.left_out[TOO_LARGE] += 1
        except ExtractionError:
            self._nest.left_out[DAMAGED] += 1


def _person(name: str, address: str) -> str:
    name, address = name.strip(), address.strip()
    if "@" not in address or name == address:  # others are those of one company's directory
        return name
    return f"{name} <{address}>" if name else address


def _date(seconds: float) -> str:
    try:
        return moment(seconds) if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""

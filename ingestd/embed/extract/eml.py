"""Mails as they are sent (``.eml``): the text of each, and what is attached to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.embed.extract.charset import decoded
from ingestd.embed.extract.mail import Mail
from ingestd.embed.extract.mailparts import root_of
from ingestd.embed.extract.nest import MEMBER_BYTES
from ingestd.embed.extract.skip import EncryptedError, SkipDocument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.mailparts import Part
    from ingestd.embed.extract.nest import Nest
    from ingestd.ports import Section

_SHOWN = frozenset(
    {
        "text/plain",
        "text/html",
        "text/rfc822-headers",
        "message/delivery-status",
        "message/disposition-notification",
    }
)
_ENCODED_BYTES = 2 * MEMBER_BYTES


def read(file: BinaryIO, _bounds: Bounds, nest: Nest) -> Iterator[Section]:
    """Yield the sections of a mail: its text first, then what is attached."""
    most = max(1, nest.bounds.entries - nest.bounds.spent.parts)
    root, number = root_of(file, most)
    nest.bounds.spend(min(number, most - 1))
    return _Reader(file, root, nest).sections()


class _Reader:
    """Reads one mail."""

    def __init__(self, file: BinaryIO, root: Part, nest: Nest) -> None:
        self._file = file
        self._root = root
        self._nest = nest
        self._mail = Mail(root.headers.text("subject"), nest)
        self._has_text = False

    def sections(self) -> Iterator[Section]:
        """Yield its sections."""
        headers = self._root.headers
        self._mail.head(
            {
                "From": headers.text("from"),
                "To": headers.text("to"),
                "Cc": headers.text("cc"),
                "Date": headers.date(),
            }
        )
        yield from self._part(self._root)
        yield from self._mail.rest()

    def _part(self, part: Part, *, shown: bool = True) -> Iterator[Section]:
        """Take a part with all its parts.

        Args:
            part: the part.
            shown: whether texts are taken that are not attached.
        """
        if part.kind == "multipart/encrypted":
            self._nest.left_out[EncryptedError().reason] += 1
        elif part.kind == "multipart/alternative" and part.parts:
            yield from self._alternative(part, shown=shown)
        elif part.kind == "multipart/related" and part.parts:
            for number, one in enumerate(part.parts):
                if not number or one.is_attached or not one.kind.startswith("text/"):
                    yield from self._part(one, shown=shown)
        elif part.parts:
            for one in part.parts:
                yield from self._part(one, shown=shown)
        elif self._is_shown(part):
            if shown:
                yield from self._text(part, self._decoded(part))
        else:
            yield from self._mail.attached(
                lambda: part.content(self._file, _ENCODED_BYTES), part.name, part.kind
            )

    def _alternative(self, part: Part, *, shown: bool) -> Iterator[Section]:
        """Take one of several forms of a text: the plain one, if there is something in it."""
        plain, text = self._plain(part) if shown else (None, "")
        if plain is not None:
            yield from self._text(plain, text)
        for one in part.parts:
            other = one.kind.startswith("text/") and one.kind != "text/html"
            if one is plain or (other and not one.is_attached):
                continue
            yield from self._part(one, shown=shown and plain is None)

    def _plain(self, part: Part) -> tuple[Part | None, str]:
        """The plain form of a text, if there is one and something in it."""
        for one in part.parts:
            if one.kind == "text/plain" and not one.is_attached:
                text = self._decoded(one)
                if text.strip():
                    return one, text
        return None, ""

    def _is_shown(self, part: Part) -> bool:
        """Whether it is text of the mail itself."""
        if part.kind.startswith("multipart/"):  # whose parts were not found
            return True
        if part is self._root and part.kind.startswith("text/"):
            return True
        named = bool(part.name) and self._has_text
        return part.kind in _SHOWN and not part.is_attached and not named

    def _text(self, part: Part, text: str) -> Iterator[Section]:
        self._has_text = self._has_text or bool(text.strip())
        if part.kind == "text/html":
            yield from self._mail.page(text)
            return
        if part.parameters.get("format", "").lower() == "flowed":
            text = _unflowed(text, glued=part.parameters.get("delsp", "").lower() == "yes")
        yield from self._mail.text(text)

    def _decoded(self, part: Part) -> str:
        """The text of a part; empty where it is none."""
        data = part.content(self._file, _ENCODED_BYTES)
        try:
            charset = part.parameters.get("charset", "")
            return decoded(data or b"", charset, markup=part.kind == "text/html")
        except SkipDocument as skip:
            self._nest.left_out[skip.reason] += 1
            return ""


def _unflowed(text: str, *, glued: bool) -> str:
    """Text whose lines go on where they end in a blank (RFC 3676)."""
    out: list[str] = []
    for line in text.split("\n"):
        goes_on = line.endswith(" ") and line != "-- "
        if goes_on:
            out.append(line[:-1] if glued else line)
        else:
            out.append(line + "\n")
    return "".join(out)

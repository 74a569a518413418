"""The parts of a mail (MIME): where each begins and ends, in one pass, whatever they hold.

A mail within a mail is one part: it is looked into when it is read. So nothing here goes deeper
than parts within parts, and of those only so many are open at once.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd.embed.extract.mailwords import Headers, from_base64

if TYPE_CHECKING:
    from typing import BinaryIO

_LINE_BYTES = 64 * 1024
_HEADERS_BYTES = 1024 * 1024
_MOST_OPEN = 64
_HEADER = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,200}[ \t]*:")
_FOLDED = (b" ", b"\t")
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True, eq=False)
class Part:
    """A part of a mail.

    Attributes:
        headers: its own.
        start: where its content begins in the file.
        end: where that ends.
        parts: those that it is made of.
        kind: its media type.
        parameters: those of its media type.
        name: the name of its file; empty when it has none.
        is_attached: whether it is no part of the text that is shown.
    """

    headers: Headers
    start: int = 0
    end: int = 0
    parts: list[Part] = field(default_factory=list)
    kind: str = field(init=False)
    parameters: dict[str, str] = field(init=False)
    name: str = field(init=False)
    is_attached: bool = field(init=False)

    def __post_init__(self) -> None:
        self.kind, self.parameters = self.headers.type()
        shown, parameters = self.headers.disposition()
        name = parameters.get("filename") or self.parameters.get("name") or ""
        self.name = " ".join(name.replace("\\", "/").split())
        self.is_attached = shown == "attachment"

    @property
    def boundary(self) -> bytes:
        """What parts its parts; empty where it has none."""
        if not self.kind.startswith("multipart/"):
            return b""
        return self.parameters.get("boundary", "").rstrip().encode("latin-1", "replace")[:200]

    def content(self, file: BinaryIO, most: int) -> bytes | None:
        """Its bytes; None where there are more than so many."""
        if self.end - self.start > most:
            return None
        file.seek(self.start)
        raw = file.read(max(0, self.end - self.start))
        encoding = self.headers.encoding()
        if encoding == "base64":
            return from_base64(raw)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        return raw.removesuffix(b"\n").removesuffix(b"\r")  # of the line that parts the parts


def root_of(file: BinaryIO, most: int) -> tuple[Part, int]:
    """A mail with all its parts, and how many these are.

    Args:
        file: the mail.
        most: how many parts are looked at; what comes behind is left out.
    """
    splitter = _Splitter(_Lines(file))
    return splitter.root(most), splitter.number


class _Lines:
    """The lines of a file; a very long one comes in pieces."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file = file
        self._held = b""
        self._whole = True
        self.place = 0  # behind the line
        self.begins = True  # whether it is the beginning of one

    def next(self) -> bytes:
        """The next line, or a piece of one; empty at the end."""
        line, self._held = self._held, b""
        if not line:
            line = self._file.readline(_LINE_BYTES)
            self.begins, self._whole = self._whole, line.endswith(b"\n")
        self.place += len(line)
        return line

    def back(self, line: bytes) -> None:
        """Have a line come again."""
        self._held = line
        self.place -= len(line)


class _Splitter:
    """One pass over one mail."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._open: list[tuple[bytes, Part]] = []
        self._places: dict[bytes, int] = {}
        self.number = 0

    def root(self, most: int) -> Part:
        """The mail."""
        self._begin_of_mail()
        root = current = self._part()
        while line := self._lines.next():
            found = self._delimiter(line)
            if found is None:
                continue
            depth, is_last = found
            current.end = current.end or self._lines.place - len(line)
            self._close_to(depth if is_last else depth + 1)
            if is_last:
                continue
            around = self._open[depth][1]
            if self.number >= most:
                break
            current = self._part()
            around.parts.append(current)
        current.end = current.end or self._lines.place
        root.end = max(root.end, self._lines.place)
        return root

    def _begin_of_mail(self) -> None:
        """Pass over what may stand before the headers."""
        lines = self._lines
        line = lines.next()
        rest = line.removeprefix(_BOM)
        while line and (not rest.strip() or (lines.begins and rest.startswith(b"From "))):
            line = rest = lines.next()
        if line:
            lines.back(line)

    def _part(self) -> Part:
        """A part, from its headers on; what is in it comes next."""
        part = Part(self._headers(), self._lines.place)
        self.number += 1
        boundary = part.boundary
        if boundary and boundary not in self._places and len(self._open) < _MOST_OPEN:
            self._places[boundary] = len(self._open)
            self._open.append((boundary, part))
        return part

    def _headers(self) -> Headers:
        """The headers, up to the empty line, or to where there are none any more."""
        found: list[bytes] = []
        length = 0
        while line := self._lines.next():
            if self._lines.begins:
                if not line.strip():
                    break
                line_ = line.removeprefix(_BOM) if not found else line
                if not line.startswith(_FOLDED) and not _HEADER.match(line_):
                    self._lines.back(line)
                    break
                if length < _HEADERS_BYTES:
                    found.append(line_)
                    length += len(line_)
        return Headers(found)

    def _delimiter(self, line: bytes) -> tuple[int, bool] | None:
        """Which of the open parts a line parts, and whether it ends it."""
        if not line.startswith(b"--") or not self._lines.begins or not self._open:
            return None
        rest = line[2:].rstrip()
        if rest in self._places:
            return self._places[rest], False
        depth = self._places.get(rest.removesuffix(b"--")) if rest.endswith(b"--") else None
        return None if depth is None else (depth, True)

    def _close_to(self, depth: int) -> None:
        """End what is open, up to so many."""
        for boundary, _ in self._open[depth:]:
            del self._places[boundary]
        del self._open[depth:]

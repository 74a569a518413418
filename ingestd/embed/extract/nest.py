"""Documents within a document: how deep they are opened, and what becomes of each.

What holds others (a mail, an archive) hands over their bytes, one after the other. Each is read by
the reader of its own format, and its sections stand under its name. What has no text or cannot be
read is left out, and counted: the rest of the document is read all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingestd.embed.extract.bounds import OverrunError, Shared
from ingestd.embed.extract.compose import label
from ingestd.embed.extract.skip import EncryptedError, NoTextError, SkipDocument
from ingestd.ports import Extracted, Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

MEMBER_BYTES = 64 * 1024 * 1024
"""What is packed in a document is held whole, up to this size."""
MOST_HEADINGS = 12
TOO_DEEP = "nested deeper than `extract.depth`"
TOO_LARGE = "too large"
DAMAGED = "damaged"

Read = Callable[[bytes, bytes, "Nest"], Iterator[Section]]
"""Reads what is packed in a document: its bytes, the last part of its name, and what is below."""


def _taken(_path: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Nest:
    """What all that is packed in one file shares, seen from one depth.

    Attributes:
        read: reads whatever is packed, by its content and its name.
        bounds: of the file and of all that is packed in it.
        depth: how many levels further down are opened.
        refused: why a path alone says that what it leads to is not read; empty where it is.
        left_out: how many were left out, by their reasons.
    """

    read: Read
    bounds: Shared
    depth: int
    refused: Callable[[str], str] = _taken
    left_out: Counter[str] = field(default_factory=Counter)

    def sections(self, data: bytes, path: str, heading: str) -> Iterator[Section]:
        """Yield the sections of what is packed, under a heading.

        Args:
            data: its bytes.
            path: its path within what holds it; the last part may tell its format.
            heading: what its text stands under; without one, under its title.

        Raises:
            OverrunError: the file unpacks to more than it may.
            MemoryError: it takes too much.
        """
        name = path.rpartition("/")[2].encode("utf-8", "replace")[-255:]
        return self.within(lambda nest: self.read(data, name, nest), path, heading)

    def within(
        self, reads: Callable[[Nest], Iterator[Section]], path: str, heading: str = ""
    ) -> Iterator[Section]:
        """Yield the sections of what is packed and is read in some way; as `sections` does."""
        if not self.may_open(path):
            return
        counted = self.left_out.total()
        try:
            title: str | None = None
            for section in reads(replace(self, depth=self.depth - 1)):
                if title is None:  # the first one has the title of all
                    title = section.title
                yield self._under(section, label(heading), title)
        except (OverrunError, MemoryError):
            raise
        except SkipDocument as skip:
            if self.left_out.total() == counted:  # else what is packed in it is counted
                self.left_out[skip.reason] += 1
        except Exception:  # noqa: BLE001 - whatever it provokes in a parser
            self.left_out[DAMAGED] += 1

    def may_open(self, path: str) -> bool:
        """Whether what lies there may be read; if not, it is counted."""
        reason = self.refused(path) or (TOO_DEEP if self.depth <= 0 else "")
        if reason:
            self.left_out[reason] += 1
        return not reason

    def nothing(self) -> SkipDocument:
        """Why there is nothing to be read in all of it."""
        if {*self.left_out} == {EncryptedError().reason}:
            return EncryptedError("a password is needed")
        number = self.left_out.total()
        if not number:
            return NoTextError("it is empty")
        reasons = ", ".join(f"{count:,} {why}" for why, count in self.left_out.most_common())
        return NoTextError(f"what is packed in it was left out: {reasons}")

    def _under(self, section: Section, heading: str, title: str) -> Section:
        """A section under a heading and its own title, which is not that of the whole."""
        if isinstance(section, Table):
            headings = _path(heading, title, section.headings)
            return replace(section, rows=self._rows(section.rows), headings=headings, title="")
        return replace(under(section, heading, title), title="")

    def _rows(self, rows: Iterable[str]) -> Iterator[str]:
        """Yield the rows of a table, which are read when they are asked for."""
        try:
            yield from rows
        except (OverrunError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - whatever it provokes in a parser
            self.left_out[DAMAGED] += 1


def under(extracted: Extracted, heading: str, title: str = "") -> Extracted:
    """A text whose blocks all stand under a heading more, and the title of their document."""
    paths: dict[tuple[str, ...], tuple[str, ...]] = {}
    blocks = []
    for block in extracted.blocks:
        headings = paths.get(block.headings)
        if headings is None:
            headings = paths[block.headings] = _path(heading, title, block.headings)
        blocks.append(replace(block, headings=headings))
    return replace(extracted, blocks=blocks)


def _path(heading: str, title: str, headings: tuple[str, ...]) -> tuple[str, ...]:
    """Headings under others; a title that stands there already is not said again."""
    above = (heading, "" if headings[:1] == (title,) else title)
    return (*filter(None, above), *headings)[:MOST_HEADINGS]

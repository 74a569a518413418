"""What an entry of the hostile corpus is, and what may become of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INDEXED = "indexed"
SKIPPED = "skipped"
DEAD = "dead"
ABSENT = "absent"
"""The table has nothing of it: no file of ours."""
ENDED = f"{SKIPPED}|{DEAD}"
ANY = f"{INDEXED}|{SKIPPED}|{DEAD}"
"""Whatever it comes to, it comes to an end."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file, or whatever else lies in a folder.

    Attributes:
        name: its name, bytes as on disk.
        make: makes it at a path.
        expected: the outcomes that are right, as a regular expression over ``state: reason``.
        what: what is wrong with it.
        heavy: it takes seconds, or room on the disk: left out of the short run.
        lively: does something to the file while the daemon reads, again and again.
    """

    name: bytes
    make: Callable[[Path], object]
    expected: str
    what: str
    heavy: bool = False
    lively: Callable[[Path, int], object] | None = None

    def fits(self, state: str, reason: str) -> bool:
        """Whether this outcome is one of those expected."""
        return re.match(self.expected, f"{state}: {reason}") is not None


def data(content: bytes | str) -> Callable[[Path], object]:
    """Makes a file with this content."""
    raw = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(raw)


def repeated(
    unit: bytes | str, times: int, *, head: bytes = b"", tail: bytes = b""
) -> Callable[[Path], object]:
    """Makes a file that says the same again and again, without ever holding it all."""
    piece = unit.encode() if isinstance(unit, str) else unit

    def make(path: Path) -> None:
        at_once = max(1, (1 << 20) // len(piece))
        with path.open("wb") as file:
            file.write(head)
            for start in range(0, times, at_once):
                file.write(piece * min(at_once, times - start))
            file.write(tail)

    return make

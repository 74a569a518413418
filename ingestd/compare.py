"""What differs between a directory and the state table: pure, one directory at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Row

    from .ports import Fingerprint
    from .watch.listing import Listing

_DELETED = DocumentStatus.DELETED.value


@dataclass(slots=True)
class Comparison:
    """What differs between a listing and the table."""

    new: list[tuple[bytes, Fingerprint]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    seen: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.missing or self.found)

    def add(self, other: Comparison) -> None:
        """Take the differences of another listing in."""
        self.new += other.new
        self.changed += other.changed
        self.missing += other.missing
        self.found += other.found
        self.seen += other.seen

    def parts(self, size: int) -> Iterator[Comparison]:
        """The differences, at most so many of each kind at a time; one part where there are none.

        Only the first part counts the files.
        """
        most = max(len(self.new), len(self.changed), len(self.missing), len(self.found))
        seen = self.seen
        for start in range(0, max(most, 1), size):
            part = slice(start, start + size)
            yield Comparison(
                self.new[part], self.changed[part], self.missing[part], self.found[part], seen
            )
            seen = 0


def compare(listing: Listing, known: Iterable[Row[Any]]) -> Comparison:
    """Compare one directory with the table, one file after the other.

    Args:
        listing: what the directory holds now, by name.
        known: its documents by path, as rows of `documents.KNOWN`; read once.
    """
    result = Comparison(seen=len(listing.files))
    if listing.unreadable is not None:
        return result  # what cannot be seen is not gone
    prefix = listing.directory + b"/" if listing.directory else b""
    unknown = {prefix + name for name in listing.unknown}
    rows = iter(known)
    row: Any = next(rows, None)
    for name, now in listing.files:
        path = prefix + name
        while row is not None and row[1] < path:
            _not_seen(result, row, unknown)
            row = next(rows, None)
        if row is None or row[1] != path:
            result.new.append((path, now))
            continue
        # Unpacked, because this runs for every file of a source: by name it takes thrice as long.
        key, _, status, device, inode, size, mtime_ns, ctime_ns, missing_since = row
        if (
            ctime_ns != now.ctime_ns
            or mtime_ns != now.mtime_ns
            or size != now.size
            or inode != now.inode
            or device != now.device
            or status == _DELETED
        ):
            result.changed.append(key)
        elif missing_since is not None:
            result.found.append(key)
        row = next(rows, None)
    while row is not None:
        _not_seen(result, row, unknown)
        row = next(rows, None)
    return result


def _not_seen(result: Comparison, row: Row[Any], unknown: set[bytes]) -> None:
    """Take down a document without a file, unless nobody can tell or it is known."""
    if row.path not in unknown and row.missing_since is None and row.status != _DELETED:
        result.missing.append(row.id)

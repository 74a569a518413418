"""What differs between a directory and the state table: pure, one directory at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def compare(listing: Listing, known: Iterable[Row[Any]]) -> Comparison:
    """Compare one directory with the table.

    Args:
        listing: what the directory holds now.
        known: its documents, as rows of `documents.KNOWN`.
    """
    result = Comparison(seen=len(listing.files))
    if listing.unreadable is not None:
        return result  # what cannot be seen is not gone
    prefix = listing.directory + b"/" if listing.directory else b""
    rows: dict[bytes, Any] = {row.path: row for row in known}
    for name, now in listing.files:
        row = rows.pop(prefix + name, None)
        if row is None:
            result.new.append((prefix + name, now))
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
    unknown = {prefix + name for name in listing.unknown}
    result.missing = [
        row.id
        for path, row in rows.items()
        if path not in unknown and row.missing_since is None and row.status != _DELETED
    ]
    return result

"""What a scan would find now: the comparison of a reconcile, without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.compare import compare
from ingestd.guard import unusable
from ingestd.watch.scan import Listing, probe_root, scan
from ingestd_state import documents
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.watch.rules import Rules
    from ingestd_state.engine import Database

    from .places import Place

WAITING = {DocumentStatus.PENDING.value, DocumentStatus.WORKING.value}


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that a scan would take up.

    Attributes:
        action: ``new``, ``changed`` or ``gone``. A file that was moved is new and gone.
        path: relative to the source.
    """

    action: str
    path: bytes


def differences(database: Database, place: Place, rules: Rules) -> Iterator[Difference]:
    """What differs at and below a place, directory by directory.

    Nothing is said of what cannot be looked at: a source that is away shows no difference.
    """
    if unusable(probe_root(place.source.path)):
        return
    visited: set[bytes] = set()
    unseen: list[bytes] = []
    for listing in scan(place.source.path, rules, below=place.path):
        visited.add(listing.directory)
        unseen += _unseen(listing)
        yield from _in_listing(database, place, listing)
    with database.read() as connection:
        gone = [
            directory
            for directory in documents.directories(connection, place.source.id, place.path)
            if directory not in visited and not any(_is_below(directory, top) for top in unseen)
        ]
    for directory in gone:
        with database.read() as connection:
            rows = documents.known_in(connection, place.source.id, directory)
        for row in rows:
            if row.missing_since is None and _is_below(row.path, place.path):
                yield Difference("gone", row.path)


def _in_listing(database: Database, place: Place, listing: Listing) -> Iterator[Difference]:
    one_file = not _is_below(listing.directory, place.path)
    with database.read() as connection:
        rows = (
            documents.known_at(connection, place.source.id, place.path)
            if one_file
            else documents.known_in(connection, place.source.id, listing.directory)
        )
    found = compare(listing, rows)
    known = {row.id: row for row in rows}
    yield from (Difference("new", path) for path, _ in found.new)
    for one in found.changed:
        if known[one].status not in WAITING:  # those are known to have changed
            yield Difference("changed", known[one].path)
    yield from (Difference("gone", known[one].path) for one in found.missing)


def _unseen(listing: Listing) -> list[bytes]:
    if listing.unreadable is not None:
        return [listing.directory]
    prefix = listing.directory + b"/" if listing.directory else b""
    return [prefix + name for name in listing.unknown]


def _is_below(path: bytes, top: bytes) -> bool:
    return not top or path == top or path.startswith(top + b"/")

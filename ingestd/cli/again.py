"""What ``ingestd reindex`` is about: which documents, how they are marked, how they ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ingestd.errors import NotFoundError, NotRunningError, WaitTimeoutError
from ingestd.paths import text_of
from ingestd.roots import known_sources, rules_of
from ingestd.visible import counted
from ingestd_state import changes, selection, sources
from ingestd_state.selection import LOST, Selection
from ingestd_state.status import DocumentStatus, SourceStatus

from . import places

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

    from .places import Place

POLL_S = 0.25
COUNTS = ("seen", "new", "changed", "moved", "deleted", "held")
"""What a look at the disk counts."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for.

    Attributes:
        places: only there; empty for everywhere.
        forced: also documents that did not change.
        failed: only documents that failed.
    """

    places: tuple[Place, ...] = ()
    forced: bool = False
    failed: bool = False

    @property
    def marks(self) -> bool:
        """Whether documents are marked, beside what a look at the disk finds."""
        return self.forced or self.failed

    def selections(self, everywhere: list[Place]) -> list[Selection]:
        """The documents of the table that it is about."""
        statuses = LOST if self.failed else frozenset[DocumentStatus]()
        return [
            Selection(place.source.id, place.path, statuses, present=self.marks)
            for place in self.places or everywhere
        ]


@dataclass(slots=True)
class Marked:
    """What was marked.

    Attributes:
        found: what the look at the disk found, in documents.
        documents: how many of the known documents were marked.
        at: when, in Unix seconds: what changed later is not waited for.
        selections: which documents to wait for.
    """

    found: dict[str, int] = field(default_factory=dict)
    documents: int = 0
    at: float = 0.0
    selections: list[Selection] = field(default_factory=list)


def everywhere(database: Database) -> list[Place]:
    """All sources that are configured.

    Raises:
        NotFoundError: there is none.
    """
    with database.read() as connection:
        rows = sources.all_sources(connection)
    found = [places.Place(row, b"") for row in rows if row.status is not SourceStatus.DETACHED]
    if not found:
        raise NotFoundError("there is no source", hint="`ingestd run DIR` makes one.")
    return found


def resolve(database: Database, paths: list[Path]) -> tuple[Place, ...]:
    """The places that a person named.

    Raises:
        NotFoundError: one of them is in no source.
    """
    rows = [place.source for place in everywhere(database)]

    def known(place: Place) -> bool:
        with database.read() as connection:
            return selection.count(connection, Selection(place.source.id, place.path)) > 0

    found = []
    for path in paths:
        place = places.find(path, rows, known=known)
        if place is None:
            raise NotFoundError(
                f"{path} is outside of every source", hint="`ingestd status` lists the sources."
            )
        found.append(place)
    return tuple(places.outermost(found))


def plan(database: Database, wish: Wish) -> Iterator[tuple[str, Place]]:
    """What would be done, document by document, as action and place; nothing is written."""
    from .differences import differences

    for place in wish.places or everywhere(database):
        listed: set[bytes] = set()
        if not wish.failed:
            for found in differences(database, place, rules_of(place.source)):
                if not wish.marks or found.action == "new":
                    yield found.action, places.Place(place.source, found.path)
                if not wish.marks:
                    listed.add(found.path)
        for document in _listed(database, wish, place):
            if document.path not in listed:
                yield _action(wish), places.Place(place.source, document.path)


def _listed(database: Database, wish: Wish, place: Place) -> Iterator[Document]:
    [chosen] = replace(wish, places=(place,)).selections([])
    if not wish.marks:
        waiting = {DocumentStatus.PENDING, DocumentStatus.WORKING, DocumentStatus.DELETED}
        chosen = replace(chosen, statuses=frozenset(waiting))
    return selection.walk(database, chosen)


def _action(wish: Wish) -> str:
    if wish.failed:
        return "retry"
    return "again" if wish.forced else "waiting"


def mark(database: Database, wish: Wish) -> Marked:
    """Look at the disk, and mark the documents; blocking.

    Raises:
        NotFoundError: there is nothing of ours at one of the places.
    """
    top = everywhere(database)
    marked = Marked(selections=wish.selections(top))
    marked.found = dict.fromkeys(COUNTS, 0) if wish.failed else _look(database, wish, top)
    _check_there(database, wish)
    marked.at = time.time()
    if wish.marks:
        # A person waits for one file, hardly for all: those give way to what changes meanwhile.
        priority = changes.INTERACTIVE if wish.places else 0
        for chosen in marked.selections:
            marked.documents += selection.mark_again(
                database, chosen, now=marked.at, forced=wish.forced, priority=priority
            )
    return marked


def _look(database: Database, wish: Wish, top: list[Place]) -> dict[str, int]:
    """Record what differs on disk; returns what was found, in documents."""
    from ingestd.reconcile import Findings, Reconciler

    total = Findings()
    known = known_sources(database)
    reconciler = Reconciler(database)
    for place in wish.places or top:
        source = known.get(place.source.name)
        if source is None:
            raise NotFoundError(f"the source {place.source.name!r} is no longer configured")
        if place.path:
            total.add(reconciler.look(source, [place.path]))
        else:
            total.add(reconciler.reconcile(source))
    return asdict(total)


def _check_there(database: Database, wish: Wish) -> None:
    for place in wish.places:
        with database.read() as connection:
            there = selection.count(connection, Selection(place.source.id, place.path))
        if not there:
            path = text_of(place.full)
            raise NotFoundError(
                f"no document at or below {path}", hint=f"`ingestd why {path}` tells why."
            )


def remaining(database: Database, marked: Marked) -> int:
    """How many of them are still to be done."""
    with database.read() as connection:
        return sum(
            selection.unfinished(connection, replace(one, statuses=frozenset()), until=marked.at)
            for one in marked.selections
        )


def failures(database: Database, marked: Marked) -> int:
    """How many of them have failed."""
    with database.read() as connection:
        return sum(
            selection.lost(connection, replace(one, statuses=frozenset()), until=marked.at)
            for one in marked.selections
        )


def wait(
    database: Database,
    marked: Marked,
    *,
    timeout_s: float | None,
    running: Callable[[], bool],
    report: Callable[[int], None],
) -> None:
    """Wait until they are done.

    Args:
        database: the state table.
        marked: what to wait for.
        timeout_s: at most so long; None for as long as it takes.
        running: whether somebody works on them.
        report: called with how many are left.

    Raises:
        WaitTimeoutError: they are not done in time.
        NotRunningError: nobody works on them any more.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while left := remaining(database, marked):
        report(left)
        if not running():
            raise NotRunningError(f"the daemon has ended; {counted(left, 'document')} left to do")
        if deadline is not None and time.monotonic() >= deadline:
            raise WaitTimeoutError(f"{counted(left, 'document')} left to do after {timeout_s:g} s")
        time.sleep(POLL_S)
    report(0)


def outcome(marked: Marked, **more: Any) -> dict[str, Any]:
    """The result as scripts see it."""
    return {"type": "reindex", "marked": marked.documents, "found": marked.found, **more}

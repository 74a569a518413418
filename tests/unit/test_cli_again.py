"""Which documents ``reindex`` takes up again, and when they are done."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import again
from ingestd.cli.places import Place
from ingestd.errors import NotFoundError, NotRunningError, WaitTimeoutError
from ingestd.reconcile import Reconciler
from ingestd.roots import known_sources
from ingestd_state import documents, due, migrate, selection, sources, work
from ingestd_state.engine import Database
from ingestd_state.selection import Selection
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = ("a.md", "b.md", "sub/c.md", "sub/d.md", "sub-e.md")
ALL = Selection()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with five files."""
    for name in FILES:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, "utf-8")
    return tmp_path / "docs"


@pytest.fixture
def database(tmp_path: Path, docs: Path) -> Iterator[Database]:
    """A state table in which these files are indexed."""
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    migrate.upgrade(database)
    with database.write() as connection:
        sources.ensure(connection, "docs", os.fsencode(docs), "c", "{}")
    Reconciler(database).reconcile(known_sources(database)["docs"])
    end(database, DocumentStatus.INDEXED)
    yield database
    database.close()


def end(database: Database, status: DocumentStatus, *paths: str) -> None:
    """Let the attempts for these documents, or all that wait, end so."""
    found = list(selection.walk(database, Selection(statuses=frozenset({DocumentStatus.PENDING}))))
    with database.write() as connection:
        due.claim(connection, time.time() + 1, [1], limit=1_000, limit_bytes=1 << 30)
        for document in found:
            wanted = not paths or document.path.decode() in paths
            final = status if wanted else DocumentStatus.INDEXED
            work.finish(connection, document.id, final, learned={})


def place(database: Database, path: bytes) -> Place:
    """A place in the one source."""
    [top] = again.everywhere(database)
    return Place(top.source, path)


def states(database: Database) -> dict[str, str]:
    """The documents' states by path."""
    return {one.path.decode(): one.status.value for one in selection.walk(database, ALL)}


def planned(database: Database, wish: again.Wish) -> set[tuple[str, str]]:
    """What a dry run lists."""
    return {(action, found.path.decode()) for action, found in again.plan(database, wish)}


def test_a_folder_is_taken_up_whole_and_alone(database: Database) -> None:
    """Everything below a folder is marked, and nothing that only begins like it."""
    wish = again.Wish((place(database, b"sub"),), forced=True)
    assert planned(database, wish) == {("again", "sub/c.md"), ("again", "sub/d.md")}
    marked = again.mark(database, wish)
    assert marked.documents == 2
    pending = {path for path, state in states(database).items() if state == "pending"}
    assert pending == {"sub/c.md", "sub/d.md"}
    with database.read() as connection:
        found = documents.get(connection, 1, b"sub/c.md")
    assert found is not None
    assert found.forced


def test_without_arguments_what_changed_is_taken_up(database: Database, docs: Path) -> None:
    """New, changed and deleted files are found, and the plan says so before."""
    (docs / "new.md").write_text("new", "utf-8")
    (docs / "a.md").write_text("changed, and longer", "utf-8")
    (docs / "b.md").unlink()
    (docs / "sub" / "c.md").unlink()
    (docs / "sub" / "d.md").unlink()
    (docs / "sub").rmdir()
    wish = again.Wish()
    plan = {
        ("new", "new.md"),
        ("changed", "a.md"),
        ("gone", "b.md"),
        ("gone", "sub/c.md"),
        ("gone", "sub/d.md"),
    }
    assert planned(database, wish) == plan
    assert set(states(database).values()) == {"indexed"}, "a plan changes nothing"
    marked = again.mark(database, wish)
    assert (marked.found["new"], marked.found["changed"], marked.found["deleted"]) == (1, 1, 3)
    assert planned(database, wish) == {
        ("waiting", path) for path, state in states(database).items() if state != "indexed"
    }


def test_a_file_named_alone_may_be_new(database: Database, docs: Path) -> None:
    """A file that no scan has seen yet can be named, and is found."""
    (docs / "new.md").write_text("new", "utf-8")
    wish = again.Wish((place(database, b"new.md"),), forced=True)
    assert planned(database, wish) == {("new", "new.md")}
    assert again.mark(database, wish).documents == 1
    assert states(database)["new.md"] == "pending"


def test_a_folder_that_is_away_shows_no_difference(database: Database, docs: Path) -> None:
    """A source that cannot be looked at is not planned to be deleted."""
    docs.rename(docs.with_name("elsewhere"))
    assert planned(database, again.Wish()) == set()


def test_missing_documents_are_not_forced(database: Database, docs: Path) -> None:
    """What is missing stays marked as missing: forcing would take it for present."""
    docs.rename(docs.with_name("elsewhere"))
    source = known_sources(database)["docs"]
    with database.write() as connection:
        from ingestd_state import changes

        changes.mark_missing_below(connection, source.id, b"sub", now=1.0)
    marked = again.mark(database, again.Wish(forced=True))
    assert marked.documents == 3
    assert states(database)["sub/c.md"] == "indexed"


def test_nothing_of_ours_is_an_error(database: Database) -> None:
    """A path at which nothing is known is told, not ignored."""
    with pytest.raises(NotFoundError, match="nothere"):
        again.mark(database, again.Wish((place(database, b"nothere"),), forced=True))


def test_failed_ones_alone(database: Database) -> None:
    """Failed and dead documents are tried again, others are left alone."""
    again.mark(database, again.Wish(forced=True))
    end(database, DocumentStatus.DEAD, "a.md", "sub/c.md")
    assert planned(database, again.Wish(failed=True)) == {("retry", "a.md"), ("retry", "sub/c.md")}
    below = again.Wish((place(database, b"sub"),), failed=True)
    assert planned(database, below) == {("retry", "sub/c.md")}
    marked = again.mark(database, again.Wish(failed=True))
    assert marked.documents == 2
    assert (again.remaining(database, marked), again.failures(database, marked)) == (2, 0)
    end(database, DocumentStatus.FAILED, "a.md")
    assert (again.remaining(database, marked), again.failures(database, marked)) == (0, 1)


def test_many_documents_are_marked_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No document is left out or marked twice where there are several pages."""
    monkeypatch.setattr(selection, "MARK_PAGE", 2)
    assert again.mark(database, again.Wish(forced=True)).documents == len(FILES)
    assert set(states(database).values()) == {"pending"}


def test_a_listing_is_complete_over_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, each document comes once, in order; a limit ends it."""
    monkeypatch.setattr(selection, "PAGE", 2)
    found = [one.path.decode() for one in selection.walk(database, ALL)]
    assert found == sorted(FILES)
    assert len(list(selection.walk(database, ALL, limit=3))) == 3


def test_waiting_ends_when_they_are_done(database: Database) -> None:
    """The wait reports what is left, and ends with the last document."""
    marked = again.mark(database, again.Wish(forced=True))
    reported: list[int] = []

    def report(left: int) -> None:
        reported.append(left)
        if left:
            end(database, DocumentStatus.INDEXED)

    again.wait(database, marked, timeout_s=30, running=lambda: True, report=report)
    assert reported == [5, 0]


def test_waiting_does_not_include_later_changes(database: Database, docs: Path) -> None:
    """A file that changes while others are waited for does not prolong the wait."""
    marked = again.mark(database, again.Wish((place(database, b"a.md"),), forced=True))
    (docs / "b.md").write_text("changed meanwhile", "utf-8")
    Reconciler(database).look(known_sources(database)["docs"], [b"b.md"])
    assert again.remaining(database, marked) == 1


def test_waiting_has_a_limit(database: Database) -> None:
    """What does not happen in time is an error of its own."""
    marked = again.mark(database, again.Wish(forced=True))
    with pytest.raises(WaitTimeoutError, match="5 documents"):
        again.wait(database, marked, timeout_s=0, running=lambda: True, report=lambda _left: None)


def test_waiting_for_nobody_ends(database: Database) -> None:
    """When the daemon ends, the wait ends too, and says so."""
    marked = again.mark(database, again.Wish(forced=True))
    with pytest.raises(NotRunningError, match="has ended"):
        again.wait(
            database, marked, timeout_s=None, running=lambda: False, report=lambda _left: None
        )

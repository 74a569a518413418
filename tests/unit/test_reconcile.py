"""The state table is brought in line with the disk: real files, a real table."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from ingestd import reconcile
from ingestd.ports import Fingerprint
from ingestd.reconcile import Findings, Reconciler
from ingestd.record import CROWD
from ingestd.watch.scan import Listing
from ingestd_state import changes, documents, runs, sources
from ingestd_state.schema import documents as table
from ingestd_state.status import DocumentStatus, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ingestd.watch.source import WatchedSource
    from ingestd_state.documents import Document
    from ingestd_state.engine import Database

S = DocumentStatus


class Disk:
    """A source, its table, and a stand-in for the embed job that indexes whatever is due."""

    def __init__(self, database: Database, source: WatchedSource) -> None:
        self.database = database
        self.source = source
        self.root = Path(os.fsdecode(source.root))
        self.reconciler = Reconciler(database, clock=lambda: 1_000.0)

    def write(self, *paths: str, text: str = "") -> None:
        """Write files; without a text, each holds its own path."""
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text or path)

    def scan(self, **options: Any) -> Findings:
        """Reconcile."""
        return self.reconciler.reconcile(self.source, **options)

    def look(self, *paths: str) -> Findings:
        """Look at paths."""
        return self.reconciler.look(self.source, [os.fsencode(path) for path in paths])

    def index(self) -> None:
        """Index what is pending, and forget tombstones."""
        with self.database.write() as connection:
            for document in list(documents.by_path(connection)):
                if document.status is S.PENDING and document.missing_since is None:
                    values = self.learned(document)
                elif document.status is S.DELETED:
                    connection.execute(table.delete().where(table.c.id == document.id))
                    continue
                else:
                    continue
                connection.execute(update(table).where(table.c.id == document.id).values(**values))

    def learned(self, document: Document) -> dict[str, Any]:
        """What the job learns from reading a file."""
        full = self.root / os.fsdecode(document.path)
        key = Fingerprint.of(full.stat())
        return {
            "status": S.INDEXED.value,
            "priority": 0,
            "digest": hashlib.sha256(full.read_bytes()).digest(),
            "device": key.device,
            "inode": key.inode,
            "size": key.size,
            "mtime_ns": key.mtime_ns,
            "ctime_ns": key.ctime_ns,
        }

    def settled(self, *paths: str) -> dict[str, str]:
        """Write files, and take them up; the ids by path."""
        self.write(*paths)
        self.scan()
        self.index()
        return self.ids()

    def all(self) -> list[Document]:
        """Every document."""
        with self.database.read() as connection:
            return list(documents.by_path(connection))

    def ids(self) -> dict[str, str]:
        """Ids by path, of what is not a tombstone."""
        return {os.fsdecode(d.path): d.id for d in self.all() if d.status is not S.DELETED}

    def states(self) -> dict[str, str]:
        """Statuses by path."""
        return {os.fsdecode(d.path): d.status.value for d in self.all()}

    def missing(self) -> set[str]:
        """What is missing and not deleted."""
        with self.database.read() as connection:
            found = changes.missing(connection, self.source.id)
            return {os.fsdecode(document.path) for document in found}

    def status(self) -> SourceStatus:
        """Of the source."""
        with self.database.read() as connection:
            return next(s.status for s in sources.all_sources(connection) if s.id == self.source.id)


@pytest.fixture
def disk(database: Database, source: Callable[..., WatchedSource]) -> Disk:
    """An empty source."""
    return Disk(database, source())


def counts(findings: Findings) -> dict[str, int]:
    """What is not zero."""
    names = ("seen", "new", "changed", "moved", "deleted", "held")
    return {name: getattr(findings, name) for name in names if getattr(findings, name)}


def test_new_files_are_recorded(disk: Disk) -> None:
    """A first scan finds every file, also one whose name is not UTF-8, and records the run."""
    disk.write("a.md", "sub/b.md", "sub/deep/c.md")
    odd = os.path.join(disk.source.root, b"\xff\xfe.md")
    Path(os.fsdecode(odd)).write_text("odd")
    assert counts(disk.scan()) == {"seen": 4, "new": 4}
    assert Counter(disk.states().values()) == {"pending": 4}
    assert b"\xff\xfe.md" in {document.path for document in disk.all()}
    with disk.database.read() as connection:
        (run,) = runs.last(connection)
    assert (run.kind, run.outcome, run.counts["new"]) == ("reconcile", "done", 4)


def test_a_second_scan_finds_nothing(disk: Disk) -> None:
    """Nothing changed, nothing is recorded."""
    disk.settled("a.md", "sub/b.md")
    assert counts(disk.scan()) == {"seen": 2}
    assert set(disk.states().values()) == {"indexed"}


def test_a_changed_file_is_pending(disk: Disk) -> None:
    """Only the changed one is taken up again, and a scan is not a person: its priority is low."""
    disk.settled("a.md", "b.md")
    disk.write("a.md", text="new text")
    assert counts(disk.scan()) == {"seen": 2, "changed": 1}
    assert disk.states() == {"a.md": "pending", "b.md": "indexed"}


def test_ctime_catches_an_edit_whose_size_and_mtime_were_put_back(disk: Disk) -> None:
    """The cheap key is not fooled by a tool that restores the times."""
    disk.settled("a.md")
    before = (disk.root / "a.md").stat()
    disk.write("a.md", text="A.md")
    os.utime(disk.root / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (disk.root / "a.md").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    if after.st_ctime_ns == before.st_ctime_ns:
        pytest.skip("both within one tick of the clock")
    assert counts(disk.scan()) == {"seen": 1, "changed": 1}


def test_a_moved_file_keeps_its_document(disk: Disk) -> None:
    """A rename is found by device and inode: same id, to be relabelled, nothing deleted."""
    ids = disk.settled("a.md", "b.md")
    (disk.root / "sub").mkdir()
    (disk.root / "a.md").rename(disk.root / "sub/z.md")
    assert counts(disk.scan()) == {"seen": 2, "moved": 1}
    assert disk.ids() == {"sub/z.md": ids["a.md"], "b.md": ids["b.md"]}
    (moved,) = [document for document in disk.all() if document.relabel]
    assert (moved.status, moved.missing_since) == (S.PENDING, None)
    assert moved.digest is not None


@pytest.mark.parametrize("batch", [1, 2_000])
def test_a_moved_directory_keeps_its_documents(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Every file below keeps its id, in whatever order and batches the scan comes to them."""
    monkeypatch.setattr(reconcile, "BATCH_FILES", batch)
    before = disk.settled("m/a.md", "m/deep/b.md", "m/deep/c.md", "x.md")
    for old, new in (("m", "z"), ("z", "a"), ("a", "sub")):
        (disk.root / old).rename(disk.root / new)
        assert counts(disk.scan()) == {"seen": 4, "moved": 3}
        expected = {path.replace("m/", f"{new}/", 1): key for path, key in before.items()}
        assert disk.ids() == expected
        disk.index()


def test_a_rename_over_another_file(disk: Disk) -> None:
    """The path keeps its document and is read again; the old name is gone."""
    ids = disk.settled("a.md", "b.md", "c.md")
    (disk.root / "a.md").rename(disk.root / "b.md")
    assert counts(disk.scan()) == {"seen": 2, "changed": 1, "deleted": 1}
    assert disk.ids() == {"b.md": ids["b.md"], "c.md": ids["c.md"]}


def test_a_chain_of_renames_is_whole_after_one_scan(disk: Disk) -> None:
    """Rotated files: whatever moved where, each path on disk has a document afterwards."""
    disk.settled("log", "log.1", "log.2")
    for old, new in (("log.2", "log.3"), ("log.1", "log.2"), ("log", "log.1")):
        (disk.root / old).rename(disk.root / new)
    disk.write("log", text="fresh")
    disk.scan()
    assert set(disk.ids()) == {"log", "log.1", "log.2", "log.3"}
    disk.index()
    assert_in_line(disk)


def test_two_files_that_swap_names_are_both_read(disk: Disk) -> None:
    """Neither document moves; both are read again."""
    ids = disk.settled("a.md", "b.md")
    for old, new in (("a.md", "t"), ("b.md", "a.md"), ("t", "b.md")):
        (disk.root / old).rename(disk.root / new)
    assert counts(disk.scan()) == {"seen": 2, "changed": 2}
    assert disk.ids() == ids


def test_an_inode_that_serves_another_file_is_no_move(disk: Disk) -> None:
    """A file that got the inode of a deleted one is new; the deleted one is deleted."""
    ids = disk.settled("a.md", "b.md")
    (disk.root / "a.md").rename(disk.root / "c.md")
    disk.write("c.md", text="same inode, other file")
    assert counts(disk.scan()) == {"seen": 2, "new": 1, "deleted": 1}
    assert set(disk.ids()) == {"b.md", "c.md"}
    assert disk.ids()["c.md"] != ids["a.md"]


def test_a_copy_is_a_new_document(disk: Disk) -> None:
    """A copy has a document of its own; the original is left alone."""
    ids = disk.settled("a.md")
    shutil.copy2(disk.root / "a.md", disk.root / "b.md")
    assert counts(disk.scan()) == {"seen": 2, "new": 1}
    assert disk.ids()["a.md"] == ids["a.md"]
    assert disk.states() == {"a.md": "indexed", "b.md": "pending"}


def test_hard_links_are_two_documents(disk: Disk) -> None:
    """A second name of a file does not take the document from the first."""
    ids = disk.settled("a.md")
    (disk.root / "b.md").hardlink_to(disk.root / "a.md")
    disk.scan()
    assert set(disk.ids()) == {"a.md", "b.md"}
    assert disk.ids()["a.md"] == ids["a.md"]
    disk.index()
    assert counts(disk.scan()) == {"seen": 2}


def test_a_link_to_a_moved_file_keeps_its_own_document(disk: Disk) -> None:
    """A link has the fingerprint of its target, but is not the file that moved."""
    disk.write("x.md", "y.md")
    (disk.root / "a.md").symlink_to("x.md")
    ids = disk.settled()
    (disk.root / "x.md").rename(disk.root / "z.md")
    (disk.root / "a.md").unlink()
    (disk.root / "a.md").symlink_to("z.md")
    disk.scan()
    assert disk.ids() == {"a.md": ids["a.md"], "y.md": ids["y.md"], "z.md": ids["x.md"]}


def test_a_file_replaced_by_a_directory_and_back(disk: Disk) -> None:
    """The document of the file goes, those below come; and the other way round."""
    disk.settled("a", "other")
    (disk.root / "a").unlink()
    disk.write("a/b", "a/c")
    assert counts(disk.scan()) == {"seen": 3, "new": 2, "deleted": 1}
    assert disk.states() == {"a": "deleted", "a/b": "pending", "a/c": "pending", "other": "indexed"}
    disk.index()
    assert counts(disk.scan()) == {"seen": 3}
    shutil.rmtree(disk.root / "a")
    disk.write("a", text="a file again")
    assert counts(disk.scan()) == {"seen": 2, "new": 1, "deleted": 2}
    assert set(disk.ids()) == {"a", "other"}


def test_a_file_that_became_a_directory_is_seen_by_a_look(disk: Disk) -> None:
    """The same after an event for the path."""
    disk.settled("a", "other")
    (disk.root / "a").unlink()
    disk.write("a/b")
    disk.look("a")
    assert set(disk.ids()) == {"a/b", "other"}
    disk.index()
    shutil.rmtree(disk.root / "a")
    disk.write("a")
    disk.look("a")
    assert set(disk.ids()) == {"a", "other"}


def test_a_file_moved_into_a_directory_of_its_own_name(disk: Disk) -> None:
    """The place of the old file is taken by a directory: still a move."""
    ids = disk.settled("a", "other")
    (disk.root / "a").rename(disk.root / "t")
    (disk.root / "a").mkdir()
    (disk.root / "t").rename(disk.root / "a/a")
    assert counts(disk.scan()) == {"seen": 2, "moved": 1}
    assert disk.ids() == {"a/a": ids["a"], "other": ids["other"]}


def test_a_deleted_file_becomes_a_tombstone_and_may_come_back(disk: Disk) -> None:
    """The tombstone is due; a file that comes back before it is done keeps its document."""
    ids = disk.settled("a.md", "b.md")
    (disk.root / "a.md").unlink()
    assert counts(disk.scan()) == {"seen": 1, "deleted": 1}
    assert disk.states() == {"a.md": "deleted", "b.md": "indexed"}
    assert counts(disk.scan()) == {"seen": 1}
    disk.write("a.md")
    assert counts(disk.scan()) == {"seen": 2, "changed": 1}
    assert disk.ids() == ids


def many(disk: Disk, number: int) -> list[str]:
    """Indexed files."""
    names = [f"d{n % 4}/{n:03}.md" for n in range(number)]
    disk.settled(*names)
    return names


def test_a_mass_deletion_is_held(disk: Disk) -> None:
    """More than 20 % and more than 20 gone at once: nothing is deleted, and the source says so."""
    names = many(disk, 60)
    for name in names[:21]:
        (disk.root / name).unlink()
    assert counts(disk.scan()) == {"seen": 39, "held": 21}
    assert disk.status() is SourceStatus.HELD
    assert set(disk.states().values()) == {"indexed"}
    assert disk.missing() == set(names[:21])
    assert counts(disk.scan()) == {"seen": 39, "held": 21}


def test_a_held_source_goes_on(disk: Disk) -> None:
    """New and changed files of a held source are taken up."""
    names = many(disk, 60)
    for name in names[:30]:
        (disk.root / name).unlink()
    disk.scan()
    disk.write("new.md")
    disk.write(names[50], text="other")
    assert counts(disk.look("new.md", names[50])) == {
        "seen": 2,
        "new": 1,
        "changed": 1,
        "held": 30,
    }
    assert disk.status() is SourceStatus.HELD


def test_held_deletions_are_released_by_a_person(disk: Disk) -> None:
    """Accepting lets them through, once; the source is online again."""
    names = many(disk, 60)
    for name in names[:30]:
        (disk.root / name).unlink()
    disk.scan()
    assert counts(disk.scan(accept_deletes=True)) == {"seen": 30, "deleted": 30}
    assert disk.status() is SourceStatus.ONLINE
    disk.index()
    assert set(disk.ids()) == set(names[30:])


def test_held_deletions_are_released_by_the_files_return(disk: Disk) -> None:
    """What comes back is no longer missing, and was never deleted."""
    names = many(disk, 60)
    shutil.move(disk.root, f"{disk.root}.away")
    shutil.copytree(f"{disk.root}.away", disk.root)
    for name in names[:30]:
        (disk.root / name).unlink()
    disk.scan()
    disk.write(*names[:30])
    assert disk.scan().deleted == 0
    assert (disk.status(), disk.missing()) == (SourceStatus.ONLINE, set())
    assert set(disk.ids()) == set(names)


@pytest.mark.parametrize("what", ["missing", "empty", "file", "unreadable", "device"])
def test_a_root_that_cannot_be_believed_deletes_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Gone, empty, replaced, unreadable or another device: offline, and back without a loss."""
    ids = disk.settled("a.md", "sub/b.md")
    away = disk.root.with_name("away")
    with monkeypatch.context() as patch:
        if what == "device":
            (disk.root / "a.md").rename(away)
            with disk.database.write() as connection:
                sources.record_scan(connection, disk.source.id, device=-1, nonempty=True, at=0.0)
        elif what == "unreadable":
            deny(patch, disk.root)
        else:
            disk.root.rename(away)
            if what == "empty":
                disk.root.mkdir()
            elif what == "file":
                disk.root.write_text("not a folder")
        for _ in range(2):
            assert disk.scan().deleted == 0
            assert disk.look("a.md", "sub", "sub/b.md").deleted == 0
            assert disk.status() is SourceStatus.OFFLINE
            assert disk.ids() == ids
    if what == "device":
        away.rename(disk.root / "a.md")
    elif what != "unreadable":
        shutil.rmtree(disk.root) if disk.root.is_dir() else disk.root.unlink(missing_ok=True)
        away.rename(disk.root)
    disk.scan()
    assert disk.status() is SourceStatus.ONLINE
    assert (disk.ids(), disk.missing()) == (ids, set())


def deny(monkeypatch: pytest.MonkeyPatch, *directories: Path) -> None:
    """Let nobody list these directories: permissions do not bind the root user."""
    denied = {os.fsencode(directory) for directory in directories}
    scandir = os.scandir

    def denying(path: Any = ".") -> Any:
        if path in denied:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denying)


def test_an_unreadable_directory_keeps_its_tree(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be listed is not gone, neither right in it nor below; what is beside it is."""
    ids = disk.settled("a.md", "no/b.md", "no/deep/er/c.md", "no-b.md", "yes/d.md")
    (disk.root / "no-b.md").unlink()
    (disk.root / "yes/d.md").unlink()
    with monkeypatch.context() as patch:
        deny(patch, disk.root / "no")
        assert counts(disk.scan()) == {"seen": 1, "deleted": 2}
        assert disk.look("no", "no/deep").deleted == 0
    assert set(disk.ids()) == {"a.md", "no/b.md", "no/deep/er/c.md"}
    assert disk.missing() == set()
    assert counts(disk.scan()) == {"seen": 3}
    assert set(ids.items()) >= set(disk.ids().items())


def test_many_unreadable_directories_cost_no_more_than_their_number(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every unreadable directory keeps its own tree, and a look up is as deep as a path."""
    names = [f"{n}/x/{m}.md" for n in range(30) for m in range(2)]
    disk.settled(*names, "a.md")
    shutil.rmtree(disk.root / "7")
    with monkeypatch.context() as patch:
        deny(patch, *(disk.root / f"{n}" for n in range(30) if n != 7))
        assert counts(disk.scan()) == {"seen": 1, "deleted": 2}


def test_a_new_rule_takes_its_files_out(disk: Disk) -> None:
    """Files that an .ingestignore rules out become tombstones; without it they come back."""
    ids = disk.settled("a.md", "drafts/b.md", "drafts/c.md")
    (disk.root / ".ingestignore").write_text("drafts/\n")
    assert counts(disk.scan()) == {"seen": 1, "deleted": 2}
    assert set(disk.ids()) == {"a.md"}
    (disk.root / ".ingestignore").unlink()
    assert counts(disk.scan()) == {"seen": 3, "changed": 2}
    assert disk.ids() == ids


def test_a_look_records_what_is_at_its_paths(disk: Disk) -> None:
    """After events: new, changed and gone files, with the priority of what a person just did."""
    disk.settled("old.md", "gone.md", "same.md")
    disk.write("new.md")
    disk.write("old.md", text="edited")
    (disk.root / "gone.md").unlink()
    found = disk.look("new.md", "old.md", "gone.md", "same.md", "never.md")
    assert counts(found) == {"seen": 3, "new": 1, "changed": 1, "deleted": 1}
    due = {document.path: document.priority for document in disk.all() if document.priority}
    assert due == dict.fromkeys((b"new.md", b"old.md", b"gone.md"), changes.INTERACTIVE)


def test_a_crowd_of_new_files_is_nobodys_save(disk: Disk) -> None:
    """What is copied into a source in thousands waits; what is saved meanwhile does not."""
    disk.settled("old.md")
    disk.write(*(f"d/{number}.md" for number in range(CROWD + 1)))
    disk.look("d")
    assert {document.priority for document in disk.all()} == {0}
    disk.write("new.md")
    disk.write("old.md", text="edited")
    disk.look("new.md", "old.md")
    urgent = {document.path for document in disk.all() if document.priority > 0}
    assert urgent == {b"new.md", b"old.md"}


def test_a_crowd_may_come_one_by_one(disk: Disk) -> None:
    """So many new files are urgent together, and no more; an edit always is."""
    disk.settled("old.md")
    names = [f"{number}.md" for number in range(CROWD + 9)]
    disk.write(*names)
    disk.look(*names)
    urgent = [document for document in disk.all() if document.priority > 0]
    assert len(urgent) == CROWD
    disk.write("old.md", text="edited")
    disk.write("late.md")
    disk.look("old.md", "late.md")
    assert {document.path for document in disk.all() if document.priority > 0} == {
        b"old.md",
        *(document.path for document in urgent),
    }
    disk.index()
    disk.write("new.md")
    disk.look("new.md")
    assert [document.path for document in disk.all() if document.priority > 0] == [b"new.md"]


def test_a_look_at_a_deleted_directory_takes_its_tree(disk: Disk) -> None:
    """One event for a directory stands for everything that was below it, and nothing beside it."""
    disk.settled("d/a.md", "d/e/b.md", "d.md", "d-b.md", "d0/c.md")
    shutil.rmtree(disk.root / "d")
    assert counts(disk.look("d")) == {"deleted": 2}
    assert set(disk.ids()) == {"d.md", "d-b.md", "d0/c.md"}


def test_a_look_at_a_new_directory_takes_its_tree(disk: Disk) -> None:
    """A directory that appeared is walked; one that lost a file inside is compared."""
    disk.settled("a.md")
    disk.write("d/a.md", "d/e/b.md")
    assert counts(disk.look("d")) == {"seen": 2, "new": 2}
    disk.index()
    (disk.root / "d/e/b.md").unlink()
    assert counts(disk.look("d")) == {"seen": 1, "deleted": 1}


def test_a_look_at_both_ends_of_a_move(disk: Disk) -> None:
    """In either order of the events, the document moves."""
    for first, second, order in (("a", "b", 1), ("b", "c", -1)):
        ids = disk.settled() if disk.ids() else disk.settled("a", "other")
        (disk.root / first).rename(disk.root / second)
        disk.look(*(first, second)[::order])
        assert disk.ids() == {second: ids[first], "other": ids["other"]}
        disk.index()


def test_a_look_at_something_that_is_no_file(disk: Disk) -> None:
    """A file replaced by a pipe, or by a link out of the root, is gone for us."""
    disk.settled("a", "b", "c")
    (disk.root / "a").unlink()
    os.mkfifo(disk.root / "a")
    (disk.root / "b").unlink()
    (disk.root / "b").symlink_to("/etc/hostname")
    assert counts(disk.look("a", "b")) == {"deleted": 2}
    assert set(disk.ids()) == {"c"}


def test_a_partial_scan_stays_in_its_tree(disk: Disk) -> None:
    """Reconciling a path says nothing about the rest, and is no complete scan."""
    disk.settled("d/a.md", "e/b.md")
    (disk.root / "d/a.md").unlink()
    (disk.root / "e/b.md").unlink()
    disk.write("d/new.md")
    with disk.database.read() as connection:
        before = len(runs.last(connection))
    assert counts(disk.scan(path=b"d")) == {"seen": 1, "new": 1, "deleted": 1}
    assert set(disk.ids()) == {"d/new.md", "e/b.md"}
    with disk.database.read() as connection:
        assert len(runs.last(connection)) == before


def during_scan(monkeypatch: pytest.MonkeyPatch, act: Callable[[bytes | None], None]) -> None:
    """Have something happen after each directory that a scan lists, and at its end (None)."""
    scan = reconcile.scan

    def busy(root: bytes, rules: Any, *, below: bytes = b"") -> Iterator[Listing]:
        if below:
            yield from scan(root, rules, below=below)
            return
        for listing in scan(root, rules):
            yield listing
            act(listing.directory)
        act(None)

    monkeypatch.setattr(reconcile, "scan", busy)


def test_a_file_that_appears_while_a_scan_runs_is_never_buried(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was gone when its directory was listed, and is back before the scan ends."""
    ids = disk.settled("a/x.md", "b/y.md")
    (disk.root / "a/x.md").unlink()
    during_scan(monkeypatch, lambda at: disk.write("a/x.md") if at is None else None)
    assert disk.scan().deleted == 0
    assert disk.ids() == ids
    assert disk.missing() == set()


def test_a_file_that_moves_behind_the_scan_keeps_its_document(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left a directory before that was listed, for one that was: a second scan finds it."""
    ids = disk.settled("a/x.md", "b/y.md")

    def move(at: bytes | None) -> None:
        if at == b"a":
            (disk.root / "b/y.md").rename(disk.root / "a/y.md")

    with monkeypatch.context() as patch:
        during_scan(patch, move)
        disk.scan()
    disk.scan()
    assert disk.ids() == {"a/x.md": ids["a/x.md"], "a/y.md": ids["b/y.md"]}


def test_a_root_that_goes_away_while_a_scan_runs_deletes_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not found because the root is gone is not gone."""
    ids = disk.settled("a/x.md", "b/y.md", "c/z.md")

    def unmount(at: bytes | None) -> None:
        if at == b"a":
            disk.root.rename(disk.root.with_name("away"))

    during_scan(monkeypatch, unmount)
    assert disk.scan().deleted == 0
    assert disk.ids() == ids
    assert disk.status() is SourceStatus.OFFLINE


def test_a_look_while_a_scan_runs_does_not_let_a_wipe_through(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan marks what is missing bit by bit; only its end knows how much it is."""
    names = many(disk, 80)
    for name in names[:60]:
        (disk.root / name).unlink()
    monkeypatch.setattr(reconcile, "BATCH_FILES", 1)
    during_scan(monkeypatch, lambda _: disk.look(names[79]) and None)
    assert counts(disk.scan())["held"] == 60
    assert disk.status() is SourceStatus.HELD
    assert set(disk.ids()) == set(names)


def test_two_may_find_the_same_new_file(disk: Disk) -> None:
    """An event and a scan that find a file at the same moment make one document of it."""

    class Slow(Reconciler):
        """Writes down what it found after somebody else did."""

        def _apply(self, *arguments: Any, **options: Any) -> None:
            disk.look("a.md", "sub/b.md")
            super()._apply(*arguments, **options)

    disk.write("a.md", "sub/b.md", "c.md")
    found = Slow(disk.database).reconcile(disk.source)
    assert set(disk.ids()) == {"a.md", "sub/b.md", "c.md"}
    assert found.new == 1


def test_a_large_directory_is_recorded_in_parts(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction grows with a directory: not when it comes, changes, or goes."""
    monkeypatch.setattr(reconcile, "BATCH_FILES", 3)
    largest = 0

    def counted(name: str, place: int) -> None:
        real = getattr(changes, name)

        def count(*arguments: Any, **options: Any) -> Any:
            nonlocal largest
            largest = max(largest, len(arguments[place]))
            return real(*arguments, **options)

        monkeypatch.setattr(changes, name, count)

    counted("mark_missing", 1)
    counted("mark_changed", 1)
    counted("mark_found", 1)
    ids = disk.settled(*(f"sub/{n}.md" for n in range(10)), "x.md")
    (disk.root / "sub").rename(disk.root.with_name("away"))
    assert counts(disk.scan()) == {"seen": 1, "deleted": 10}
    disk.root.with_name("away").rename(disk.root / "sub")
    assert counts(disk.scan()) == {"seen": 11, "changed": 10}
    assert disk.ids() == ids
    disk.index()
    disk.write(*(f"sub/{n}.md" for n in range(10)), text="another")
    assert counts(disk.scan()) == {"seen": 11, "changed": 10}
    disk.index()
    for number in range(9):
        (disk.root / f"sub/{number}.md").unlink()
    assert counts(disk.scan()) == {"seen": 2, "deleted": 9}
    assert largest == 3


def test_a_directory_of_more_files_than_a_statement_takes(disk: Disk) -> None:
    """A flat directory with 40,000 files can change as a whole, as after a restore."""
    listing = [(b"%05d" % n, Fingerprint(1, n, 3, 4, 5)) for n in range(40_000)]
    apply = disk.reconciler._apply  # noqa: SLF001 - the files would take longer than the test
    rows = [
        {
            "id": f"{n:05}",
            "source_id": disk.source.id,
            "path": name,
            "directory": b"",
            "status": "indexed",
            "changed_at": 0.0,
        }
        for n, (name, _) in enumerate(listing)
    ]
    with disk.database.write() as connection:
        connection.execute(table.insert(), rows)
    with disk.database.read() as connection:
        known = documents.known_in(connection, disk.source.id, b"")
    found = reconcile.compare(Listing(b"", listing), known)
    assert len(found.changed) == 40_000
    apply(disk.source, found, Findings(), 0)
    with disk.database.read() as connection:
        assert documents.counts(connection)["pending"] == 40_000


def put_on(disk: Disk, device: int, *paths: str) -> None:
    """Let the table say that these files were on another file system."""
    with disk.database.write() as connection:
        where = table.c.path.in_([os.fsencode(path) for path in paths])
        connection.execute(update(table).where(where).values(device=device))


def test_what_was_on_a_file_system_that_is_away_waits(disk: Disk) -> None:
    """It is held, whatever else is deleted meanwhile, and found again when it is back."""
    ids = disk.settled("a.md", "b.md", "c.md", "disk/x.md", "disk/sub/y.md")
    put_on(disk, 4_711, "disk/x.md", "disk/sub/y.md")
    (disk.root / "disk").rename(disk.root.with_name("unmounted"))
    (disk.root / "disk").mkdir()
    (disk.root / "a.md").unlink()
    assert counts(disk.scan()) == {"seen": 2, "deleted": 1, "held": 2}
    assert disk.status() is SourceStatus.HELD
    assert counts(disk.look("disk", "disk/x.md")) == {"held": 2}
    (disk.root / "b.md").unlink()
    assert counts(disk.look("b.md")) == {"deleted": 1, "held": 2}
    assert set(disk.ids()) == {"c.md", "disk/x.md", "disk/sub/y.md"}
    (disk.root / "disk").rmdir()
    disk.root.with_name("unmounted").rename(disk.root / "disk")
    assert disk.scan().held == 0
    assert (disk.status(), disk.missing()) == (SourceStatus.ONLINE, set())
    assert set(disk.ids().items()) < set(ids.items())


def test_what_was_on_a_file_system_that_is_away_may_be_let_go(disk: Disk) -> None:
    """A person says that it will not come back."""
    disk.settled("a.md", "disk/x.md")
    put_on(disk, 4_711, "disk/x.md")
    shutil.rmtree(disk.root / "disk")
    assert counts(disk.scan()) == {"seen": 1, "held": 1}
    assert counts(disk.scan(accept_deletes=True)) == {"seen": 1, "deleted": 1}
    assert disk.status() is SourceStatus.ONLINE


def test_more_than_can_be_listed_on_a_file_system_that_is_away(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing of the source is deleted until it is back."""
    monkeypatch.setattr("ingestd.deletions.AWAY_LISTED", 2)
    names = [f"disk/{number}.md" for number in range(5)]
    disk.settled("a.md", "b.md", *names)
    put_on(disk, 4_711, *names)
    shutil.rmtree(disk.root / "disk")
    (disk.root / "a.md").unlink()
    assert counts(disk.scan()) == {"seen": 1, "held": 6}
    assert disk.status() is SourceStatus.HELD
    assert counts(disk.look("a.md")) == {"held": 6}


def test_the_rest_of_a_source_is_judged_without_what_is_away(disk: Disk) -> None:
    """Many documents on a file system that is away are no reason to hold one deletion elsewhere."""
    away = [f"disk/{number}.md" for number in range(30)]
    disk.settled(*away, *(f"{number}.md" for number in range(30)))
    put_on(disk, 4_711, *away)
    shutil.rmtree(disk.root / "disk")
    (disk.root / "0.md").unlink()
    assert counts(disk.scan()) == {"seen": 29, "deleted": 1, "held": 30}
    for number in range(1, 25):
        (disk.root / f"{number}.md").unlink()
    assert counts(disk.scan()) == {"seen": 5, "held": 54}


def test_more_that_goes_missing_while_it_is_judged_is_judged_too(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that marks files between the count and the tombstones slips nothing past the guard."""
    names = many(disk, 60)
    (disk.root / names[0]).unlink()
    clear = disk.reconciler._deletions._clear_found  # noqa: SLF001 - to come in between
    calls: list[int] = []

    def busy(*arguments: Any) -> None:
        clear(*arguments)
        if not calls:
            calls.append(1)
            for name in names[1:40]:
                (disk.root / name).unlink()
            disk.reconciler.note(disk.source, [os.fsencode(name) for name in names[1:40]])

    monkeypatch.setattr(disk.reconciler._deletions, "_clear_found", busy)  # noqa: SLF001 - the same
    assert counts(disk.scan())["held"] == 40
    assert "deleted" not in disk.states().values()


def test_a_source_that_was_detached_meanwhile_loses_nothing(disk: Disk) -> None:
    """It is left as it is, whatever a scan that began before finds."""
    disk.settled("a.md", "b.md")
    (disk.root / "a.md").unlink()
    with disk.database.write() as connection:
        sources.detach_others(connection, [])
    assert disk.scan().deleted == 0
    assert disk.status() is SourceStatus.DETACHED
    assert set(disk.states().values()) == {"indexed"}


def test_a_scan_that_is_interrupted_decides_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop ends a long scan early; what it did not come to is not taken for gone."""
    disk.settled("a/x.md", "b/y.md", "c/z.md")
    shutil.rmtree(disk.root / "a")
    monkeypatch.setattr(reconcile, "BATCH_FILES", 1)
    during_scan(monkeypatch, lambda at: disk.reconciler.interrupt() if at == b"b" else None)
    assert counts(disk.scan()).get("deleted", 0) == 0
    assert set(disk.states().values()) == {"indexed"}


def test_an_input_output_error_keeps_its_tree(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that breaks off in the middle says nothing about the names that did not come."""
    ids = disk.settled("a.md", "d/b.md", "d/c.md", "d/sub/e.md")
    scandir = os.scandir

    class Broken:
        """Gives one entry, then the disk fails."""

        def __init__(self, path: Any) -> None:
            self._entries = scandir(path)

        def __enter__(self) -> Any:
            yielded = next(iter(self._entries))

            def entries() -> Iterator[Any]:
                yield yielded
                raise OSError(5, "Input/output error")

            return entries()

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    broken = disk.source.root + b"/d"
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda p=".": Broken(p) if p == broken else scandir(p))
        assert counts(disk.scan()) == {"seen": 1}
        assert disk.look("d").deleted == 0
    assert (disk.ids(), disk.missing()) == (ids, set())


def test_a_source_sees_only_its_own(
    disk: Disk, database: Database, source: Callable[..., WatchedSource]
) -> None:
    """Two sources with equal paths, also one that lies on the same files, do not meet."""
    disk.settled("a.md", "b.md")
    twin = Disk(database, source("twin"))
    twin.settled("a.md")
    again = Disk(database, replace(source("again"), root=disk.source.root))
    again.scan()
    (disk.root / "a.md").unlink()
    disk.scan()
    by_source = Counter(d.source_id for d in disk.all() if d.status is not S.DELETED)
    assert by_source == {disk.source.id: 1, twin.source.id: 1, again.source.id: 2}


def assert_in_line(disk: Disk) -> None:
    """The table says exactly what is on disk: every file, no other, each as it is now."""
    on_disk = {
        str(path.relative_to(disk.root)): hashlib.sha256(path.read_bytes()).digest()
        for path in disk.root.rglob("*")
        if path.is_file()
    }
    in_table = {os.fsdecode(d.path): d.digest for d in disk.all() if d.status is not S.DELETED}
    assert in_table == on_disk
    assert disk.missing() == set()


class Chaos:
    """Does something to the files below a root, at random; the sizes of files never repeat."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._random = random.Random(seed)
        self._written = 0

    def act(self) -> list[str]:
        """Do one thing; the paths that it touched."""
        choices = (self.write, self.write, self.rename, self.rename, self.remove, self.link)
        return self._random.choice(choices)()

    def act_some(self) -> None:
        """Do a few things."""
        for _ in range(self._random.randint(1, 4)):
            self.act()

    def write(self) -> list[str]:
        """Write a file, over whatever is there."""
        path = self._free(self._name())
        self._written += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * self._written)
        return self._below(path)

    def rename(self) -> list[str]:
        """Move a file or directory, over whatever is there."""
        old, new = self._some(), self._name()
        if old is None or old == new or old in new.parents or new in old.parents:
            return []
        self._free(new)
        if not old.exists():
            return []
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
        return [*self._below(old), *self._below(new)]

    def remove(self) -> list[str]:
        """Remove a file or directory."""
        path = self._some()
        if path is None:
            return []
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return self._below(path)

    def link(self) -> list[str]:
        """Give a file a second name."""
        old, new = self._some(), self._name()
        if old is None or not old.is_file() or new.exists() or not new.parent.is_dir():
            return []
        new.hardlink_to(old)
        return self._below(new)

    def _name(self) -> Path:
        depth = self._random.randint(1, 3)
        return self._root.joinpath(*(self._random.choice("abc") for _ in range(depth)))

    def _some(self) -> Path | None:
        found = sorted(path for path in self._root.rglob("*") if path.name != "anchor")
        return self._random.choice(found) if found else None

    def _free(self, path: Path) -> Path:
        """Remove what stands in the way of a file at this path."""
        for parent in path.parents:
            if parent.is_file():
                parent.unlink()
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def _below(self, path: Path) -> list[str]:
        """The path, and those above it that may have been files: what events would name."""
        relative = path.relative_to(self._root)
        return [str(p) for p in (relative, *relative.parents) if str(p) != "."]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_one_scan_finds_it(disk: Disk, seed: int) -> None:
    """After any writes, renames, links and removals, one scan and one drain are in line."""
    disk.write("anchor", text="anchor")
    chaos = Chaos(disk.root, seed)
    for _ in range(15):
        chaos.act_some()
        disk.scan()
        disk.index()
        assert_in_line(disk)


@pytest.mark.parametrize("seed", range(100, 108))
def test_whatever_happens_looks_at_its_paths_find_it(disk: Disk, seed: int) -> None:
    """After any of these, looking at the paths that were touched is as good as a scan."""
    disk.write("anchor", text="anchor")
    disk.scan()
    chaos = Chaos(disk.root, seed)
    for _ in range(30):
        touched: Sequence[str] = chaos.act()
        disk.look(*touched)
        disk.index()
        assert_in_line(disk)

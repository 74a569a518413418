"""What ``why`` says about a path, from the table, the rules and the disk."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import verdict
from ingestd.reconcile import Reconciler
from ingestd.roots import known_sources, rules_of
from ingestd_state import documents, migrate, sources
from ingestd_state.engine import Database
from ingestd_state.sources import Source
from ingestd_state.status import DocumentStatus, SourceStatus

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd_state.documents import Document


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A source with one excluded folder."""
    (tmp_path / "docs").mkdir()
    rules = json.dumps({"include": [], "exclude": ["drafts/"], "defaults": True})
    root = os.fsencode(tmp_path / "docs")
    return Source(1, "docs", root, "c", SourceStatus.ONLINE, "", rules, None, True, None)


def about(source: Source, path: bytes) -> verdict.Verdict:
    """The verdict about a path that the table does not have."""
    return verdict.of_path(path, source, rules_of(source), running=True)


def test_a_new_file_is_unseen(source: Source, tmp_path: Path) -> None:
    """What would be taken but is not known yet waits for the next look."""
    (tmp_path / "docs" / "a.md").touch()
    assert about(source, b"a.md").state == "unseen"
    assert "daemon" in about(source, b"a.md").next


def test_an_excluded_file_names_its_rule(source: Source, tmp_path: Path) -> None:
    """The pattern that leaves a file out is told, with where it stands."""
    (tmp_path / "docs" / "drafts").mkdir()
    (tmp_path / "docs" / "drafts" / "a.md").touch()
    (tmp_path / "docs" / "id_rsa").touch()
    found = about(source, b"drafts/a.md")
    assert (found.state, found.rule) == ("excluded", "drafts/ (exclude)")
    found = about(source, b"id_rsa")
    assert (found.state, found.rule) == ("unseen", "id_rsa (built-in)")
    assert "credentials" in found.reason


def test_links_say_where_they_lead(source: Source, tmp_path: Path) -> None:
    """Each kind of link that is not taken has its own reason."""
    docs = tmp_path / "docs"
    (docs / "real").mkdir()
    (docs / "real" / "a.md").touch()
    (docs / ".env").touch()
    (tmp_path / "outside.md").touch()
    for name, target in {
        "folder": "real",
        "out": "../outside.md",
        "nowhere": "missing",
        "secret.md": ".env",
        "good.md": "real/a.md",
    }.items():
        (docs / name).symlink_to(target)
    assert "link to a folder" in about(source, b"folder").reason
    assert "link to a folder" in about(source, b"folder/a.md").reason
    assert "out of the source" in about(source, b"out").reason
    assert "nowhere" in about(source, b"nowhere").reason
    assert ".env" in about(source, b"secret.md").reason
    assert about(source, b"good.md").state == "unseen"


def test_what_is_no_file(source: Source, tmp_path: Path) -> None:
    """Folders, pipes and sockets are named as what they are."""
    docs = tmp_path / "docs"
    (docs / "sub").mkdir()
    os.mkfifo(docs / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(docs / "sock"))
        assert about(source, b"sock").reason == "a socket, not a file"
    assert about(source, b"sub").state == "folder"
    assert about(source, b"").state == "folder"
    assert about(source, b"pipe").reason == "a pipe, not a file"
    assert about(source, b"missing/a.md").state == "absent"


def test_a_detached_source_takes_nothing(source: Source, tmp_path: Path) -> None:
    """A file of a source that is no longer configured is not promised to be taken."""
    (tmp_path / "docs" / "a.md").touch()
    assert about(replace(source, status=SourceStatus.DETACHED), b"a.md").state == "detached"


@pytest.fixture
def document(tmp_path: Path, source: Source) -> Document:
    """A document as the reconciler records it."""
    (tmp_path / "docs" / "a.md").write_text("text", "utf-8")
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    migrate.upgrade(database)
    with database.write() as connection:
        sources.ensure(connection, source.name, source.path, "c", source.rules)
    Reconciler(database).reconcile(known_sources(database)["docs"])
    with database.read() as connection:
        found = documents.get(connection, 1, b"a.md")
    database.close()
    assert found is not None
    return found


@pytest.mark.parametrize("status", list(DocumentStatus))
def test_every_state_says_what_happens_next(
    source: Source, document: Document, status: DocumentStatus
) -> None:
    """No state leaves a person without an answer, whether a daemon runs or not."""
    for running in (True, False):
        found = verdict.of_document(
            replace(document, status=status),
            source,
            rules_of(source),
            running=running,
            now=document.changed_at,
        )
        assert found.state == status.value
        assert found.next


def test_a_file_that_changed_since_is_told(
    source: Source, document: Document, tmp_path: Path
) -> None:
    """An indexed document whose file is another now is not called up to date."""
    indexed = replace(document, status=DocumentStatus.INDEXED)
    rules = rules_of(source)
    before = verdict.of_document(indexed, source, rules, running=True, now=0)
    (tmp_path / "docs" / "a.md").write_text("longer text", "utf-8")
    after = verdict.of_document(indexed, source, rules, running=True, now=0)
    assert before.next == "nothing, until the file changes"
    assert after.next.startswith("it changed since")


def test_a_missing_extra_is_named(source: Source, document: Document) -> None:
    """Whoever has a file that an extra would read is told how to install it."""
    skipped = replace(document, status=DocumentStatus.SKIPPED, reason="needs ingestd[hwp]: old")
    found = verdict.of_document(skipped, source, rules_of(source), running=True, now=0)
    assert 'pip install "ingestd[hwp]"' in found.next


def test_a_retry_tells_its_time(source: Source, document: Document) -> None:
    """A failed document says when the next try is."""
    failed = replace(document, status=DocumentStatus.FAILED, retry_at=100.0, error_text="no")
    found = verdict.of_document(failed, source, rules_of(source), running=True, now=40.0)
    assert (found.reason, found.next) == ("no", "the next try is in 1 min")


def test_a_held_deletion_is_told(source: Source, document: Document) -> None:
    """A document whose file is missing while its source is away keeps its chunks."""
    away = replace(source, status=SourceStatus.OFFLINE, reason="the folder is not there")
    missing = replace(document, status=DocumentStatus.INDEXED, missing_since=1.0)
    found = verdict.of_document(missing, away, rules_of(away), running=True, now=2.0)
    assert "the folder is not there" in found.next


def test_a_rule_that_came_later_is_told(source: Source, document: Document) -> None:
    """A document that the rules leave out by now is said to go."""
    rules = json.dumps({"include": [], "exclude": ["*.md"], "defaults": True})
    changed = replace(source, rules=rules)
    indexed = replace(document, status=DocumentStatus.INDEXED)
    found = verdict.of_document(indexed, changed, rules_of(changed), running=True, now=0)
    assert found.rule == "*.md (exclude)"
    assert found.next.startswith("the next scan takes it out")


def test_a_path_in_an_excluded_folder_names_the_folder(source: Source, tmp_path: Path) -> None:
    """What lies deep in an excluded folder is told which one, and by which rule of which file."""
    deep = tmp_path / "docs" / "a" / "tmp" / "b"
    deep.mkdir(parents=True)
    (deep / "c.md").touch()
    (tmp_path / "docs" / "a" / ".ingestignore").write_text("# mine\ntmp/\n", "utf-8")
    found = about(source, b"a/tmp/b/c.md")
    assert (found.state, found.rule) == ("excluded", "tmp/ (a/.ingestignore:2)")
    assert "the folder a/tmp is left out" in found.reason


def test_a_file_that_is_too_big_is_told(source: Source, tmp_path: Path) -> None:
    """A file over the limit is told to be skipped before it was ever seen."""
    (tmp_path / "docs" / "big.md").write_text("x" * 2_000, "utf-8")
    found = verdict.of_path(b"big.md", source, rules_of(source), running=True, file_bytes=1_024)
    assert found.state == "unseen"
    assert "2.0 KiB, over 1.0 KiB" in found.reason
    assert found.next == "it will be skipped"


def test_rules_that_cannot_be_read(source: Source, document: Document, tmp_path: Path) -> None:
    """Where a rule file cannot be read, nobody says that a file is ruled out."""
    (tmp_path / "docs" / "new.md").touch()
    (tmp_path / "docs" / ".ingestignore").mkdir()
    assert about(source, b"new.md").state == "unreadable"
    indexed = replace(document, status=DocumentStatus.INDEXED)
    found = verdict.of_document(indexed, source, rules_of(source), running=True, now=0)
    assert "until they can" in found.next


def test_a_source_that_is_away_concludes_nothing(
    source: Source, document: Document, tmp_path: Path
) -> None:
    """Neither a known file nor an unknown one is called gone while the root is not there."""
    (tmp_path / "docs").rename(tmp_path / "elsewhere")
    assert about(source, b"new.md").state == "offline"
    indexed = replace(document, status=DocumentStatus.INDEXED)
    found = verdict.of_document(indexed, source, rules_of(source), running=True, now=0)
    assert "offline (the folder is not there)" in found.next


def test_a_source_that_was_emptied_is_away(source: Source, document: Document) -> None:
    """A root that is there, and not believed, is told as offline with its reason."""
    away = replace(source, status=SourceStatus.OFFLINE, reason="the folder is empty")
    assert "the folder is empty" in about(away, b"b.md").reason
    found = verdict.of_document(document, away, rules_of(away), running=True, now=0)
    assert "the folder is empty" in found.next


def test_a_held_source_names_the_way_out(source: Source, document: Document) -> None:
    """What a hold keeps is told with the command that lets it go."""
    held = replace(source, status=SourceStatus.HELD, reason="30 of 40 documents are gone")
    missing = replace(document, status=DocumentStatus.INDEXED, missing_since=1.0)
    found = verdict.of_document(missing, held, rules_of(held), running=True, now=2.0)
    assert "30 of 40" in found.next
    assert "--accept-deletes docs" in found.next


def test_a_polled_source_is_told(source: Source, tmp_path: Path) -> None:
    """Where no event comes, nobody is promised a look within seconds."""
    (tmp_path / "docs" / "a.md").touch()
    polled = replace(source, watching="polling: a network share")
    assert "next scan of its source (polling: a network share)" in about(polled, b"a.md").next


def test_a_file_that_is_gone_since(source: Source, document: Document, tmp_path: Path) -> None:
    """A document whose file went away before anybody noticed is not called up to date."""
    (tmp_path / "docs" / "a.md").unlink()
    indexed = replace(document, status=DocumentStatus.INDEXED)
    found = verdict.of_document(indexed, source, rules_of(source), running=True, now=0)
    assert found.next.startswith("the file is gone")


def test_the_time_of_the_decision(source: Source, document: Document) -> None:
    """An indexed document tells when it was indexed, another when its change was seen."""
    indexed = replace(document, status=DocumentStatus.INDEXED, indexed_at=7.0, changed_at=3.0)
    dead = replace(indexed, status=DocumentStatus.DEAD)
    rules = rules_of(source)
    assert verdict.of_document(indexed, source, rules, running=True, now=9).at == 7.0
    found = verdict.of_document(dead, source, rules, running=True, now=9)
    assert found.at == 3.0
    assert "ingestd retry" in found.next

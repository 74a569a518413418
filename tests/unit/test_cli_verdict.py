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
    assert about(source, b"id_rsa").reason == "secret"


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

"""The table of allowed transitions, and its picture in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestd_state.status import ALLOWED, DocumentStatus, sources_of

ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
EDGE = re.compile(r"^\s*(\[\*\]|\w+)\s*-->\s*(\[\*\]|\w+)", re.MULTILINE)


def test_every_status_has_its_transitions() -> None:
    """The table covers every status, and names no others."""
    assert set(ALLOWED) == set(DocumentStatus)
    assert set().union(*ALLOWED.values()) <= set(DocumentStatus)


def test_every_status_can_be_reached_from_pending() -> None:
    """No status is an island: each follows from `pending`, where every document begins."""
    reached = {DocumentStatus.PENDING}
    while more := set().union(*(ALLOWED[status] for status in reached)) - reached:
        reached |= more
    assert reached == set(DocumentStatus)


def test_every_document_can_be_taken_up_again_and_deleted() -> None:
    """From each status a change leads back to `pending`, and each but the last may be deleted."""
    others = {status.value for status in DocumentStatus}
    assert set(sources_of(DocumentStatus.PENDING)) == others - {"pending"}
    assert set(sources_of(DocumentStatus.DELETED)) == others - {"deleted"}


def test_sources_of_are_those_that_allow_it() -> None:
    """The states for a WHERE are exactly those whose entry names the target."""
    for target in DocumentStatus:
        expected = {state.value for state in DocumentStatus if target in ALLOWED[state]}
        assert set(sources_of(target)) == expected


@pytest.mark.skipif(not ARCHITECTURE.exists(), reason="no documents in this checkout")
def test_the_diagram_in_the_documents_agrees() -> None:
    """The state diagram shows every allowed transition, and no other."""
    page = ARCHITECTURE.read_text("utf-8")
    diagram = page.partition("stateDiagram")[2].partition("```")[0]
    drawn = {(a, b) for a, b in EDGE.findall(diagram) if "[*]" not in (a, b)}
    allowed = {(a.value, b.value) for a, targets in ALLOWED.items() for b in targets}
    assert drawn == allowed

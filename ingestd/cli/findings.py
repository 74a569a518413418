"""How findings look: a line or two for people, an object for scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from ingestd.paths import text_of
from ingestd.visible import clean, counted

from . import output

if TYPE_CHECKING:
    from ingestd.check.findings import Finding, Summary
    from ingestd.watch.source import WatchedSource

LISTED = 100
REMEDIES = {
    "scan": "scan the source",
    "rewrite": "write the document anew",
    "delete": "delete the slot",
    "fill": "write the collection anew",
    "refill": "fill a new index",
}


class Printer:
    """Prints findings as they come: the first hundred for people, every one for scripts."""

    def __init__(self, sources: dict[str, WatchedSource], *, json: bool) -> None:
        self._sources = sources
        self._json = json
        self._shown = 0

    def pass_on(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        """Print each finding, and give it on."""
        for finding in findings:
            if not finding.implied:
                self._print(finding)
            yield finding

    def _print(self, finding: Finding) -> None:
        if self._json:
            output.emit(as_json(finding, self._file(finding)))
            return
        self._shown += 1
        if self._shown > LISTED:
            return
        where = self._file(finding) or finding.slot or finding.collection
        slot = f", slot {finding.slot}" if finding.slot and where != finding.slot else ""
        label = f"{finding.kind.value:<14}"
        if output.on_terminal():
            label = typer.style(label, fg=typer.colors.RED)
        typer.echo(f"{label} {clean(where + slot)}")
        typer.echo(
            clean(
                f"{'':<14} expected {finding.expected}; found {finding.found}; "
                f"repair: {REMEDIES[finding.remedy.value]}"
            )
        )

    def _file(self, finding: Finding) -> str:
        source = self._sources.get(finding.source)
        if source is None or not finding.path:
            return ""
        return text_of(os.path.join(source.root, finding.path))

    def say_rest(self) -> None:
        """Say how many were not shown."""
        if self._shown > LISTED:
            typer.echo(f"and {self._shown - LISTED:,} more; --json lists all")


def as_json(finding: Finding, file: str) -> dict[str, Any]:
    """A finding as scripts see it."""
    return {
        "type": "finding",
        "kind": finding.kind.value,
        "source": finding.source or None,
        "path": text_of(finding.path) or None,
        "file": file or None,
        "document_id": finding.document_id or None,
        "slot": finding.slot or None,
        "collection": finding.collection or None,
        "expected": finding.expected,
        "found": finding.found,
        "repair": finding.remedy.value,
    }


def summary_json(summary: Summary) -> dict[str, Any]:
    """What was looked at, as scripts see it."""
    return {
        "findings": summary.found.total(),
        "by_kind": {kind.value: number for kind, number in sorted(summary.found.items())},
        "files": summary.files,
        "documents": summary.documents,
        "slots": summary.slots,
        "stored": summary.stored,
        "waiting": summary.waiting,
        "failed": summary.failed,
        "outdated": summary.outdated,
        "uncached": summary.uncached,
        "unread": summary.unread,
        "notes": list(summary.notes),
    }


def print_summary(summary: Summary) -> None:
    """Say what was looked at, what was found, and what cannot be said."""
    by_kind = ", ".join(
        f"{number:,} {kind.value}" for kind, number in sorted(summary.found.items())
    )
    looked_at = ", ".join(
        counted(number, what)
        for number, what in (
            (summary.files, "file"),
            (summary.documents, "document"),
            (summary.slots, "slot"),
        )
    )
    typer.echo(f"{looked_at} compared: {by_kind or 'no difference'}")
    for number, what in (
        (summary.waiting, "waiting for the embed job"),
        (summary.failed, "failed: `ingestd retry` tries again"),
        (summary.outdated, "indexed by another version of the pipeline: a run takes them up"),
        (summary.unread, "not to be read"),
    ):
        if number:
            output.note(f"{counted(number, 'document')} {what}")
    if summary.uncached:
        output.note(
            f"{counted(summary.uncached, 'vector')} could not be compared: the cache does "
            "not hold them any more"
        )
    for note in summary.notes:
        output.note(note)

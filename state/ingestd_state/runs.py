"""Queries about runs: what each reconcile, drain and maintenance did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from .schema import runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """One row of ``runs``; ``counts`` is as the job gave it."""

    kind: str
    started_at: float
    seconds: float
    outcome: str
    counts: dict[str, Any]


def add(connection: Connection, run: Run) -> None:
    """Record a run, and forget all but the last thousand."""
    row = connection.execute(
        runs.insert().values(
            kind=run.kind,
            started_at=run.started_at,
            seconds=run.seconds,
            outcome=run.outcome,
            counts=json.dumps(run.counts),
        )
    )
    key = row.inserted_primary_key
    if key is not None:
        connection.execute(delete(runs).where(runs.c.id <= key[0] - KEPT))


def last(connection: Connection, limit: int = 10) -> list[Run]:
    """The last runs, newest first."""
    rows = connection.execute(select(runs).order_by(runs.c.id.desc()).limit(limit))
    return [
        Run(row.kind, row.started_at, row.seconds, row.outcome, json.loads(row.counts))
        for row in rows
    ]

"""Reconciles a folder in this process and measures it: the child of ``benchmarks.reconcile``."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import update

from ingestd.config import load
from ingestd.reconcile import Reconciler
from ingestd.roots import register_sources
from ingestd_state import migrate
from ingestd_state.engine import Database
from ingestd_state.schema import documents
from ingestd_state.status import DocumentStatus

MIB = 1024**2
RESET_PEAK = "5"


def measure(root: Path, state: Path) -> dict[str, Any]:
    """Open the state table, and reconcile.

    Returns:
        CPU and wall seconds, MiB of resident memory before and at the peak, and the findings.
    """
    overrides = {"sources": [{"path": root}]}
    settings, location = load(state_dir=state, overrides=overrides)
    state.mkdir(exist_ok=True)
    database = Database(location.state_url)
    try:
        migrate.upgrade(database)
        (source,) = register_sources(settings, database).values()
        reconciler = Reconciler(database)
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
        cpu, wall = _cpu_s(), time.monotonic()
        findings = reconciler.reconcile(source)
        seconds = {"cpu_s": _cpu_s() - cpu, "wall_s": time.monotonic() - wall}
        peak = _memory("VmHWM")
        _index(database)
    finally:
        database.close()
    return {
        **{name: round(value, 3) for name, value in seconds.items()},
        "idle_mib": round(before, 1),
        "above_idle_mib": round(peak - before, 1),
        **asdict(findings),
    }


def _index(database: Database) -> None:
    """Make everything look indexed, as it is in a daemon that has nothing to do."""
    with database.write() as connection:
        connection.execute(
            update(documents)
            .where(documents.c.status == DocumentStatus.PENDING.value)
            .values(
                status=DocumentStatus.INDEXED.value,
                digest=os.urandom(32),
                pipeline="0" * 16,
                mime="text/markdown",
                chunk_count=10,
                next_slot=10,
                indexed_at=time.time(),
            )
        )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(key: str) -> float:
    """A line of this process's status, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024 / MIB
    raise LookupError(f"the kernel does not tell {key}")


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))))

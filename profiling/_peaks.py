"""How much memory one delivery takes above idle: by size of the file, by size of the batch.

Each figure comes from a process of its own, with a Chroma server beside it as in the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _daemon
import _documents
import _processes
import measure
from _workplace import release, workplace

if TYPE_CHECKING:
    from collections.abc import Sequence

KB = 1_000
FILE_BYTES = (KB, 10 * KB, 100 * KB, 1_000 * KB, 10_000 * KB, 50_000 * KB)
BATCH_BYTES = (64 * measure.KIB, 256 * measure.KIB, measure.MIB, 4 * measure.MIB)
IN_BATCHES = 200
"""Documents that are written for the batches, of 40 kB each."""
DOCUMENT_BYTES = 40 * KB
DISTINCT = 400
"""Sections that are told apart where the real model works: the others it has embedded before."""
WARM_UP = 3


def by_file(model: str, sizes: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Peaks for one file of each size."""
    return [_apart({"model": model, "file": size, "seed": seed}) for size in sizes]


def by_batch(model: str, sizes: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Peaks for many documents at once, by ``limits.batch_bytes``."""
    return [_apart({"model": model, "batch": size, "seed": seed}) for size in sizes]


def _apart(order: dict[str, Any]) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, str(Path(__file__)), json.dumps(order)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    values: dict[str, Any] = json.loads(done.stdout)
    return {**order, **values}


async def one(order: dict[str, Any]) -> dict[str, Any]:
    """Measure in this process: bytes above idle at the peak, and after it."""
    settings: dict[str, Any] = {"store__port": _daemon.free_port()}
    if "batch" in order:
        settings |= {"limits__batch_bytes": order["batch"], "limits__batch_documents": 10_000}
    distinct = None if order["model"] == "hash" else DISTINCT
    with tempfile.TemporaryDirectory(prefix="peaks") as name:
        place = Path(name)
        async with workplace(place, order["model"], mode="managed", **settings) as work:
            for number in range(WARM_UP):
                file = work.folder / f"warm{number}.md"
                _documents.write_sections(file, 20 * KB, seed=number, distinct=distinct)
                await work.take_up([file.name])
            names = _write(work.folder, order, distinct)
            release()
            idle = _looks()
            for look_at in idle:
                measure.reset_peak(look_at)
            await work.take_up(names)
            after = _looks()
            release()
            released = _looks()
            live = dict(work.instance.totals.chunks)
    roles = _roles(idle, after, released)
    return {"chunks": live, **roles}


def _write(folder: Path, order: dict[str, Any], distinct: int | None) -> list[str]:
    if "file" in order:
        file = folder / "one.md"
        _documents.write_sections(file, order["file"], seed=order["seed"], distinct=distinct)
        return [file.name]
    names = []
    for number in range(IN_BATCHES):
        file = folder / f"document{number}.md"
        seed = order["seed"] + (number if distinct is None else 0)
        _documents.write_sections(file, DOCUMENT_BYTES, seed=seed, distinct=distinct)
        names.append(file.name)
    return names


def _looks() -> dict[int, tuple[str, measure.Look]]:
    """Every process of ours that is there, by id."""
    family = _processes.family(os.getpid())
    return {pid: (role, measure.look(pid)) for role, pids in family.items() for pid in pids if pid}


def _roles(
    idle: dict[int, tuple[str, measure.Look]],
    after: dict[int, tuple[str, measure.Look]],
    released: dict[int, tuple[str, measure.Look]],
) -> dict[str, Any]:
    """By role: resident bytes when idle, at the peak, and after it."""
    found: dict[str, Any] = {}
    for role in _processes.ROLES:
        before = [look.rss for kind, look in idle.values() if kind == role]
        peaks = [look.peak for kind, look in after.values() if kind == role]
        stays = [look.rss for kind, look in released.values() if kind == role]
        if peaks:
            found[role] = {
                "idle_bytes": sum(before),
                "peak_bytes": sum(peaks),
                "after_bytes": sum(stays),
            }
    return found


def show(rows: Sequence[dict[str, Any]], key: str) -> str:
    """The table: above idle, by process."""
    roles = [role for role in _processes.ROLES if any(role in row for row in rows)]
    headings = [
        f"{key}, bytes",
        "model",
        "chunks",
        "idle, MiB",
        *(f"peak of {role}, + MiB" for role in roles),
        "daemon after, + MiB",
    ]
    lines = []
    for row in rows:
        daemon = row[_processes.DAEMON]
        lines.append(
            [
                f"{row[key]:,}",
                row["model"] or "packaged",
                f"{row['chunks']['upserted']:,}",
                measure.mib(daemon["idle_bytes"]),
                *(_above(row.get(role)) for role in roles),
                measure.mib(daemon["after_bytes"] - daemon["idle_bytes"]),
            ]
        )
    return measure.table(headings, lines)


def _above(values: dict[str, int] | None) -> str:
    return "-" if values is None else measure.mib(values["peak_bytes"] - values["idle_bytes"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(one(json.loads(sys.argv[1])))))

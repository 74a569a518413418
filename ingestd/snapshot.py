"""The whole of ``ingestd status --json``: who runs, what the table tells, what is taken.

Heavy imports stay out: ``status`` shall be quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .memory import processes
from .visible import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd_state.engine import Database

    from .location import Location
    from .lock import Owner

STATES = ("ok", "high", "max")


def blank(location: Location, owner: Owner | None, now: float) -> dict[str, Any]:
    """What is told where there is no state table yet.

    Args:
        location: of the instance.
        owner: who runs on it; None when nobody does.
        now: Unix seconds.
    """
    return {
        "type": "status",
        "at": now,
        "running": owner is not None,
        "daemon": _daemon(owner) if owner else None,
        "state_dir": str(location.state_dir),
        "config_file": str(location.config_file) if location.config_file else None,
        "sources": [],
        "documents": {},
        "skipped": {},
        "chunks": {"live": 0},
        "waiting": {"documents": 0, "oldest_s": None},
        "in_hand": [],
        "failed": [],
        "vectors": {"count": 0, "bytes": 0},
        "watcher": {"lost": 0, "last_reason": None, "last_at": None},
        "paused": None,
        "memory": None,
        "gauges": [],
        "runs": [],
    }


def whole(
    location: Location,
    owner: Owner | None,
    now: float,
    *,
    gauges: list[dict[str, Any]],
    database: Database | None,
) -> dict[str, Any]:
    """Everything that ``status`` tells, as ``docs/cli.md`` describes it; blocking.

    Args:
        location: as for `blank`.
        owner: as for `blank`.
        now: as for `blank`.
        gauges: of who runs, as far as it answered.
        database: the state table; None where there is none.

    Raises:
        DatabaseError: it cannot be read.
    """
    found = blank(location, owner, now)
    if owner is not None:
        found["gauges"] = gauges
        found["memory"] = _memory(owner.pid, gauges)
    if database is None:
        return found
    from .overview import from_table  # noqa: PLC0415 - slow to import, and seldom all of it

    found |= from_table(database, now)
    found["vectors"] = _vectors(location)
    if owner is None:
        found["paused"] = None
    return found


def _daemon(owner: Owner) -> dict[str, Any]:
    return {
        "pid": owner.pid,
        "host": owner.host,
        "since": owner.since,
        "verb": owner.verb,
        "store_url": masked(owner.store_url) or None,
        "page_url": owner.page_url or None,
        "sources": list(owner.sources),
    }


def _memory(pid: int, gauges: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The memory of the daemon and its children, and the marks where the daemon told them."""
    values = {gauge["name"]: gauge["value"] for gauge in gauges}
    roles = processes.by_role(processes.tree(pid))
    listed = [
        {"role": role, "pid": one.pid, "bytes": one.pss, "rss_bytes": one.rss}
        for role, several in roles.items()
        for one in several
    ]
    state = values.get("memory_state")
    return {
        "state": None if state is None else STATES[int(state)],
        "bytes": sum(process["bytes"] for process in listed),
        "high": values.get("memory_high_bytes"),
        "max": values.get("memory_max_bytes"),
        "processes": listed,
    }


def _vectors(location: Location) -> dict[str, int]:
    taken = location.vectors_bytes
    if not taken:
        return {"count": 0, "bytes": 0}
    from ingestd_state import vectors  # noqa: PLC0415 - slow to import
    from ingestd_state.engine import Database, DatabaseError  # noqa: PLC0415 - the same

    cache = Database(location.vectors_url)
    try:
        with cache.read() as connection:
            return {"count": vectors.count(connection), "bytes": taken}
    except DatabaseError:  # a cache: being made, or about to be made anew
        return {"count": 0, "bytes": taken}
    finally:
        cache.close()

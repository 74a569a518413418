"""The status for people: the snapshot as fields and tables."""

from __future__ import annotations

from typing import Any

from ingestd.visible import counted

from . import output

STATES = {
    "high": "; past `memory.high`: it is being given back",
    "max": "; past `memory.max`: changes are recorded, and no new work is begun until it is less "
    "than high",
}


def page(found: dict[str, Any]) -> output.Page:
    """The snapshot for people."""
    result = output.Page()
    waiting, oldest = found["waiting"], found["waiting"]["oldest_s"]
    result.fields(
        "",
        [
            ("daemon", _who(found)),
            ("page", (found["daemon"] or {}).get("page_url") or ""),
            ("paused", _paused(found["paused"], found["at"])),
            ("memory", _memory(found["memory"])),
            ("state", found["state_dir"]),
            ("configuration", found["config_file"] or "none: built-in defaults"),
            ("documents", _states(found["documents"])),
            ("skipped", _skipped(found["skipped"])),
            ("chunks", f"{found['chunks']['live']:,} live" if found["sources"] else ""),
            (
                "waiting",
                (f"{counted(waiting['documents'], 'document')}" if found["sources"] else "")
                + (f", the oldest for {output.ago(oldest)}" if oldest is not None else ""),
            ),
            ("vectors cache", _cached(found["vectors"])),
            ("watcher", _lost(found["watcher"], found["at"])),
            ("query", 'ingestd query "your question"' if found["sources"] else ""),
            ("", _client(found)),
            ("start", "" if found["sources"] or found["running"] else "ingestd run DIR"),
        ],
    )
    _tables(result, found)
    return result


def _tables(result: output.Page, found: dict[str, Any]) -> None:
    result.table(
        "In hand",
        ("path", "how far"),
        [(entry["path"], entry["progress"]) for entry in found["in_hand"]],
    )
    shown = len(found["failed"])
    lost = found["documents"].get("failed", 0) + found["documents"].get("dead", 0)
    result.table(
        "Sources",
        ("name", "status", "documents", "last scan", "folder", "reason"),
        [
            (
                source["name"],
                source["status"],
                _states(source["documents"]),
                _since(source["last_scan_at"], found["at"]),
                source["path"],
                ", ".join(filter(None, (source["reason"], _polled(source["watching"])))),
            )
            for source in found["sources"]
        ],
    )
    result.table(
        "Failed" if shown == lost else f"Failed (the first {shown} of {lost:,})",
        ("state", "tries", "path", "error"),
        [
            (entry["status"], str(entry["attempts"]), entry["path"], entry["error"])
            for entry in found["failed"]
        ],
        numbers=[1],
    )
    result.table(
        "Last runs",
        ("run", "started", "seconds", "counts"),
        [
            (
                run["kind"],
                _since(run["started_at"], found["at"]),
                f"{run['seconds']:.2f}",
                ", ".join(f"{name} {value}" for name, value in run["counts"].items() if value),
            )
            for run in found["runs"]
        ],
        numbers=[2],
    )


def _who(found: dict[str, Any]) -> str:
    daemon = found["daemon"]
    if daemon is None:
        return "not running"
    where = f", Chroma at {daemon['store_url']}" if daemon["store_url"] else ""
    since = f"since {output.when(daemon['since'])}" if daemon["since"] else "starting"
    return f"`ingestd {daemon['verb']}`, process {daemon['pid']}, {since}{where}"


def _states(documents: dict[str, int]) -> str:
    shown = ", ".join(f"{number:,} {state}" for state, number in documents.items() if number)
    return shown or "none"


def _skipped(reasons: dict[str, int]) -> str:
    shown = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
    return f"{shown}: `ingestd ls --status skipped`" if shown else ""


def _cached(vectors: dict[str, int]) -> str:
    if not vectors["bytes"]:
        return ""
    return f"{counted(vectors['count'], 'vector')}, {output.size(vectors['bytes'])}"


def _paused(pause: dict[str, Any] | None, now: float) -> str:
    if pause is None:
        return ""
    hint = f" ({pause['hint']})" if pause["hint"] else ""
    return f"since {_since(pause['since'], now)}: {pause['error']}{hint}"


def _memory(memory: dict[str, Any] | None) -> str:
    """Who takes how much, and what that means where there are marks."""
    if memory is None or not memory["processes"]:
        return ""
    roles: dict[str, int] = {}
    for process in memory["processes"]:
        roles[process["role"]] = roles.get(process["role"], 0) + process["bytes"]
    text = ", ".join(f"{output.size(taken)} {role}" for role, taken in roles.items())
    if len(roles) > 1:
        text = f"{output.size(memory['bytes'])}: {text}"
    marks = [f"{name} {output.size(memory[name])}" for name in ("high", "max") if memory[name]]
    if marks:
        text += f" ({', '.join(marks)})"
    return text + STATES.get(memory["state"], "")


def _lost(watcher: dict[str, Any], now: float) -> str:
    if not watcher["lost"]:
        return ""
    times = counted(watcher["lost"], "time")
    return f"lost {times}, last {_since(watcher['last_at'], now)}: {watcher['last_reason']}"


def _polled(watching: str) -> str:
    return "" if watching == "events" else watching


def _client(found: dict[str, Any]) -> str:
    url = (found["daemon"] or {}).get("store_url")
    if not url or not found["sources"]:
        return ""
    return f"any Chroma client: {url}, collection {found['sources'][0]['collection']}"


def _since(moment: float | None, now: float) -> str:
    return "never" if moment is None else f"{output.ago(now - moment)} ago"

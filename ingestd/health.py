"""How the daemon is: alive, ready for work or not, and why not. Pure.

Alive says that a restart would mend nothing; ready, that what changes now is indexed soon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Code(StrEnum):
    """What can be wrong."""

    STARTING = "starting"
    STOPPING = "stopping"
    STUCK = "stuck"
    WATCHER_DEAD = "watcher_dead"
    DISK_FULL = "disk_full"
    STORE_AWAY = "store_away"
    STATE_AWAY = "state_away"
    MEMORY_MAX = "memory_max"
    BACKLOG_OLD = "backlog_old"
    PAUSED = "paused"
    SOURCE_OFFLINE = "source_offline"
    SOURCE_HELD = "source_held"
    SOURCE_POLLED = "source_polled"


WARNINGS = frozenset({Code.SOURCE_OFFLINE, Code.SOURCE_HELD, Code.SOURCE_POLLED})
"""A person should know of them; the rest goes on."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        code: for programs.
        message: what it is, in a sentence; may name paths.
        hint: what to do.
    """

    code: Code
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """As JSON takes it."""
        return {"code": self.code.value, "message": self.message, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen of a daemon.

    Attributes:
        starting: its watchers are not armed yet.
        stopping: a stop was asked for.
        stuck: why only a restart helps; empty when it does not.
        watchers: which of their threads is dead; empty when all live.
        disk: why nothing is written; empty while there is room.
        store: why the store does not answer; empty while it does.
        state: why the state table cannot be read; empty while it can.
        memory: why no new work is begun; empty while there is memory.
        paused: error code, message and hint of what the embed job waits for; None while it works.
        oldest_s: how long the oldest change has waited, in seconds; None when none waits.
        sources: status and reason, of those that are not as they should be, by name.
        polled: why, of those that no events tell of although they should, by name.
    """

    starting: bool = False
    stopping: bool = False
    stuck: str = ""
    watchers: str = ""
    disk: str = ""
    store: str = ""
    state: str = ""
    memory: str = ""
    paused: tuple[str, str, str] | None = None
    oldest_s: float | None = None
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    polled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict.

    Attributes:
        problems: the worst first.
    """

    problems: tuple[Problem, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether a restart would mend nothing."""
        return all(problem.code is not Code.STUCK for problem in self.problems)

    @property
    def ready(self) -> bool:
        """Whether what changes now is indexed soon."""
        return all(problem.code in WARNINGS for problem in self.problems)

    @property
    def status(self) -> str:
        """In a word: ready, starting, stopping or degraded."""
        if self.ready:
            return "ready"
        first = self.problems[0].code
        return first.value if first in (Code.STARTING, Code.STOPPING) else "degraded"

    def as_json(self, *, details: bool) -> dict[str, Any]:
        """As JSON takes it; without details, only the codes."""
        problems: list[Any] = [
            problem.as_json() if details else {"code": problem.code.value}
            for problem in self.problems
        ]
        return {"status": self.status, "problems": problems}


def judge(signs: Signs, *, backlog_s: float) -> Health:
    """Say how a daemon is that shows these signs.

    Args:
        signs: what was seen.
        backlog_s: a change that waits longer is old; 0: none ever is.
    """
    found = [
        Problem(Code.STOPPING, "the daemon is stopping") if signs.stopping else None,
        Problem(Code.STARTING, "the watchers are not armed yet") if signs.starting else None,
        _stuck(signs.stuck),
        _if(
            Code.WATCHER_DEAD,
            signs.watchers,
            "It is replaced within minutes; changes meanwhile are found by the scan after that.",
        ),
        _if(Code.STATE_AWAY, signs.state, "Look after the state table's database, or its disk."),
        _if(Code.DISK_FULL, signs.disk, "Make room, or lower `limits.free_bytes`."),
        _if(Code.STORE_AWAY, signs.store, "See the log of the daemon, and that of Chroma."),
        _if(
            Code.MEMORY_MAX,
            signs.memory,
            "Raise `memory.max`, or the limit of the service; `ingestd status` tells who takes it.",
        ),
        _paused(signs),
        _old(signs.oldest_s, backlog_s),
    ]
    problems = [problem for problem in found if problem is not None]
    return Health((*problems, *_sources(signs)))


def _if(code: Code, message: str, hint: str) -> Problem | None:
    return Problem(code, message, hint) if message else None


def _stuck(why: str) -> Problem | None:
    return _if(Code.STUCK, why, "Only a restart helps; under systemd it comes by itself.")


def _paused(signs: Signs) -> Problem | None:
    """What the embed job waits for, unless it is told already."""
    if signs.paused is None:
        return None
    code, message, hint = signs.paused
    told = {"disk_full": signs.disk, "store": signs.store, "state": signs.state}
    if told.get(code):
        return None
    known = {"disk_full": Code.DISK_FULL, "store": Code.STORE_AWAY, "state": Code.STATE_AWAY}
    return Problem(known.get(code, Code.PAUSED), message, hint)


def _old(oldest_s: float | None, backlog_s: float) -> Problem | None:
    if not backlog_s or oldest_s is None or oldest_s <= backlog_s:
        return None
    return Problem(
        Code.BACKLOG_OLD,
        f"the oldest change has waited for {oldest_s:,.0f} s, the limit is {backlog_s:,.0f} s",
        "`ingestd status` tells what is in hand; a first indexing may take longer than "
        "`limits.backlog_s`.",
    )


def _sources(signs: Signs) -> list[Problem]:
    codes = {"offline": Code.SOURCE_OFFLINE, "held": Code.SOURCE_HELD}
    hints = {
        "offline": "What is indexed of it stays. Mount it, or remove it from the configuration.",
        "held": "Where the deletions are meant: `ingestd reconcile --accept-deletes`.",
    }
    found = [
        Problem(codes[status], f"{name}: {reason}", hints[status])
        for name, (status, reason) in sorted(signs.sources.items())
        if status in codes
    ]
    hint = "Changes are found by scans, `watch.poll_s` apart. `ingestd doctor` tells what helps."
    polled = sorted(signs.polled.items())
    return found + [Problem(Code.SOURCE_POLLED, f"{name}: {why}", hint) for name, why in polled]

"""Whether the daemon is alive enough that the service manager should let it run.

A daemon that fails to reach its store, or has no room on its disk, is alive: it waits, and a
restart would mend nothing. What only a restart mends is a thread that never comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

TICK_LATE_S = 120.0
"""The clock of the service ticks each second; on a machine that swaps, some minutes pass."""
THREADS_S = 120.0
"""How long a dead thread of the watchers may wait to be replaced: the canary looks each minute."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen, in seconds.

    Attributes:
        embedding_s: how long the model has been at the texts in hand; 0 when it is at rest.
        tick_s: since the clock of the service last ticked.
        deaf_s: since when threads of the watchers are dead; 0 when all live.
    """

    embedding_s: float = 0.0
    tick_s: float = 0.0
    deaf_s: float = 0.0


def why_dead(seen: Observed, *, stuck_s: float) -> str:
    """Why only a restart helps; empty while the daemon is alive.

    Args:
        seen: what was seen.
        stuck_s: longest time that the model may be at one window of texts.
    """
    if seen.embedding_s > stuck_s:
        return f"the model has not come back for {seen.embedding_s:.0f} s"
    if seen.tick_s > TICK_LATE_S:
        return f"the schedule has not ticked for {seen.tick_s:.0f} s"
    if seen.deaf_s > THREADS_S:
        return f"the watchers have been dead for {seen.deaf_s:.0f} s"
    return ""

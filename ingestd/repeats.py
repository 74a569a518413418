"""The same warning again and again: the first ones are told, then how many more there were."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = 50
"""So many of a kind are told in a window."""
WINDOW_S = 60.0
KINDS = 256
"""So many kinds are told apart; the others are told each time."""
LEVELS = frozenset({"warning", "error", "critical"})
SAME = ("event", "level", "code", "reason")
"""What two events of a kind have in common."""
EVENT = "repeated"


@dataclass(slots=True)
class _Kind:
    since: float
    told: int = 0
    left_out: int = 0


class Repeats:
    """Counts kinds of events. Any thread may call.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, ...], _Kind] = {}

    def take(self, event: dict[str, Any]) -> bool:
        """Whether an event is told; otherwise it is counted."""
        if event.get("level") not in LEVELS:
            return True
        key = tuple(str(event.get(name, "")) for name in SAME)
        with self._lock:
            kind = self._kinds.get(key)
            if kind is None:
                if len(self._kinds) >= KINDS:
                    return True
                kind = self._kinds[key] = _Kind(self._clock())
            if kind.told < FIRST:
                kind.told += 1
                return True
            kind.left_out += 1
            return False

    def over(self, *, at_once: bool = False) -> list[dict[str, Any]]:
        """What was left out in windows that are over, an event for each kind; then they begin anew.

        Args:
            at_once: also in those that are not over.
        """
        now, found = self._clock(), []
        with self._lock:
            ended = [
                key for key, kind in self._kinds.items() if at_once or now - kind.since >= WINDOW_S
            ]
            for key in ended:
                kind = self._kinds.pop(key)
                if kind.left_out:
                    told = {name: value for name, value in zip(SAME, key, strict=True) if value}
                    of = told.pop("event")
                    found.append(
                        {
                            **told,
                            "event": EVENT,
                            "of": of,
                            "times": kind.left_out,
                            "seconds": round(now - kind.since),
                        }
                    )
        return found

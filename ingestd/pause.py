"""How long the daemon rests when the store, the table or the disk does not take what it has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Pause:
    """A wait that doubles with every failure, up to `LONGEST_PAUSE_S`, until a success."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait_s = 0.0
        self._until = 0.0
        self._since: float | None = None
        self._code = ""

    @property
    def resting(self) -> bool:
        """Whether it is not yet time for the next try."""
        return self._clock() < self._until

    def failed(self, code: str) -> tuple[float, bool]:
        """A try failed.

        Args:
            code: what hindered it.

        Returns:
            Seconds until the next try, and whether this trouble is news.
        """
        now = self._clock()
        self._wait_s = min(max(FIRST_PAUSE_S, self._wait_s * 2), LONGEST_PAUSE_S)
        self._until = now + self._wait_s
        if self._since is None:
            self._since = now
        news, self._code = code != self._code, code
        return self._wait_s, news

    def succeeded(self) -> tuple[float | None, str]:
        """A try went through.

        Returns:
            Seconds since the first try that failed, and what hindered the last one; None and
            nothing when none failed.
        """
        since, self._since = self._since, None
        code, self._code = self._code, ""
        self._wait_s, self._until = 0.0, 0.0
        return None if since is None else self._clock() - since, code

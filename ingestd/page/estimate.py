"""When what waits is done, as far as the last minutes tell. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 300.0
"""What was before says nothing: other documents, another load."""
LEAST_S = 10.0
LEAST_DONE = 3


class Pace:
    """Remembers how far the work was, and when.

    What was done is told as the process counts it, so it never goes back.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def note(self, at: float, done: int) -> None:
        """So many documents were done at this moment.

        Args:
            at: seconds of a clock that never goes back.
            done: since the start of the process.
        """
        self._points.append((at, done))
        while len(self._points) > 2 and self._points[1][0] <= at - WINDOW_S:  # noqa: PLR2004 - both ends
            self._points.popleft()
        # Rest at the beginning is not work: who was idle for minutes is not slow now.
        while len(self._points) > 2 and self._points[0][1] == self._points[1][1]:  # noqa: PLR2004 - the same
            self._points.popleft()

    def per_s(self) -> float | None:
        """Documents a second; None where too little was seen."""
        if not self._points:
            return None
        (since, before), (until, after) = self._points[0], self._points[-1]
        if until - since < LEAST_S or after - before < LEAST_DONE:
            return None
        return (after - before) / (until - since)

    def left_s(self, waiting: int) -> float | None:
        """Seconds until so many documents are done; None where nobody can tell."""
        rate = self.per_s()
        return None if rate is None else waiting / rate

"""Looks at the daemon's own signs of life; blocks on nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .alive import Observed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .embed.texts import TextEmbedder
    from .follow import Follower


class Vitals:
    """Remembers since when what is.

    Args:
        texts: uses the model.
        follower: has the threads of the watchers.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        texts: TextEmbedder,
        follower: Follower,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._texts = texts
        self._follower = follower
        self._clock = clock
        self._ticked = clock()
        self._deaf_since: float | None = None

    def tick(self) -> None:
        """The clock of the service ticked."""
        self._ticked = self._clock()

    def observe(self) -> Observed:
        """What is seen now."""
        now, begun = self._clock(), self._texts.begun
        if not self._follower.dead():
            self._deaf_since = None
        elif self._deaf_since is None:
            self._deaf_since = now
        return Observed(
            embedding_s=0.0 if begun is None else now - begun,
            tick_s=now - self._ticked,
            deaf_s=0.0 if self._deaf_since is None else now - self._deaf_since,
        )

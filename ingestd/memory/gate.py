"""Whether the embed job may take up more work: it asks between two batches, never within one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShutError(Exception):
    """No new work is begun now; nothing is lost, and nothing is in hand."""


class Gate:
    """Open, unless somebody has a reason to keep it shut. Any thread may ask.

    Attributes:
        turned_away: how often somebody asked while it was shut.
    """

    def __init__(self) -> None:
        self.turned_away = 0
        self._reasons: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether nobody keeps it shut."""
        return not self._reasons

    def check(self) -> None:
        """Go through.

        Raises:
            ShutError: somebody keeps it shut.
        """
        if self._reasons:
            self.turned_away += 1
            raise ShutError(", ".join(sorted(self._reasons)))

    def shut(self, reason: str) -> None:
        """Keep it shut until `open` is called for the same reason."""
        self._reasons |= {reason}

    def open(self, reason: str) -> None:
        """Take a reason back."""
        self._reasons -= {reason}

    @contextmanager
    def held_shut(self, reason: str) -> Iterator[None]:
        """Keep it shut for a while."""
        self.shut(reason)
        try:
            yield
        finally:
            self.open(reason)

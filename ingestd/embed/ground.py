"""What a compaction works on, and what may break it off."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingestd_state.engine import Database

    from .chroma.collection import ChromaCollection
    from .chroma.server import ManagedServer
    from .chroma.store import Store


class CompactionStoppedError(StoreError):
    """A stop was asked for; nothing was changed."""

    code = "compaction_stopped"
    hint = "Nothing to do: it is begun again by the next maintenance."


@dataclass(frozen=True, slots=True)
class Ground:
    """What a compaction works on.

    Attributes:
        directory: Chroma's data.
        database: the state table.
        cache: the vectors cache.
        model: fingerprint of the model in use.
        store: the open store.
        server: the managed server; None where there is none.
        opened: opens a collection of this name.
        free_bytes: what must stay free on the disk.
        stopped: set when nothing is to be compacted any more.
    """

    directory: Path
    database: Database
    cache: Database
    model: str
    store: Store
    server: ManagedServer | None
    opened: Callable[[str], ChromaCollection]
    free_bytes: int
    stopped: threading.Event = field(default_factory=threading.Event)

    def check_going(self) -> None:
        """See that no stop was asked for.

        Raises:
            CompactionStoppedError: one was.
        """
        if self.stopped.is_set() or self.store.call.stopping:
            raise CompactionStoppedError("a stop was asked for")

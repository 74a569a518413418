"""What a compaction is for, and what came of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .chroma.growth import Growth

LEAST_FREE_BYTES = 64 * 1024**2
"""Free pages in the database below which it is left as it is."""
LEAST_DEAD = 1_000
"""Dead places below which nothing is done: Chroma saves after so many writes anyway."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done.

    Attributes:
        before: how it was, for each collection of ours.
        after: how it is.
        built: the collections whose index was built anew.
        slots: in the new indexes.
        read_back: of them, vectors that only the old index had.
        database: whether the database was written anew.
        seconds: all of it.
        paused_s: in which nothing was written.
        away_s: in which nobody answered readers.
    """

    before: list[Growth]
    after: list[Growth]
    built: list[str]
    slots: int
    read_back: int
    database: bool
    seconds: float
    paused_s: float
    away_s: float

    @property
    def freed_bytes(self) -> int:
        """Of the disk."""
        return sum(one.disk_bytes for one in self.before) - sum(
            one.disk_bytes for one in self.after
        )

    def as_json(self) -> dict[str, Any]:
        """For scripts, and for the record of runs."""
        return {
            "built": self.built,
            "slots": self.slots,
            "read_back": self.read_back,
            "database": self.database,
            "embedded": 0,
            "freed_bytes": self.freed_bytes,
            "seconds": round(self.seconds, 2),
            "paused_s": round(self.paused_s, 2),
            "away_s": round(self.away_s, 2),
            "before": [as_json(one) for one in self.before],
            "after": [as_json(one) for one in self.after],
        }


def as_json(growth: Growth) -> dict[str, Any]:
    """A measure for scripts."""
    return {
        "collection": growth.collection,
        "live": growth.live,
        "places": growth.places,
        "bloat": round(growth.bloat, 2),
        "index_bytes": growth.index_bytes,
        "database_bytes": growth.database_bytes,
        "bytes_per_vector": round(growth.bytes_per_vector),
    }


def due(growths: Sequence[Growth], compact_at: float) -> list[str] | None:
    """Which indexes are worth building anew, when anything is worth a compaction.

    Args:
        growths: of the collections of ours.
        compact_at: places over live slots from which on an index is built anew.

    Returns:
        Names of collections; none of them where only the database is worth it. None where nothing
        is.
    """
    names = [
        one.collection for one in growths if one.dead >= LEAST_DEAD and one.bloat >= compact_at
    ]
    free = sum(one.free_bytes for one in growths)
    held = sum(one.database_bytes for one in growths) - free
    return names if names or free >= max(LEAST_FREE_BYTES, held) else None

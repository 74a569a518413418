"""Counts how two stores differ, and what in one of them is stale."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Row(NamedTuple):
    """One vector of a store.

    Attributes:
        path: of its file, below the indexed folder.
        text: of the chunk.
        rest: a digest of the vector and of the metadata that two equal ingests agree in.
    """

    path: str
    text: str
    rest: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How a store differs from a fresh ingest of the same files, in vectors.

    Attributes:
        extra: there, and in no fresh ingest.
        missing: in a fresh ingest, and not there.
        duplicate: there more often than in a fresh ingest.
    """

    extra: int
    missing: int
    duplicate: int

    def __str__(self) -> str:
        return f"{self.extra}/{self.missing}/{self.duplicate}"


def compare(have: Iterable[Row], fresh: Iterable[Row]) -> Difference:
    """Compare a store with a fresh ingest, as multisets."""
    got, wanted = Counter(have), Counter(fresh)
    surplus = got - wanted
    duplicate = sum(number for row, number in surplus.items() if row in wanted)
    missing = wanted - got
    return Difference(surplus.total() - duplicate, missing.total(), duplicate)


def stale(rows: Iterable[Row], gone: Iterable[str]) -> int:
    """Vectors of files that are gone; a directory stands for all that was below it."""
    paths = tuple(gone)
    prefixes = tuple(f"{path}/" for path in paths)
    return sum(row.path in paths or row.path.startswith(prefixes) for row in rows)


def of_path(rows: Sequence[Row], path: str) -> int:
    """Vectors of a file, or of the files below a directory."""
    return stale(rows, [path])

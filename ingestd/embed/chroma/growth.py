"""How much a collection takes beside what it holds, from its files, while a Chroma serves them.

Chroma gives no place in an index away twice, so an index grows with all that was ever deleted. The
files are those of the last save: up to 1,000 writes behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

from .health import DATABASE, probe
from .layout import count, layouts, opened
from .segment import TornError, read_header

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Growth:
    """One collection.

    Attributes:
        collection: its name.
        live: slots that it holds.
        places: places of its index that were ever given away; 0 before the first save.
        index_bytes: of its index on the disk.
        database_bytes: its share of Chroma's database, by slots.
        free_bytes: its share of what is free inside of the database.
    """

    collection: str
    live: int
    places: int
    index_bytes: int
    database_bytes: int
    free_bytes: int

    @property
    def dead(self) -> int:
        """Places that hold nothing any more."""
        return max(0, self.places - self.live)

    @property
    def bloat(self) -> float:
        """Places ever used over live slots: 1 where nothing was ever deleted."""
        return max(1.0, self.places / max(1, self.live))

    @property
    def disk_bytes(self) -> int:
        """All of it on the disk."""
        return self.index_bytes + self.database_bytes

    @property
    def bytes_per_vector(self) -> float:
        """Bytes on the disk for each live slot."""
        return self.disk_bytes / max(1, self.live)


def measure(directory: Path) -> list[Growth]:
    """Measure the collections that ingestd made, by name; none where there is no Chroma.

    Args:
        directory: Chroma's data, open elsewhere or not.

    Raises:
        StoreError: the database cannot be read.
    """
    if not (directory / DATABASE).exists():
        return []
    with opened(directory) as connection:
        size, free = _bytes(connection)
        found = {layout: count(connection, layout) for layout in layouts(connection)}
        (slots,) = connection.execute("SELECT count(*) FROM embeddings").fetchone()
    growths = []
    for layout, live in found.items():
        share = live / slots if slots else 1 / len(found)
        folder = directory / layout.segment
        growths.append(
            Growth(
                layout.name,
                live,
                _places(folder),
                size_of(folder),
                round(size * share),
                round(free * share),
            )
        )
    return growths


def orphan_bytes(directory: Path) -> int:
    """Bytes of indexes of collections that were deleted: Chroma removes a row, and no file.

    Raises:
        StoreError: the database cannot be read.
    """
    if not (directory / DATABASE).exists():
        return 0
    found = probe(directory, quick=True)
    return sum(size_of(directory / name) for name in found.orphans)


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"cannot look at {error.filename}: {error.strerror}") from error


def _places(folder: Path) -> int:
    """Places given away as of the last save; 0 when nobody can tell."""
    try:
        header = read_header(folder / "header.bin")
    except (OSError, TornError):
        return 0
    return header.count if header else 0


def _bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Of the whole database, and of what is free inside of it."""
    page, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return page * pages, page * free

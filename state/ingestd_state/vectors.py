"""The vectors cache: each text that a model has embedded once is never embedded again.

It is also the authority from which a collection can be filled anew: Chroma's own index can be
lost to a kill or a full disk. It lies in a database file of its own and is bounded in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, tuple_, update

from . import failpoint
from .parts import parts
from .schema import vectors, vectors_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from .engine import Database

ROW_OVERHEAD_BYTES = 120
"""What a row costs beside its embedding, for the bound."""


def create(database: Database) -> None:
    """Create the table in its own database."""
    database.create(vectors_metadata)


def missing(connection: Connection, model: str, digests: Iterable[bytes]) -> set[bytes]:
    """Which of these texts the model has not embedded yet."""
    wanted = list(dict.fromkeys(digests))
    absent = set(wanted)
    for part in parts(wanted):
        rows = connection.execute(
            select(vectors.c.digest).where(vectors.c.model == model, vectors.c.digest.in_(part))
        )
        absent.difference_update(row.digest for row in rows)
    return absent


def get(connection: Connection, model: str, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Embeddings as float32 bytes, little-endian, by digest; absent ones are left out."""
    found: dict[bytes, bytes] = {}
    for part in parts(list(dict.fromkeys(digests))):
        rows = connection.execute(
            select(vectors.c.digest, vectors.c.embedding).where(
                vectors.c.model == model, vectors.c.digest.in_(part)
            )
        )
        found.update((row.digest, row.embedding) for row in rows)
    return found


def put(
    connection: Connection, model: str, embeddings: Sequence[tuple[bytes, bytes]], *, now: float
) -> None:
    """Store embeddings (digest, float32 bytes); one that is there already stays."""
    if embeddings:
        connection.execute(
            vectors.insert().prefix_with("OR IGNORE"),
            [
                {"digest": digest, "model": model, "embedding": data, "used_at": int(now)}
                for digest, data in embeddings
            ],
        )


def touch(connection: Connection, model: str, digests: Sequence[bytes], *, now: float) -> None:
    """These were used: they are the last to leave a full cache."""
    for part in parts(list(dict.fromkeys(digests))):
        connection.execute(
            update(vectors)
            .where(vectors.c.model == model, vectors.c.digest.in_(part))
            .values(used_at=int(now))
        )


def size(connection: Connection) -> tuple[int, int]:
    """How many embeddings there are, and how many bytes they take."""
    number, total = connection.execute(
        select(func.count(), func.coalesce(func.sum(func.length(vectors.c.embedding)), 0))
    ).one()
    return number, total + number * ROW_OVERHEAD_BYTES


def count(connection: Connection) -> int:
    """How many embeddings there are; quick, where `size` reads the whole table."""
    return connection.execute(select(func.count()).select_from(vectors)).scalar_one()


def prune(connection: Connection, limit_bytes: int) -> int:
    """Remove the least recently used until the rest fits; returns how many went."""
    key = (vectors.c.digest, vectors.c.model)
    pruned = 0
    while True:
        number, total = size(connection)
        if total <= limit_bytes or number == 0:
            return pruned
        # Exact where all embeddings are of one size; another round where they are not.
        surplus = -(-(total - limit_bytes) * number // total)
        oldest = select(*key).order_by(vectors.c.used_at, *key).limit(surplus)
        pruned += connection.execute(delete(vectors).where(tuple_(*key).in_(oldest))).rowcount
        failpoint.reached("prune.begun")

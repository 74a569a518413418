"""The vectors cache: each text that a model has embedded once is never embedded again.

It is also the authority from which a collection can be filled anew: Chroma's own index can be
lost to a kill or a full disk. It lies in a database file of its own and is bounded in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    LargeBinary,
    MetaData,
    Table,
    and_,
    delete,
    func,
    select,
    tuple_,
    update,
)

from . import failpoint
from .parts import parts
from .schema import vectors, vectors_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from .engine import Database

ROW_OVERHEAD_BYTES = 120
"""What a row costs beside its embedding, for the bound."""
RESOLUTION_S = 60
"""Uses within the same minute count as one: the row is not written again."""

_live = Table(
    "live",
    MetaData(),
    Column("digest", LargeBinary(32), primary_key=True),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
"""The digests that chunks use, while the cache is trimmed."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many embeddings left the cache.

    Attributes:
        dead: no chunk uses them.
        live: chunks use them; to fill a collection anew, their texts must be embedded again.
    """

    dead: int = 0
    live: int = 0


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
            .where(
                vectors.c.model == model,
                vectors.c.digest.in_(part),
                vectors.c.used_at < int(now) - RESOLUTION_S,
            )
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


def trim(
    connection: Connection, limit_bytes: int, *, model: str, live: Iterable[Sequence[bytes]]
) -> Trimmed:
    """Remove until the rest fits: first what no chunk uses, the least recently used first.

    Only when the bound is smaller than what the chunks use do some of those leave, too.

    Args:
        connection: a write transaction on the cache.
        limit_bytes: the bound.
        model: the model in use; chunks need the embeddings of no other.
        live: the digests of all chunks, page by page; asked for only when something must leave.
    """
    if size(connection)[1] <= limit_bytes:
        return Trimmed()
    # On disk when it is large: the digests of all chunks are never in memory.
    _live.create(connection)
    try:
        for page in live:
            rows = [{"digest": digest} for digest in page]
            connection.execute(_live.insert().prefix_with("OR IGNORE"), rows)
        used = and_(vectors.c.model == model, vectors.c.digest.in_(select(_live.c.digest)))
        dead = prune(connection, limit_bytes, ~used)
        return Trimmed(dead, prune(connection, limit_bytes))
    finally:
        _live.drop(connection, checkfirst=True)


def prune(connection: Connection, limit_bytes: int, of: ColumnElement[bool] | None = None) -> int:
    """Remove the least recently used, of a kind or of all, until the rest fits.

    Returns:
        How many went. Fewer than needed when nothing of that kind is left.
    """
    key = (vectors.c.digest, vectors.c.model)
    pruned = 0
    while True:
        number, total = size(connection)
        if total <= limit_bytes or number == 0:
            return pruned
        # Exact where all embeddings are of one size; another round where they are not.
        surplus = -(-(total - limit_bytes) * number // total)
        oldest = select(*key).order_by(vectors.c.used_at, *key).limit(surplus)
        if of is not None:
            oldest = oldest.where(of)
        gone = connection.execute(delete(vectors).where(tuple_(*key).in_(oldest))).rowcount
        failpoint.reached("prune.begun")
        if not gone:
            return pruned
        pruned += gone

"""The tables, as SQLAlchemy Core. The migrations must lead to exactly this (a test compares)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("path", LargeBinary, nullable=False),
    Column("collection", String(512), nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("rules", Text, nullable=False, server_default="{}"),
    Column("device", BigInteger),
    Column("seen_nonempty", Boolean, nullable=False, server_default=false()),
    Column("last_scan_at", Float),
    Column("watching", Text, nullable=False, server_default=""),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("source_id", Integer, ForeignKey("sources.id"), nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("directory", LargeBinary, nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    # The fingerprint as of the last read (or of the scan that found the file).
    Column("device", BigInteger),
    Column("inode", BigInteger),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("ctime_ns", BigInteger),
    # What is indexed.
    Column("digest", LargeBinary(32)),
    Column("pipeline", String(64)),
    Column("mime", String(100), nullable=False, server_default=""),
    Column("chunk_count", Integer, nullable=False, server_default="0"),
    Column("next_slot", Integer, nullable=False, server_default="0"),
    # What is to be done.
    Column("forced", Boolean, nullable=False, server_default=false()),
    Column("relabel", Boolean, nullable=False, server_default=false()),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retry_at", Float),
    Column("recheck_at", Float),
    Column("missing_since", Float),
    Column("error_code", String(50), nullable=False, server_default=""),
    Column("error_text", Text, nullable=False, server_default=""),
    Column("changed_at", Float, nullable=False),
    Column("indexed_at", Float),
    UniqueConstraint("source_id", "path"),
    Index(None, "source_id", "directory"),
    Index(None, "status", "priority", "changed_at"),
    # On PostgreSQL too, by its migration: to name that here would load its dialect at each start.
    Index(None, "recheck_at", sqlite_where=text("recheck_at IS NOT NULL")),
    Index(None, "device", "inode"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("slot", String(40), primary_key=True),
    Column("document_id", String(20), ForeignKey("documents.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("status", String(10), nullable=False),
    Index(None, "document_id", "ordinal"),
    Index(None, "status"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("counts", Text, nullable=False),
    Index(None, "started_at"),
)

collections = Table(
    "collections",
    metadata,
    Column("name", String(512), primary_key=True),
    # Since when it is to be filled anew from the vectors cache, and why.
    Column("refill_since", Float),
    Column("reason", Text, nullable=False, server_default=""),
)

orphans = Table(
    "orphans",
    metadata,
    Column("collection", String(512), primary_key=True),
    Column("slot", String(512), primary_key=True),
)

# The vectors lie in a file of their own, with no migrations: a cache is made anew.
vectors_metadata = MetaData()

vectors = Table(
    "vectors_1",
    vectors_metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("embedding", LargeBinary, nullable=False),
    Column("used_at", Integer, nullable=False),
    Index("ix_vectors_1_used_at", "used_at"),
)

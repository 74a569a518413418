"""What must be true once nothing changes: quiet, and then equal to a fresh ingest."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from ingestd.watch.rules import Rules
from ingestd.watch.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from model_instance import Config, Instance

POLL_S = 0.02
OPEN = """
    SELECT s.name, d.path, d.status, d.recheck_at, d.missing_since,
           d.device, d.inode, d.size, d.mtime_ns, d.ctime_ns
    FROM documents d JOIN sources s ON s.id = d.source_id WHERE s.status != 'detached'
"""
UNSETTLED = """
    SELECT c.slot, c.status FROM chunks c JOIN documents d ON d.id = c.document_id
    JOIN sources s ON s.id = d.source_id
    WHERE c.status != 'live' AND s.status != 'detached'
"""
DOCUMENTS = """
    SELECT s.name, d.path, d.id, d.status, d.reason, hex(d.digest), d.mime, d.chunk_count,
           d.error_code, s.status
    FROM documents d JOIN sources s ON s.id = d.source_id
"""
CHUNKS = """
    SELECT c.slot, c.document_id, s.collection, c.ordinal, c.start, c.end, lower(hex(c.digest)),
           c.status
    FROM chunks c JOIN documents d ON d.id = c.document_id JOIN sources s ON s.id = d.source_id
"""
UNSTABLE_KEYS = {"indexed_at", "document_id"}

Key = tuple[str, bytes]
"""A source's name and a path."""
Slot = tuple[str, dict[str, Any], bytes]
"""Text, metadata and embedding, as Chroma holds them."""


def on_disk(config: Config) -> dict[Key, tuple[int, ...]]:
    """The files that are there and ours, with their fingerprints."""
    found: dict[Key, tuple[int, ...]] = {}
    for folder in config.folders:
        rules = Rules(folder.path, include=folder.include, exclude=folder.exclude)
        for listing in scan(folder.path, rules):
            prefix = listing.directory + b"/" if listing.directory else b""
            for name, fingerprint in listing.files:
                found[folder.name, prefix + name] = astuple(fingerprint)
    return found


def hidden(config: Config, closed: Iterable[bytes]) -> Callable[[Key], bool]:
    """Which documents nothing can be said about, because something on the way is unreadable."""
    tops = []
    for path in closed:
        folder, name = os.path.split(path)
        tops.append(folder if name == b".ingestignore" else path)
    roots = {folder.name: folder.path for folder in config.folders}

    def test(key: Key) -> bool:
        full = os.path.join(roots[key[0]], key[1])
        real = os.path.realpath(full)
        return any(
            path == top or path.startswith(top + b"/") for top in tops for path in (full, real)
        )

    return test


def unquiet(
    instance: Instance, expected: dict[Key, tuple[int, ...]], skip: Callable[[Key], bool]
) -> list[str]:
    """Why the table is not yet what the disk says; empty when it is."""
    try:
        rows = instance.rows(OPEN)
        unsettled = instance.rows(UNSETTLED)
        orphans = instance.rows("SELECT collection, slot FROM orphans")
        flagged = instance.rows("SELECT name FROM collections WHERE refill_since IS NOT NULL")
    except sqlite3.Error as error:
        return [f"no table: {error}"]
    why = [f"chunk {slot} is {status}" for slot, status in unsettled]
    why += [f"{name} is to be filled anew" for (name,) in flagged]
    why += [f"orphan {slot} in {name}" for name, slot in orphans]
    left = {key: fingerprint for key, fingerprint in expected.items() if not skip(key)}
    names = {folder.name for folder in instance.config.folders}
    for source, path, status, recheck_at, missing_since, *found in rows:
        key = (source, bytes(path))
        if source not in names:
            why.append(f"the source {source} is not detached yet")
        elif skip(key):
            continue
        elif (wanted := left.pop(key, None)) is None:
            why.append(f"{key} is {status}, and is not there")
        elif status not in ("indexed", "skipped", "dead"):
            why.append(f"{key} is {status}")
        elif tuple(found) != wanted:
            why.append(f"{key} is {status} as {found}, and is {list(wanted)}")
        elif recheck_at is not None or missing_since is not None:
            why.append(f"{key} is {status}, recheck {recheck_at}, missing {missing_since}")
    return why + [f"{key} is not known" for key in left]


def wait_quiet(check: Callable[[], list[str]], deadline_s: float) -> list[str]:
    """Wait until nothing is left to do; returns what is left at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        why = check()
        if not why or time.monotonic() > end:
            return why
        time.sleep(POLL_S)


@dataclass
class Snapshot:
    """What an instance holds.

    Attributes:
        documents: all that must be as after a fresh ingest, by place; chunks by ordinal.
        faults: whatever does not add up between table and collections.
    """

    documents: dict[Key, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def snapshot(instance: Instance) -> Snapshot:
    """Read table and collections, and join them; a source that is left out keeps what it has."""
    shot = Snapshot()
    known: dict[str, tuple[Key, dict[str, Any]]] = {}
    for source, path, ident, *values, state in instance.rows(DOCUMENTS):
        names = ("status", "reason", "digest", "mime", "chunk_count", "error")
        document = {**dict(zip(names, values, strict=True)), "chunks": []}
        known[ident] = ((source, bytes(path)), document)
        if state != "detached":
            shot.documents[source, bytes(path)] = document
    collections = instance.collections()
    for slot, ident, collection, *told in instance.rows(CHUNKS):
        key, document = known[ident]
        held = collections.get(collection, {}).pop(slot, None)
        if key in shot.documents:
            shot.faults += _slot_faults(f"{key}: slot {slot} of {collection}", ident, told, held)
        if held is not None:
            text, metadata, vector = held
            labels = {name: metadata[name] for name in metadata if name not in UNSTABLE_KEYS}
            document["chunks"].append((told[0], text, labels, vector))
    for key, document in shot.documents.items():
        document["chunks"].sort(key=lambda chunk: chunk[0])
        ordinals = [chunk[0] for chunk in document["chunks"]]
        if ordinals != list(range(document["chunk_count"])):
            shot.faults.append(f"{key}: chunks {ordinals}, count {document['chunk_count']}")
    for name, rest in collections.items():
        for slot, (_, metadata, _) in rest.items():
            shot.faults.append(f"slot {slot} in {name} belongs to nobody: {metadata['path']!r}")
    return shot


def _slot_faults(name: str, ident: str, told: list[Any], held: Slot | None) -> Iterator[str]:
    """Where the table and the collection do not say the same of a slot."""
    ordinal, start, end, digest, status = told
    if status != "live":
        yield f"{name} is {status}"
    if held is None:
        yield f"{name} is not there"
        return
    _, metadata, _ = held
    says = [metadata[key] for key in ("document_id", "ordinal", "start", "end", "chunk_digest")]
    if says != [ident, ordinal, start, end, digest]:
        yield f"{name} says {says}, the table {[ident, *told]}"


def differences(found: Snapshot, fresh: Snapshot, skip: Callable[[Key], bool]) -> list[str]:
    """What an instance holds otherwise than a fresh ingest of the same tree."""
    told = [*found.faults, *(f"fresh: {fault}" for fault in fresh.faults)]
    for key in sorted({*found.documents, *fresh.documents}):
        if skip(key):
            continue
        one, other = found.documents.get(key), fresh.documents.get(key)
        if one is None or other is None:
            told.append(f"{key} is {'missing' if one is None else 'extra'}: {one or other}"[:500])
        else:
            told += _document_differences(key, one, other)
    return told


def _document_differences(key: Key, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    told = [
        f"{key}: {name} is {one[name]!r}, fresh {other[name]!r}"
        for name in one
        if name != "chunks" and one[name] != other[name]
    ]
    for mine, theirs in zip(one["chunks"], other["chunks"], strict=False):
        if mine[1] != theirs[1]:
            told.append(f"{key}: text of {mine[0]} is {mine[1][:60]!r}, fresh {theirs[1][:60]!r}")
        if mine[3] != theirs[3]:
            told.append(f"{key}: vector of {mine[0]} differs")
        told += [
            f"{key}: {name} of {mine[0]} is {mine[2].get(name)!r}, fresh {theirs[2].get(name)!r}"
            for name in {*mine[2], *theirs[2]}
            if not _same(mine[2].get(name), theirs[2].get(name))
        ]
    return told[:8]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; Chroma changes the last bit of some numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-14)
    return bool(one == other)

"""A folder before and after a day's work, an index of it as it was before, and how to compare.

The index is made once; each test copies it and goes on from there over the same folder.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import chromadb

from ingestd.embed.chroma import ended

if TYPE_CHECKING:
    from pathlib import Path

BIG = 12
"""Sections of a document that goes to the collection in several requests."""
LONG = 40
"""Sections of a long document."""
LIMITS = {
    "INGESTD_LIMITS__BATCH_DOCUMENTS": "6",
    "INGESTD_CHUNK__TOKENS": "64",
    "INGESTD_LOG__FORMAT": "json",
}
"""Small batches: many documents are in different steps when the process dies."""
STRAY = "stray-0"
"""A slot that nobody owns; a check found it."""

View = dict[tuple[str, int], list[Any]]


def write(folder: Path, path: str, *sections: object) -> None:
    """Write a document of these sections; each becomes one chunk."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        f"## Section {entry}\n\n{path[0]} says {entry}. " + "More words. " * 9 for entry in sections
    ]
    file.write_text("\n\n".join(parts), encoding="utf-8")


def before(folder: Path) -> None:
    """Make the folder as it was."""
    write(folder, "grow.md", 1, 2)
    write(folder, "shrink.md", *range(9))
    write(folder, "gone.md", *range(6))
    write(folder, "gone-too.md", *range(3))
    write(folder, "empty.md", *range(3))
    write(folder, "edit.md", *range(5))
    write(folder, "big.md", *range(BIG))
    write(folder, "insert.md", *range(BIG))
    write(folder, "moved.md", *range(BIG))
    for number in range(3):
        write(folder, f"old/{number}.md", number, "x")
    write(folder, "touched.md", "t")
    write(folder, "same.md", "s", "t")
    write(folder, "swap-a.md", "a", 1)
    write(folder, "swap-b.md", "b", 2, 3)


def after(folder: Path) -> None:
    """Do a day's work in it."""
    write(folder, "grow.md", *range(7))
    write(folder, "shrink.md", 3, "new")
    (folder / "gone.md").unlink()
    (folder / "gone-too.md").unlink()
    (folder / "empty.md").write_text("", encoding="utf-8")
    write(folder, "edit.md", 0, 1, "two", 3, 4)
    write(folder, "big.md", *(f"new {number}" for number in range(BIG)))
    write(folder, "insert.md", "top", *range(BIG))
    (folder / "deep").mkdir()
    (folder / "moved.md").rename(folder / "deep/moved.md")
    (folder / "old").rename(folder / "deep/old")
    (folder / "touched.md").touch()
    (folder / "swap-a.md").rename(folder / "swap")
    (folder / "swap-b.md").rename(folder / "swap-a.md")
    (folder / "swap").rename(folder / "swap-b.md")
    write(folder, "new.md", "n", 1, 2, 3)
    shutil.copy(folder / "same.md", folder / "copy.md")


def long_before(folder: Path) -> None:
    """Make a folder with long documents as it was."""
    write(folder, "edit.md", *range(LONG))
    write(folder, "shrink.md", *range(LONG))
    write(folder, "gone.md", *range(LONG))
    write(folder, "moved.md", *range(LONG))
    write(folder, "swap.md", *range(LONG))
    write(folder, "grow.md", *range(5))
    write(folder, "short.md", *range(5))


def long_after(folder: Path) -> None:
    """Do a day's work in it."""
    write(folder, "edit.md", "top", *range(10), "new", *range(15, LONG), *range(10, 15))
    write(folder, "shrink.md", 3, "x")
    (folder / "gone.md").unlink()
    (folder / "deep").mkdir()
    (folder / "moved.md").rename(folder / "deep/moved.md")
    write(folder, "swap.md", *(f"new {number}" for number in range(LONG)))
    write(folder, "grow.md", *range(LONG))
    write(folder, "short.md", 1, "x")
    write(folder, "new.md", *(f"n {number}" for number in range(LONG)))


def stray(state: Path) -> None:
    """Put a slot into the collection that nobody owns, and into the list of those to delete."""
    client = chromadb.PersistentClient(str(state / "chroma"))
    handle = client.get_collection("ingestd", embedding_function=None)
    handle.add(ids=[STRAY], embeddings=[[0.25] * 16], documents=["stray"], metadatas=[{"a": 1}])
    client.close()
    ended.record(state / "chroma")  # so that the next run does not look for damage
    with sqlite3.connect(state / "state.db") as table:
        table.execute("INSERT INTO orphans (collection, slot) VALUES ('ingestd', ?)", [STRAY])


def stored(handle: Any) -> dict[str, tuple[str, dict[str, Any], list[float]]]:
    """Everything in a collection by slot: text, metadata, embedding."""
    found: dict[str, tuple[str, dict[str, Any], list[float]]] = {}
    while True:
        page = handle.get(
            include=["documents", "metadatas", "embeddings"], limit=500, offset=len(found)
        )
        names = ("ids", "documents", "metadatas", "embeddings")
        for slot, text, metadata, vector in zip(*(page[name] for name in names), strict=True):
            found[slot] = (text, dict(metadata), [round(float(x), 5) for x in vector])
        if len(page["ids"]) < 500:
            return found


def collection_of(state: Path) -> dict[str, tuple[str, dict[str, Any], list[float]]]:
    """Everything in the collection of a state directory that nobody has open."""
    client = chromadb.PersistentClient(str(state / "chroma"))
    try:
        return stored(client.get_collection("ingestd", embedding_function=None))
    finally:
        client.close()


def view(records: dict[str, tuple[str, dict[str, Any], list[float]]]) -> View:
    """What a collection says, by path and ordinal: equal for equal folders and equal history."""
    found: View = {}
    for text, metadata, vector in records.values():
        said = {name: value for name, value in metadata.items() if name != "indexed_at"}
        place = (str(said["path"]), int(said["ordinal"]))
        assert place not in found, f"twice: {place}"
        found[place] = [text, said, vector]
    return found


def rows(state: Path, query: str) -> list[tuple[Any, ...]]:
    """Read the state table."""
    table = sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True)
    try:
        return table.execute(query).fetchall()
    finally:
        table.close()


DOCUMENTS = """
SELECT id, path, directory, status, reason, device, inode, size, mtime_ns, ctime_ns, hex(digest),
       pipeline, mime, chunk_count, forced, relabel, attempts, error_code, missing_since
FROM documents ORDER BY path
"""
CHUNKS = 'SELECT slot, document_id, ordinal, start, "end", lower(hex(digest)), status FROM chunks'


def assert_exact(
    state: Path, records: dict[str, tuple[str, dict[str, Any], list[float]]] | None = None
) -> View:
    """The table says exactly what is in the collection, and nothing is in motion."""
    records = collection_of(state) if records is None else records
    slots = {row[0]: row[1:] for row in rows(state, CHUNKS)}
    assert set(slots) == set(records), "slots of the table and of the collection"
    for slot, (document, ordinal, start, end, digest, status) in slots.items():
        said = records[slot][1]
        assert status == "live"
        assert (said["document_id"], said["ordinal"]) == (document, ordinal)
        assert (said["start"], said["end"], said["chunk_digest"]) == (start, end, digest)
    assert rows(state, "SELECT * FROM orphans") == []
    assert rows(state, "SELECT * FROM collections WHERE refill_since IS NOT NULL") == []
    held = rows(state, "SELECT document_id, count(*) FROM chunks GROUP BY document_id")
    counted = rows(state, "SELECT id, chunk_count FROM documents WHERE chunk_count > 0")
    assert sorted(held) == sorted(counted)
    return view(records)


def same_documents(state: Path, other: Path) -> None:
    """Two tables say the same of every document."""
    assert rows(state, DOCUMENTS) == rows(other, DOCUMENTS)


def last_json(text: str) -> dict[str, Any]:
    """The JSON object on the last line."""
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found

"""Chroma never uses the place of a deleted vector again. What that costs, with ingestd and without.

Two Chroma servers hold the same documents. Behind the first is the daemon, and somebody edits,
deletes and adds documents; the second is written to as most programs do it: the old chunks are
deleted, the new ones added. First a fifth of all vectors is replaced in each round by editing
documents, then in each round a fifth of the documents is deleted and as many others come. After
each round disk, memory and time are taken; in the end, how many of the ten nearest are found.

The daemon's time is that from the first changed file until everything is indexed: reading,
cutting and embedding included. The other's is that of Chroma's calls alone.

    python profiling/churn.py                  # 10,000 vectors, 60 and 60 rounds
    python profiling/churn.py --quick          # 1,000 vectors, 6 and 6 rounds

Exit status 1 when ours finds fewer than 95 of 100, or has grown beyond what it may.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import numpy as np
from _daemon import Content, Daemon, verb
from _processes import CHROMA, disk_bytes, family
from _server import PlainServer, client, query_ms, recall
from _texts import TOPICS, document, words
from measure import MIB, Line, Panel, mib

from ingestd.embed.chroma import growth
from ingestd.embed.chroma.store import SYNC_THRESHOLD
from ingestd.embed.compacted import due
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

DIMENSION = 384
MODEL = f"hash:{DIMENSION}"
SECTIONS = 20
A_FIFTH = 5
BATCH = 250
"""As the daemon writes."""
PATIENCE_S = 1_800.0
BEGINS_S = 2.0
"""A compaction that is due begins within this time, or not in this round."""
BOUND = 2.5
"""How many times its size at the beginning ours may take on disk at any time: it is made anew at
twice the live size, and holds what is new until it is saved."""
LEAST_RECALL = 0.95
Row = dict[str, Any]


class Corpus:
    """The documents: numbers and editions, the same for both."""

    def __init__(self, documents: int, seed: int) -> None:
        self.editions = dict.fromkeys(range(documents), 0)
        self._next = documents
        self._chance = random.Random(seed)  # noqa: S311 - repeatable

    def edit(self) -> tuple[list[int], list[int]]:
        """Give a fifth of the documents other text; returns what goes, and what comes."""
        chosen = self._some()
        for number in chosen:
            self.editions[number] += 1
        return chosen, chosen

    def replace(self) -> tuple[list[int], list[int]]:
        """Delete a fifth of the documents, and add as many others."""
        chosen = self._some()
        for number in chosen:
            del self.editions[number]
        added = list(range(self._next, self._next + len(chosen)))
        self._next += len(chosen)
        self.editions |= dict.fromkeys(added, 0)
        return chosen, added

    def text(self, number: int) -> str:
        """A document as it is now."""
        return document(number, self.editions[number], SECTIONS)

    def _some(self) -> list[int]:
        return self._chance.sample(sorted(self.editions), len(self.editions) // A_FIFTH)


class Ours:
    """The daemon, and the folder that it watches."""

    name = "ours"

    def __init__(self, place: Path, corpus: Corpus) -> None:
        self.corpus = corpus
        self.folder = place / "docs"
        for number in corpus.editions:
            self._write(number)
        self.daemon = Daemon(self.folder, place / "state", {"model.name": MODEL})
        self._told = 0

    @property
    def server_pid(self) -> int:
        """The server's process id; it may be started anew."""
        return family(self.daemon.pid)[CHROMA][0]

    @property
    def handle(self) -> Any:
        """The collection, as readers see it."""
        return client(self.daemon.port).get_collection("ingestd", embedding_function=None)

    def change(self, gone: Iterable[int], come: Sequence[int]) -> float:
        """Change files, and wait until all of that is indexed; returns the seconds."""
        started = time.monotonic()
        expected: dict[bytes, Content | None] = {}
        for number in set(gone).difference(come):
            self._file(number).unlink()
            expected[self._key(number)] = None
        for number in come:
            self._write(number)
            expected[self._key(number)] = Content.of(self._file(number))
        self.daemon.settle(expected, PATIENCE_S)
        return time.monotonic() - started

    def compacted(self) -> list[dict[str, Any]]:
        """Wait while its Chroma is made anew; tells what it said of that since the last call.

        It looks whether that is due whenever enough was deleted, so it may well go on as it is, or
        have been made anew before the changes were settled.
        """
        if self._due():
            with contextlib.suppress(TimeoutError):
                self.daemon.until(self._busy, BEGINS_S, 0.05)
        self.daemon.until(lambda: not self._busy(), PATIENCE_S, 0.1)
        told = self.daemon.events("compacted")
        news, self._told = told[self._told :], len(told)
        return news

    def growths(self) -> list[growth.Growth]:
        """Places ever used and live slots, as of the last save."""
        return growth.measure(self.daemon.state / "chroma")

    def _busy(self) -> bool:
        begun = [event for event in self.daemon.events("compacting") if "collections" in event]
        return len(begun) > len(self.daemon.events("compacted", "not_compacted"))

    def _due(self) -> bool:
        return due(self.growths(), StoreSettings().compact_at) is not None

    def size(self) -> tuple[int, int]:
        """Bytes on disk, and resident bytes of the server."""
        return disk_bytes(self.daemon.state / "chroma"), measure.rss(self.server_pid)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number % 10}" / f"{number}.md"

    def _key(self, number: int) -> bytes:
        return os.fsencode(self._file(number).relative_to(self.folder))

    def _write(self, number: int) -> None:
        file = self._file(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.corpus.text(number), encoding="utf-8")


class Plain:
    """A server of its own, written to by deleting and adding."""

    name = "plain"

    def __init__(self, place: Path, corpus: Corpus) -> None:
        self.corpus = corpus
        self.server = PlainServer(place)
        self._ids: dict[int, list[str]] = {}
        self._embedder = HashEmbedder(DIMENSION)

    @property
    def server_pid(self) -> int:
        """The server's process id."""
        return self.server.pid

    def fill(self) -> None:
        """Make the collection, and add every document."""
        settings = {"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}}
        self.handle = client(self.server.port).create_collection(
            "plain", configuration=settings, embedding_function=None
        )
        self.change((), list(self.corpus.editions))

    def change(self, gone: Iterable[int], come: Sequence[int]) -> float:
        """Delete the chunks of some documents, and add those of others; returns the seconds.

        What is added is made before the clock runs.
        """
        rows = [row for number in come for row in self._rows(number)]
        texts = [text for _, text, _ in rows]
        vectors = self._embedder.embed(texts)
        leaving = [slot for number in gone for slot in self._ids.pop(number)]
        for slot, _, metadata in rows:
            self._ids.setdefault(metadata["document_id"], []).append(slot)
        started = time.monotonic()
        for at in range(0, len(leaving), BATCH):
            self.handle.delete(ids=leaving[at : at + BATCH])
        for at in range(0, len(rows), BATCH):
            part = rows[at : at + BATCH]
            self.handle.add(
                ids=[slot for slot, _, _ in part],
                embeddings=vectors[at : at + BATCH],
                documents=[text for _, text, _ in part],
                metadatas=[metadata for _, _, metadata in part],
            )
        return time.monotonic() - started

    def size(self) -> tuple[int, int]:
        """Bytes on disk, and resident bytes of the server."""
        return disk_bytes(self.server.data), measure.rss(self.server_pid)

    def _rows(self, number: int) -> list[tuple[str, str, dict[str, Any]]]:
        edition = self.corpus.editions[number]
        sections = self.corpus.text(number).split("\n## ")
        return [
            (
                f"{number}-{edition}-{place}",
                text,
                {
                    "source": f"/documents/{number}.md",
                    "source_name": "documents",
                    "path": f"{number}.md",
                    "title": "",
                    "headings": f"Section {place}",
                    "ordinal": place,
                    "mime": "text/markdown",
                    "lang": "en",
                    "document_id": number,
                    "chunk_digest": hashlib.sha256(text.encode()).hexdigest(),
                    "modified_at": float(edition),
                },
            )
            for place, text in enumerate(sections)
        ]


def questions(count: int, seed: int) -> NDArray[np.float32]:
    """Vectors to ask for, of texts on all topics: shape (count, 384)."""
    chance = random.Random(f"questions-{seed}")  # noqa: S311 - repeatable
    texts = [words(number % TOPICS, chance, count=12) for number in range(count)]
    return np.asarray(HashEmbedder(DIMENSION).embed(texts), dtype=np.float32)


def churn(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All rounds with both; returns rows of figures, and what is found in the end."""
    corpus = Corpus(given.vectors // SECTIONS, given.seed)
    asked = questions(given.queries, given.seed)
    rows: list[Row] = []
    recalls: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        ours = Ours(place / "ours", corpus)
        stack.enter_context(ours.daemon)
        ours.daemon.settle({}, PATIENCE_S)
        plain = Plain(place / "plain", corpus)
        stack.enter_context(plain.server)
        plain.fill()
        rows.append(look(0, "start", asked, ours, plain))
        recalls["start"] = found(asked, ours, plain)
        for phase, rounds, step in (
            ("edits of documents", given.edit_rounds, corpus.edit),
            ("documents deleted and added", given.replace_rounds, corpus.replace),
        ):
            for _ in range(rounds):
                rows.append(one_round(len(rows), phase, step(), asked, (ours, plain)))
                say(rows[-1])
            recalls[f"after {phase}"] = found(asked, ours, plain)
        end = {
            "vectors": {each.name: each.handle.count() for each in (ours, plain)},
            "check_exit": verb(ours.daemon, "check").returncode,
            "complaints": ours.daemon.complaints(),
        }
    return {"rows": rows, "recall_at_10": recalls, **end}


def one_round(
    number: int,
    phase: str,
    change: tuple[list[int], list[int]],
    asked: NDArray[np.float32],
    both: tuple[Ours, Plain],
) -> Row:
    """Change both, let ours be made anew where that is due, and look."""
    ours, plain = both
    write_s = {each.name: round(each.change(*change), 2) for each in both}
    compacted = ours.compacted()
    return {
        **look(number, phase, asked, ours, plain),
        **{f"{name}_write_s": seconds for name, seconds in write_s.items()},
        "compacted": [
            {name: event.get(name) for name in ("seconds", "away_s", "paused_s", "freed_bytes")}
            for event in compacted
        ],
    }


def look(
    number: int, phase: str, asked: NDArray[np.float32], ours: Ours, plain: Plain
) -> dict[str, Any]:
    """What both take now, and how fast they answer."""
    row: dict[str, Any] = {
        "round": number,
        "phase": phase,
        "ours_bloat": round(max((one.bloat for one in ours.growths()), default=1.0), 2),
    }
    for each in (ours, plain):
        spent = measure.cpu_seconds(each.server_pid)
        took = query_ms(each.handle, asked)
        spent = measure.cpu_seconds(each.server_pid) - spent
        disk, rss = each.size()
        row |= {
            f"{each.name}_query_cpu_ms": round(spent * 1_000 / len(asked), 2),
            f"{each.name}_disk": disk,
            f"{each.name}_rss": rss,
            f"{each.name}_query_ms": took["median"],
            f"{each.name}_query_p95_ms": took["p95"],
        }
    return row


def found(asked: NDArray[np.float32], ours: Ours, plain: Plain) -> dict[str, float]:
    """Recall of both, now."""
    return {each.name: recall(each.handle, asked) for each in (ours, plain)}


def say(row: Row) -> None:
    """Tell how far it is."""
    print(
        f"round {row['round']}, {row['phase']}: ours {mib(row['ours_disk'])} MiB on disk, "
        f"plain {mib(row['plain_disk'])}",
        file=sys.stderr,
        flush=True,
    )


COLUMNS = {
    "disk": ("disk MiB", mib),
    "rss": ("RSS MiB", mib),
    "query_ms": ("query ms", str),
    "query_cpu_ms": ("CPU ms", str),
    "write_s": ("write s", str),
}


def report(values: Mapping[str, Any]) -> None:
    """Print the table of some rounds, and the end."""
    rows = values["rows"]
    last = rows[-1]["round"]
    shown = {0, 1, *range(0, last + 1, max(1, last // 12)), last}
    headings = ["round", "phase"]
    headings += [f"{who} {title}" for title, _ in COLUMNS.values() for who in ("ours", "plain")]
    headings.append("ours places over live")
    cells = [
        [row["round"], row["phase"]]
        + [
            form(row[f"{who}_{name}"]) if f"{who}_{name}" in row else "-"
            for name, (_, form) in COLUMNS.items()
            for who in ("ours", "plain")
        ]
        + [row["ours_bloat"]]
        for row in rows
        if row["round"] in shown
    ]
    print(measure.table(headings, cells))
    print(f"\nrecall@10: {values['recall_at_10']}\nvectors: {values['vectors']}")
    anew = {row["round"]: row["compacted"] for row in rows if row.get("compacted")}
    print(f"ours was made anew in rounds: {anew or 'none'}")
    print(f"check: {values['check_exit']}; logged: {values['complaints']}")
    for fault in values["faults"]:
        print(f"FAULT: {fault}")


def judged(values: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Add what is not as it must be."""
    rows = values["rows"]
    grown = {}
    for name in ("ours_disk", "plain_disk", "ours_rss", "plain_rss"):
        grown[name] = round(max(row[name] for row in rows) / rows[0][name], 2)
    least = min(each["ours"] for each in values["recall_at_10"].values())
    faults = {
        f"recall@10 of ours is {least}": least < LEAST_RECALL,
        f"ours grew to {grown['ours_disk']} times its size on disk": (
            grown["ours_disk"] > BOUND and not given.quick
        ),
        f"ours holds {values['vectors']['ours']} vectors": (
            values["vectors"]["ours"] != values["vectors"]["plain"]
        ),
        f"`ingestd check` ended with {values['check_exit']}": values["check_exit"] != 0,
    }
    return {
        "vectors_asked_for": given.vectors,
        "dimension": DIMENSION,
        "largest_over_first": grown,
        "faults": [fault for fault, holds in faults.items() if holds],
        **values,
    }


def draw(given: argparse.Namespace, values: Mapping[str, Any]) -> None:
    """Draw disk, memory and times over the rounds."""
    rows = values["rows"]
    colours = {"ours": measure.COLOURS[1], "plain": measure.COLOURS[0]}

    def panel(name: str, label: str, scale: float) -> Panel:
        lines = []
        for who, colour in colours.items():
            have = [row for row in rows if f"{who}_{name}" in row]
            values = [row[f"{who}_{name}"] / scale for row in have]
            lines.append(Line(who, [row["round"] for row in have], values, colour=colour))
        return Panel(lines, "round", label)

    panels = [panel("disk", "disk (MiB)", MIB), panel("rss", "memory of the server (MiB)", MIB)]
    title = "a fifth of the vectors replaced in each round"
    measure.draw_chart(given, panels, title=title, suffix="-size")
    panels = [panel("query_ms", "query (ms, median)", 1), panel("write_s", "a round (s)", 1)]
    measure.draw_chart(given, panels, title=title, suffix="-time")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = measure.parser(__doc__)
    parser.add_argument("--vectors", type=int, help="that are live (10000)")
    parser.add_argument("--edit-rounds", type=int, help="of editing documents (60)")
    parser.add_argument("--replace-rounds", type=int, help="of deleting and adding (60)")
    parser.add_argument("--queries", type=int, default=200, help="a round (200)")
    given = parser.parse_args()
    quick = {"vectors": 1_000, "edit_rounds": 6, "replace_rounds": 6}
    long = {"vectors": 10_000, "edit_rounds": 60, "replace_rounds": 60}
    for name, value in (quick if given.quick else long).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def main() -> int:
    """Run, report, write the result."""
    given = options()
    with tempfile.TemporaryDirectory(prefix="churn-") as place:
        values = judged(churn(Path(place), given), given)
    report(values)
    measure.write(given, values)
    draw(given, values)
    return int(bool(values["faults"]))


if __name__ == "__main__":
    sys.exit(main())

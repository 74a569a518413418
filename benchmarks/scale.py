"""Very many documents through the whole pipeline: ``python -m benchmarks.scale``.

Files are generated, then `ingestd run` takes them up with its watchers, its extraction child and a
managed Chroma of its own; only the model is a stand-in, which hashes words. While it works, it is
looked at from outside: documents and chunks, memory and processor time of each process, disk. From
that follow the rates, and where the growth stops being linear. The files are removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import growth, machine, scale_report
from benchmarks.bench import RESULTS
from benchmarks.census import Sample, look
from benchmarks.daemon import Daemon
from benchmarks.documents import Corpus
from benchmarks.generate import write_files
from benchmarks.own_cut import counter
from benchmarks.series.rows import tell

FILES, CHUNKS = 200_000, 1_000_000
QUICK_FILES = 2_000
HASH = "hash"
"""The model; `hash:16` has vectors of 16 dimensions, and leaves more of the time to the rest."""
SEED = 1
TRIED = 400
"""Documents that are cut to find out how long they have to be."""
MOST_BLOCKS = 512
TENTH = 10
"""Of a block: the median length of documents is found to that."""
HOURS = 6.0
LEAST_S, MOST_S, SHARE = 0.25, 30.0, 0.02
"""Between two looks: so much of the time that has passed, within bounds."""
TOLD_S = 30.0


def corpus_of(chunks_a_file: float, model: str) -> tuple[Corpus, float]:
    """Documents that are cut into so many chunks in the mean, or a little more.

    Returns:
        The corpus, and the mean number of chunks in a sample.
    """
    chunks = counter(model)

    def mean(tenths: int) -> float:
        corpus = Corpus(SEED, blocks=tenths / TENTH)
        return sum(chunks(document.text) for document in corpus.documents(TRIED)) / TRIED

    low, high = 1, TENTH
    while mean(high) < chunks_a_file and high < TENTH * MOST_BLOCKS:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if mean(middle) >= chunks_a_file else (middle + 1, high)
    return Corpus(SEED, blocks=low / TENTH), mean(low)


def measure(
    corpus: Corpus, files: int, work: Path, *, model: str, limit_s: float
) -> tuple[list[Sample], dict[str, Any]]:
    """Generate files, have a new daemon index them, and look on.

    Args:
        corpus: of which documents.
        files: how many.
        work: where the files and the state go.
        model: a hash model.
        limit_s: it is broken off then, and what was seen until then is told.

    Returns:
        What was seen, and about the run: seconds of the generation, megabytes of documents, and
        whether all were indexed.
    """
    docs, state = work / "docs", work / "state"
    started = time.monotonic()
    tell(f"{files:,} files are written")
    written = write_files(docs, corpus, files)
    generated_s = time.monotonic() - started
    tell(f"{written / 1e6:,.0f} MB in {generated_s:.0f} s; the daemon starts")
    started, whole = time.monotonic(), True
    with Daemon(docs, state, model=model, waits=False) as daemon:
        watch = _Watch(daemon, state, files, started)
        try:
            daemon.until(watch.all_done, limit_s, glance_s=LEAST_S)
        except TimeoutError:
            whole = False
        samples = [*watch.samples, look(daemon, state, started)]
    about = {
        "documents_mb": round(written / 1e6, 1),
        "generated_s": round(generated_s, 1),
        "complete": whole,
    }
    return samples, about


class _Watch:
    """Looks at a daemon from time to time, until it has indexed all files."""

    def __init__(self, daemon: Daemon, state: Path, files: int, started: float) -> None:
        self.samples: list[Sample] = []
        self._daemon = daemon
        self._state = state
        self._files = files
        self._started = started
        self._next = self._told = 0.0

    def all_done(self) -> bool:
        """Look, where it is time to; whether everything is indexed."""
        now = time.monotonic() - self._started
        if now < self._next:
            return False
        sample = look(self._daemon, self._state, self._started)
        self.samples.append(sample)
        self._next = now + min(MOST_S, max(LEAST_S, SHARE * now))
        if now >= self._told:
            tell(f"{now:,.0f} s: {sample.documents:,} documents, {sample.chunks:,} chunks")
            self._told = now + TOLD_S
        return sample.documents >= self._files


def main() -> int:
    """Read the command line, measure, report."""
    given = _arguments()
    files = given.files or (QUICK_FILES if given.quick else FILES)
    chunks = given.chunks or files * CHUNKS // FILES
    about = machine.describe()
    corpus, mean = corpus_of(chunks / files, given.model)
    tell(f"documents of {corpus.blocks} blocks in the median, {mean:.2f} chunks in the mean")
    with tempfile.TemporaryDirectory(prefix="scale-", dir=given.work) as work:
        samples, run = measure(
            corpus, files, Path(work), model=given.model, limit_s=3_600 * given.hours
        )
    values = {
        "machine": about,
        "quick": given.quick,
        "model": given.model,
        "files": files,
        "blocks": corpus.blocks,
        **run,
        "segments": [segment.as_json() for segment in growth.segments(samples)],
        "exponents": growth.exponents(samples),
        "bytes_a_chunk": growth.by_vector(samples),
        "finding": growth.finding(growth.segments(samples)),
        "samples": [sample.as_json() for sample in samples],
    }
    scale_report.show(values, Console(width=120 if not sys.stdout.isatty() else None))
    file = given.json or RESULTS / ("scale-quick.json" if given.quick else "scale.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = scale_report.charts(samples, file)
    values["charts"] = [chart.name for chart in drawn]
    file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    for each in (file, *drawn):
        print(f"written: {each}")
    return 0 if run["complete"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--files", type=int, help=f"default: {FILES}; with --quick {QUICK_FILES}")
    add("--chunks", type=int, help="of all files, about; default: five a file")
    add("--quick", action="store_true", help="a minute or two, for trying it out")
    add("--model", default=HASH, help=f"default: {HASH}; hash:16 has vectors of 16 dimensions")
    add("--hours", type=float, default=HOURS, help=f"broken off then; default: {HOURS:.0f}")
    add("--work", type=Path, help="where files and state go; default: the temporary folder")
    add("--json", type=Path, help="default: benchmarks/results/scale.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

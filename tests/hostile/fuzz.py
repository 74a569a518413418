"""Has the extraction child read mutations of good files, and tells what it made of them.

    python tests/hostile/fuzz.py [--number 10000] [--seed 1] [--log FILE] [--keep DIR]

Each mutation is decided by the seed and its number. With a log, a run that was broken off goes on
where it ended; ``--first N --number 1 --keep DIR`` makes one again. Ends with 1 when a mutation
hung, or when this process, which stands for the daemon, was harmed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from containers import _PAGE, _SMALL_DOCX, Again, package, xlsx
from mutate import mutated

from ingestd.config import ExtractSettings
from ingestd.embed import model
from ingestd.embed.cutting import Cutting
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.pool import Pool
from ingestd.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
TIMEOUT_S = 5.0
SLOW_S = 2.0
LARGEST = 200_000
CORPUS = Path(__file__).resolve().parents[1] / "corpus"
GROWTH_BYTES = 64 * MIB
SETTINGS = ExtractSettings(memory_bytes=512 * MIB, timeout_s=TIMEOUT_S, recycle_documents=500)


@dataclass(slots=True)
class Score:
    """What came of the mutations so far."""

    mutations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: list[dict[str, Any]] = field(default_factory=list)
    hung: list[dict[str, Any]] = field(default_factory=list)
    slow: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_child_bytes: int = 0
    children: int = 0
    seconds: float = 0.0
    grown_bytes: int = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Count one."""
        self.mutations += 1
        self.outcomes[entry["outcome"]] += 1
        self.slowest_s = max(self.slowest_s, entry["seconds"])
        self.peak_child_bytes = max(self.peak_child_bytes, entry["child_bytes"])
        short = {key: entry[key] for key in ("number", "name", "seconds", "outcome")}
        if entry["outcome"].startswith("died"):
            self.deaths.append(short)
        if entry["outcome"] == "hung":
            self.hung.append(short)
        if entry["seconds"] > SLOW_S:
            self.slow.append(short)


def good_files(folder: Path | None) -> list[tuple[str, bytes]]:
    """The files to mutate: of a folder, or ours, and small ones of each format."""
    found = [] if folder else list(_made())
    for path in sorted((folder or CORPUS).rglob("*")):
        if path.is_file() and path.stat().st_size <= LARGEST:
            found.append((path.name, path.read_bytes()))
    return found


def _made() -> Iterator[tuple[str, bytes]]:
    """Small files that are right, often enough that each is chosen now and then."""
    cell = (
        b'<row r="1"><c r="A1"><v>1</v></c><c r="B1" t="inlineStr"><is><t>words</t></is></c></row>'
    )
    packed = {
        "a.docx": _SMALL_DOCX,
        "a.xlsx": xlsx(cell),
        "a.odt": package(
            {
                "mimetype": b"application/vnd.oasis.opendocument.text",
                "content.xml": b"<office:text><text:p>words</text:p></office:text>",
            }
        ),
        "a.zip": package({"a.md": b"# Words\n\nand words\n", "b/c.txt": Again(b"words\n", 9)}),
    }
    texts = {
        "a.pdf": _PAGE,
        "a.html": b"<!doctype html><html><head><title>T</title><meta charset=utf-8></head><body>"
        b"<h1>One</h1><p>words <b>and</b> words<table><tr><td>1<td>2</table><pre>x\ny</pre></body>",
        "a.json": b'{"a": [1, 2.5, "words", null, {"b": "\\u00e9"}], "c": true}\n',
        "a.jsonl": b'{"a": 1}\n{"a": "words"}\n[]\n',
        "a.yaml": b"a: &x [1, two]\nb: *x\nc: |\n  words\n  words\n",
        "a.toml": b'a = 1\n[b]\nc = "words"\nd = [1979-05-27, {e = 1}]\n',
        "a.csv": b'name,number\n"a, b",1\nc,2\n' * 20,
        "a.xml": b'<?xml version="1.0"?><a b="c"><d>words</d><!-- e --><![CDATA[f]]></a>',
        "a.rst": b"Title\n=====\n\nwords\n\n* one\n* two\n\n.. code:: python\n\n   x = 1\n",
        "a.tex": b"\\documentclass{article}\\begin{document}\\section{One}words $x$\\end{document}",
        "a.py": b"def f(x):\n    '''words'''\n    return x\n\n\nclass A:\n    pass\n" * 5,
        "a.ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# One\\n", "words"]},'
        b'{"cell_type": "code", "source": "x = 1", "outputs": []}], "nbformat": 4}',
        "a.eml": b"From: a@b\nSubject: words\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
        b"Content-Type: text/html\n\n<p>words\n--x\nContent-Type: application/pdf\n"
        b"Content-Transfer-Encoding: base64\n\nJVBERi0=\n--x--\n",
        "a.rtf": b"{\\rtf1\\ansi{\\fonttbl\\f0 A;}\\f0\\pard words {\\b and} \\u54620? words}",
        "a.org": b"* One\n** Two\nwords\n#+BEGIN_SRC\nx\n#+END_SRC\n| a | b |\n",
        "a.adoc": b"= One\n\n== Two\n\nwords\n\n----\nx\n----\n",
        "utf16.txt": "words 한글\n".encode("utf-16") * 20,
        "cp949.txt": "한글 문서입니다. words\n".encode("cp949") * 20,
    }
    with tempfile.TemporaryDirectory() as place:
        for name, make in packed.items():
            make(Path(place) / name)
            texts[name] = (Path(place) / name).read_bytes()
    for _ in range(8):
        yield from texts.items()


def read(pool: Pool, name: str, content: bytes) -> str:
    """Have the child read it; what came of it."""
    fd = os.memfd_create("mutation", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        for _ in pool.cut(fd, name.encode(), len(content)):
            pass
    except SkipDocument as skip:
        return f"skipped: {skip.reason}"
    except DocumentError as error:
        if "no sign of life" in error.message:
            return "hung"
        if "too much time" in error.message:
            return "hung"
        if error.message.startswith("the extraction child"):
            return f"died: {error.message}"
        return f"failed: {error.message.split(':')[0][:40]}"
    finally:
        os.close(fd)
    return "indexed"


def fuzz(
    files: list[tuple[str, bytes]],
    *,
    seed: int,
    numbers: range,
    log: Path | None,
    keep: Path | None,
) -> Score:
    """Read so many mutations."""
    score, before = Score(), _resident()
    done = _done(log, seed, score)
    spec = model.locate("hash")
    pool = Pool(spec, Cutting(spec.max_tokens), SETTINGS)
    started = time.monotonic()
    try:
        for number in numbers:
            if number in done:
                continue
            name, content = mutated(files, seed, number)
            began = time.monotonic()
            outcome = read(pool, name, content)
            entry = {
                "seed": seed,
                "number": number,
                "name": name,
                "bytes": len(content),
                "seconds": round(time.monotonic() - began, 3),
                "outcome": outcome,
                "child_bytes": pool.peak_bytes,
            }
            score.add(entry)
            if keep and (outcome.startswith(("died", "hung")) or len(numbers) == 1):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}-{name}").write_bytes(content)
            if log:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
        score.children = pool.recycled + 1
    finally:
        pool.close()
    score.seconds = round(time.monotonic() - started, 1)
    score.grown_bytes = _resident() - before
    return score


def _done(log: Path | None, seed: int, score: Score) -> set[int]:
    """The numbers that an earlier run dealt with."""
    if log is None or not log.exists():
        return set()
    found = set()
    for line in log.read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["seed"] == seed:
            score.add(entry)
            found.add(entry["number"])
    return found


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="a folder of good files; default: our own")
    parser.add_argument("--log", type=Path, help="a line for each mutation; a run goes on from it")
    parser.add_argument("--keep", type=Path, help="where mutations are kept that end a child")
    options = parser.parse_args()
    files = good_files(options.corpus)
    numbers = range(options.first, options.first + options.number)
    score = fuzz(files, seed=options.seed, numbers=numbers, log=options.log, keep=options.keep)
    shown = {**asdict(score), "outcomes": dict(score.outcomes.most_common())}
    print(json.dumps({"files": len(files), "seed": options.seed, **shown}, indent=2))  # noqa: T201
    return 1 if score.hung or score.grown_bytes > GROWTH_BYTES else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Reads documents of every format whose words are known: ``python -m benchmarks.formats``.

The documentation of FastAPI in English and Korean is converted by pandoc and LibreOffice, documents
of Debian's packages come beside it; ingestd reads them in its sandbox, and so do markitdown and
docling where ``python -m benchmarks.setup`` installed them. Counted are the words that were found
and the time of the processor. ``--quick`` reads the few documents of ``tests/corpus/office``, and
needs no other program.

The exit code is 1 where ingestd cannot read a document.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import machine, systems
from benchmarks.formats import convert, corpus, debian, items, measure, report, samples
from benchmarks.setup import interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = systems.ROOT / "tests" / "corpus" / "fastapi-docs"
SAMPLES = systems.ROOT / "tests" / "corpus" / "office"
CORPUS = systems.ROOT / "benchmarks" / "results" / "formats-corpus"
LANGUAGES = ("en", "ko")
PACKAGES = {
    "markitdown": ("markitdown", "mammoth", "pdfminer.six"),
    "docling": ("docling-slim", "docling-core"),
}


def need_programs() -> None:
    """End where a program that makes documents is not here."""
    if gone := convert.missing():
        sys.exit(f"{', '.join(gone)}: not found; on Debian: apt-get install {convert.PACKAGES}")


def build(folder: Path, pages: int) -> None:
    """Make the corpus, whose list is written last."""
    need_programs()
    folder.mkdir(parents=True, exist_ok=True)
    found: list[items.Item] = []
    for language in LANGUAGES:
        texts = corpus.chosen(DOCS / language, pages)
        found += corpus.Maker(folder, language).make(texts, book=True)
    items.save([*found, *debian.items(folder)], folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is not there, measure, print."""
    given = _parser().parse_args(arguments)
    if given.samples:
        need_programs()
        samples.make(DOCS, SAMPLES)
        return 0
    folder = SAMPLES if given.quick else given.corpus
    if given.build or not (folder / items.MANIFEST).exists():
        build(folder, given.pages)
    try:
        readers = measure.chosen(given.rivals)
    except LookupError as error:
        sys.exit(str(error))
    about = _about(readers)
    wanted = [
        item for item in items.load(folder) if not given.format or item.format in given.format
    ]
    values: dict[str, Any] = {"machine": about, "quick": given.quick, "rounds": given.rounds}
    rows = values["formats"] = _measured_before(given.json) if given.go_on else []
    done = {(row["format"], row["maker"]) for row in rows}
    wanted = [item for item in wanted if item.group not in done]
    for some in measure.measured(
        wanted, folder, readers, rounds=given.rounds, limit_s=given.limit_s
    ):
        rows += [row.values() for row in some]
        print(f"{rows[-1]['format']} of {rows[-1]['maker']}", file=sys.stderr, flush=True)
        _write(values, given.json)
    _show(rows, about)
    _write(values, given.json)
    return int(any(row["failed"] for row in rows if row["system"] == measure.OURS))


def _measured_before(file: Path | None) -> list[dict[str, Any]]:
    if file is None or not file.exists():
        return []
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["formats"]
    return found


def _write(values: dict[str, Any], file: Path | None) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _about(readers: Sequence[str]) -> dict[str, Any]:
    """The machine, and the versions of what is compared."""
    return {
        **machine.describe(),
        "rivals": {
            reader: machine.versions(interpreter(reader), PACKAGES[reader])
            for reader in readers
            if reader in PACKAGES
        },
    }


def _show(rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    console.print(report.table(rows))
    for line in report.missed(rows, measure.OURS):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where it is, or is made")
    parser.add_argument("--build", action="store_true", help="make it anew")
    parser.add_argument("--pages", type=int, default=30, help="pages of each language; default: 30")
    parser.add_argument("--format", action="append", help="only these formats; repeatable")
    parser.add_argument(
        "--rivals", nargs="*", help="beside ours; default: those that are installed"
    )
    parser.add_argument("--rounds", type=int, default=1, help="the quickest counts; default: 1")
    parser.add_argument("--limit-s", type=float, default=600, help="for one format and system")
    parser.add_argument("--quick", action="store_true", help="only tests/corpus/office")
    parser.add_argument("--samples", action="store_true", help="make tests/corpus/office anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--go-on", action="store_true", help="keep what that file has already")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Edits of the same documents in other formats: ``python -m benchmarks.edits_as EDITS.jsonl.gz``.

Each version of each page of a Markdown history is converted by pandoc, to DOCX where nothing else
is asked for, read and cut as the daemon does; nothing is embedded. Counted is the share of the
chunks of edited files that the file did not have before, beside that of the Markdown itself.

The exit code is 1 where more of a format would be embedded than is promised of Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.edits import PROMISED_PERCENT
from benchmarks.formats import convert
from benchmarks.own_cut import cutter
from benchmarks.share import GROUPS, load, offline
from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import SkipDocument
from ingestd.embed.model import configured
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch
from ingestd.embed.tokenize import open_tokenizer
from ingestd.settings.content import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TOLD_EVERY = 100


def converted_cutter(suffix: str, folder: Path) -> Callable[[str], list[str]]:
    """A function from a Markdown text to the digests of its chunks, once it was converted.

    Args:
        suffix: the end of the names of what it is converted to.
        folder: keeps the converted files; what lies there is not converted again.
    """
    chunker = Chunker(open_tokenizer(configured(ModelSettings())))
    reader = Cutter(chunker)
    made = 0

    def cut(text: str) -> list[str]:
        nonlocal made
        name = hashlib.sha256(text.encode()).hexdigest()
        file = folder / f"{name}.{suffix}"
        if not file.exists():
            convert.straight(text, file)
            made += 1
            if made % _TOLD_EVERY == 0:
                print(f"{made} versions converted", file=sys.stderr, flush=True)
        return digests(reader, file)

    return cut


def digests(reader: Cutter, file: Path) -> list[str]:
    """The digests of the chunks of a file; none where it has no text."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = reader.cut(fd, os.fsencode(file.name), os.fstat(fd).st_size)
        batches = (part for part in parts if isinstance(part, Batch))
        return [chunk.digest.hex() for batch in batches for chunk in batch.chunks]
    except SkipDocument:
        return []
    finally:
        os.close(fd)


def shares(edits: Path, suffixes: Sequence[str], work: Path, limit: int | None) -> dict[str, Any]:
    """The shares by format, Markdown first."""
    found = {"as Markdown": offline(load(edits, limit), cutter()).values()}
    for suffix in suffixes:
        folder = work / suffix
        folder.mkdir(parents=True, exist_ok=True)
        cut = converted_cutter(suffix, folder)
        found[f"as {suffix.upper()}"] = offline(load(edits, limit), cut).values()
    return found


def report(found: dict[str, Any], console: Console) -> None:
    """Print the table."""
    shown = (GROUPS[0], GROUPS[-1])
    table = Table("chunks of edited files that are new", *shown)
    for name, groups in found.items():
        cells = [
            f"{groups[group]['percent']:.1f} % ({groups[group]['new']} of {groups[group]['total']})"
            for group in shown
        ]
        table.add_row(name, *cells)
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, count, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edits_as", description=__doc__)
    parser.add_argument("edits", type=Path, help="change sets: gzipped JSON lines")
    parser.add_argument("--format", action="append", help="default: docx; repeatable")
    parser.add_argument("--limit", type=int, help="replay no more sets than this")
    parser.add_argument("--work", type=Path, help="keep the converted files here, and go on")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args(arguments)
    if "pandoc" in convert.missing():
        sys.exit("pandoc: not found; on Debian: apt-get install pandoc")
    about = machine.describe()
    with tempfile.TemporaryDirectory() as place:
        work = given.work or Path(place)
        found = shares(given.edits, given.format or ["docx"], work, given.limit)
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    report(found, console)
    if given.json:
        values = {"machine": about, "limit": given.limit, "shares": found}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    little = all(groups["all"]["percent"] <= PROMISED_PERCENT for groups in found.values())
    return 0 if little or given.limit is not None else 1  # a part of a history says nothing


if __name__ == "__main__":
    sys.exit(main())

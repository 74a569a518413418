"""What recycling the extraction child holds back: its memory over thousands of documents.

Small documents, and among them large pages and long texts, go through the pool that the daemon
reads with. The same documents in the same order, once with a child that is never replaced, once
with the bounds of the configuration as it comes, and with tighter ones.

    python profiling/parsers.py --quick                  # 400 documents, about a minute
    python profiling/parsers.py                          # 6,000 documents, about twenty minutes
    python profiling/parsers.py --documents 20000 --ways never default
    python profiling/parsers.py --here --ways never      # in this process, for memray
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _documents
import measure

from ingestd import logs
from ingestd.config import Settings
from ingestd.embed import model
from ingestd.embed.chunk import Chunker
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.pool import Pool
from ingestd.embed.tokenize import open_tokenizer
from ingestd.errors import DocumentError
from ingestd.pipeline import make_cutting
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Iterator

    from ingestd.embed.cutting import Cutting
    from ingestd.embed.model import ModelSpec
    from ingestd.embed.reading.parts import Part

NEVER = 2**60
WAYS: dict[str, dict[str, int]] = {
    "never": {"recycle_documents": NEVER, "recycle_bytes": NEVER},
    "default": {},
    "documents": {"recycle_documents": 500, "recycle_bytes": NEVER},
    "bytes": {"recycle_documents": NEVER, "recycle_bytes": 48 * measure.MIB},
}
ABOUT = {
    "never": "never replaced",
    "default": "as configured by default",
    "documents": "replaced after 500 documents",
    "bytes": "replaced past 48 MiB",
}
PAGE_EVERY, TEXT_EVERY, HUGE_EVERY = 20, 100, 500
PAGE_BYTES, TEXT_BYTES, HUGE_BYTES = 100_000, 2_000_000, 10_000_000
SAMPLES = 800
WARM_UP = 20


def write_documents(folder: Path, seed: int) -> dict[str, list[Path]]:
    """The files, by kind: small Markdown, HTML pages, a long text, huge pages."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    small = []
    for name, text in _documents.texts():
        small.append(folder / name)
        small[-1].write_text(text, encoding="utf-8")
    pages = [folder / f"page{number}.html" for number in range(8)]
    for number, page in enumerate(pages):
        write_page(page, PAGE_BYTES * (number + 1) // 4, chance)
    huge = [folder / f"huge{number}.html" for number in range(2)]
    for page in huge:
        write_page(page, HUGE_BYTES, chance)
    text_file = folder / "long.md"
    _documents.write_sections(text_file, TEXT_BYTES, seed=seed)
    return {"small": small, "pages": pages, "texts": [text_file], "huge": huge}


def write_page(file: Path, size: int, chance: random.Random) -> None:
    """An HTML page with tables, lists and links, of about so many bytes."""
    with file.open("w", encoding="utf-8") as out:
        written = out.write("<html><head><title>Page</title></head><body>\n")
        while written < size:
            words = _documents.paragraph(chance).split()
            cells = "".join(f"<td>{word} &amp; more</td>" for word in words[:20])
            items = "".join(f'<li><a href="#{word}">{word}</a></li>' for word in words[20:40])
            rest = " ".join(words[40:])
            written += out.write(
                f"<h2>{words[0]}</h2><table><tr>{cells}</tr></table><ul>{items}</ul><p>{rest}</p>\n"
            )
        out.write("</body></html>\n")


def order(files: dict[str, list[Path]], number: int) -> Iterator[Path]:
    """The documents, one after the other: mostly small ones."""
    for at in range(number):
        if at % HUGE_EVERY == HUGE_EVERY - 1:
            kind = "huge"
        elif at % TEXT_EVERY == TEXT_EVERY - 1:
            kind = "texts"
        elif at % PAGE_EVERY == PAGE_EVERY - 1:
            kind = "pages"
        else:
            kind = "small"
        yield files[kind][at % len(files[kind])]


class Here:
    """The pool's twin without a child: cuts in this process."""

    recycled = 0

    def __init__(self, spec: ModelSpec, cutting: Cutting) -> None:
        self.pid = os.getpid()
        self._cutter = Cutter(Chunker(open_tokenizer(spec), **asdict(cutting)))

    @property
    def peak_bytes(self) -> int:
        """The most resident memory of this process."""
        return measure.look().peak

    def cut(self, fd: int, name: bytes, size: int) -> Generator[Part, None, None]:
        """Yield the parts of a file."""
        return self._cutter.cut(fd, name, size)

    def close(self) -> None:
        """Nothing to end."""


def run(pool: Pool | Here, documents: Iterator[Path], number: int) -> dict[str, Any]:
    """Have the documents cut; returns the child's memory over them."""
    every = max(1, number // SAMPLES)
    xs, ys, failed, started = [], [], 0, time.monotonic()
    for at, file in enumerate(documents):
        failed += not cut(pool, file)
        if at % every == 0 and (pid := pool.pid):
            xs.append(at)
            ys.append(measure.rss(pid))
    peak = pool.peak_bytes
    return {
        "documents": number,
        "failed": failed,
        "recycled": pool.recycled,
        "seconds": round(time.monotonic() - started, 1),
        "rss_mib_first": round(ys[0] / measure.MIB, 1),
        "rss_mib_last": round(ys[-1] / measure.MIB, 1),
        "rss_mib_mean": round(sum(ys) / len(ys) / measure.MIB, 1),
        "peak_mib": round(peak / measure.MIB, 1),
        "slope_mib_per_1000_documents": measure.slope(xs, ys).times(1_000 / measure.MIB).as_json(),
        "samples": {"document": xs, "rss_mib": [round(y / measure.MIB, 2) for y in ys]},
    }


def cut(pool: Pool | Here, file: Path) -> bool:
    """Have one document cut and throw the chunks away; whether it could be."""
    fd = os.open(file, os.O_RDONLY)
    try:
        with contextlib.closing(pool.cut(fd, file.name.encode(), file.stat().st_size)) as parts:
            for _ in parts:
                pass
    except DocumentError:
        return False
    finally:
        os.close(fd)
    return True


def show(ways: dict[str, dict[str, Any]]) -> str:
    """The table."""
    headings = [
        "the child is",
        "replaced",
        "RSS first → last",
        "mean",
        "peak",
        "MiB per 1,000",
        "s",
    ]
    rows = []
    for way, values in ways.items():
        rise = values["slope_mib_per_1000_documents"]
        rows.append(
            [
                ABOUT[way],
                f"{values['recycled']} times",
                f"{values['rss_mib_first']:.0f} → {values['rss_mib_last']:.0f}",
                f"{values['rss_mib_mean']:.0f}",
                f"{values['peak_mib']:.0f}",
                f"{rise['value']:.2f} ({rise['low']:.2f} to {rise['high']:.2f})",
                f"{values['seconds']:.0f}",
            ]
        )
    return measure.table(headings, rows)


def measure_ways(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Each way on the same documents."""
    spec = model.locate(given.model)
    cutting = make_cutting(Settings(), spec)
    found = {}
    with tempfile.TemporaryDirectory(prefix="parsers") as name:
        files = write_documents(Path(name), given.seed)
        for way in given.ways:
            pool = (
                Here(spec, cutting)
                if given.here
                else Pool(spec, cutting, ExtractSettings(**WAYS[way]))
            )
            try:
                for file in files["small"][:WARM_UP]:
                    cut(pool, file)
                with measure.traced(given):
                    found[way] = run(pool, order(files, given.documents), given.documents)
            finally:
                pool.close()
            if sys.stderr.isatty():
                print(f"{way} is done", file=sys.stderr)
    return found


def main() -> int:
    """Measure, print, write and draw."""
    parser = measure.parser(__doc__)
    parser.add_argument("--documents", type=int, help="documents (6000; quick: 400)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which (all)")
    parser.add_argument("--here", action="store_true", help="cut in this process, without a child")
    parser.add_argument("--model", default="", help="model.name, whose tokens count (the packaged)")
    given = parser.parse_args()
    given.documents = given.documents or (400 if given.quick else 6_000)
    logs.configure("error", "json")
    ways = measure_ways(given)
    print(f"RSS of the extraction child in MiB, {given.documents:,} documents\n\n{show(ways)}")
    lines = [
        measure.Line(ABOUT[way], values["samples"]["document"], values["samples"]["rss_mib"])
        for way, values in ways.items()
    ]
    panel = measure.Panel(lines, "documents", "resident memory of the child, MiB")
    measure.draw_chart(given, [panel])
    measure.write(given, {"ways": ways})
    return 0


if __name__ == "__main__":
    sys.exit(main())

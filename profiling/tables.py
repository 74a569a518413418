"""Publishes results, and writes the figures of docs/memory.md anew from those published.

    python profiling/tables.py outage idle      # publish these results, and write the figures anew
    python profiling/tables.py                  # only write the figures anew
    python profiling/tables.py --check          # status 1 where the page says something else

A result that is published is copied from profiling/results to docs/memory, with its charts; that
folder is in the repository. In docs/memory.md a block of figures lies between two marks:

    <!-- figures: outage -->
    <!-- end of figures -->
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from _blocks import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "memory.md"
PUBLISHED = DOCS / "memory"
END = "<!-- end of figures -->"
BLOCK = re.compile(rf"<!-- figures: ([\w-]+) -->\n(.*?){re.escape(END)}", re.DOTALL)


def publish(names: Iterable[str], results: Path) -> list[Path]:
    """Copy results and their charts; returns the files made.

    Raises:
        SystemExit: there is no such result.
    """
    PUBLISHED.mkdir(exist_ok=True)
    made = []
    for name in names:
        result = results / f"{name}.json"
        if not result.exists():
            raise SystemExit(f"no {result}: run python profiling/{name}.py first")
        charts = [file for file in results.glob(f"{name}*.svg") if _of(file.stem, name)]
        for file in (result, *charts):
            made.append(PUBLISHED / file.name)
            shutil.copyfile(file, made[-1])
    return made


def _of(stem: str, name: str) -> bool:
    return stem == name or (stem.startswith(f"{name}-") and not stem.endswith("-quick"))


def render(name: str) -> str:
    """The text of a block, from its published result.

    Raises:
        KeyError: there is no such block.
        FileNotFoundError: its result was not published.
    """
    result, make = BLOCKS[name]
    values: dict[str, Any] = json.loads((PUBLISHED / f"{result}.json").read_text(encoding="utf-8"))
    return f"\n{make(values)}\n\n<sub>{measure.headline(values['about'])}</sub>\n\n"


def rewritten(page: str) -> tuple[str, list[str]]:
    """The page with its figures written anew, and the blocks whose results are missing."""
    missing = []

    def block(found: re.Match[str]) -> str:
        name = found[1]
        try:
            text = render(name)
        except FileNotFoundError:
            missing.append(name)
            return found[0]
        return f"<!-- figures: {name} -->\n{text}{END}"

    return BLOCK.sub(block, page), missing


def main() -> int:
    """Publish, and write or check the page."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="results to publish")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--results", type=Path, default=measure.RESULTS, help="where they lie")
    given = parser.parse_args()
    for file in publish(given.names, given.results):
        print(f"published: {file.relative_to(DOCS.parent)}")
    page = PAGE.read_text(encoding="utf-8")
    text, missing = rewritten(page)
    for name in missing:
        print(f"no result for the block {name}: python profiling/tables.py {BLOCKS[name][0]}")
    if given.check:
        if text != page:
            print("docs/memory.md does not agree with docs/memory: run python profiling/tables.py")
        return int(text != page or bool(missing))
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

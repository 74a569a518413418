"""Publishes results, and writes the figures of docs/benchmarks.md anew from those published.

    python -m benchmarks.publish bench scale    # publish these results, and write the figures anew
    python -m benchmarks.publish                # only write the figures anew
    python -m benchmarks.publish --check        # status 1 where the page says something else

A result that is published is copied from benchmarks/results to docs/benchmarks, with its charts;
that folder is in the repository. In docs/benchmarks.md a block of figures lies between two marks:

    <!-- figures: cold -->
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

from benchmarks import systems
from benchmarks.bench import RESULTS
from benchmarks.figures import BLOCKS, headline

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = systems.ROOT / "docs" / "benchmarks.md"
PUBLISHED = systems.ROOT / "docs" / "benchmarks"
END = "<!-- end of figures -->"
BLOCK = re.compile(rf"<!-- figures: ([\w-]+) -->\n(.*?){re.escape(END)}", re.DOTALL)


def publish(names: Iterable[str], results: Path, target: Path) -> list[Path]:
    """Copy results, without their samples, and their charts; returns the files made.

    Raises:
        LookupError: there is no such result.
    """
    target.mkdir(exist_ok=True)
    made = []
    for name in names:
        result = results / f"{name}.json"
        if not result.exists():
            raise LookupError(f"no {result}: run python -m benchmarks.{name} first")
        values = json.loads(result.read_text(encoding="utf-8"))
        for file in map(Path, values.get("charts", ())):
            made.append(target / file.name)
            shutil.copyfile(results / file.name, made[-1])
        made.append(target / result.name)
        made[-1].write_text(json.dumps(brief(values), indent=1) + "\n", encoding="utf-8")
    return made


def brief(values: dict[str, Any]) -> dict[str, Any]:
    """A result without what only a chart needs: single waits, and all samples but the last."""
    short = dict(values)
    if "samples" in short:
        short["samples"] = short["samples"][-1:]
    if "rows" in short:
        short["rows"] = [{**row, "rounds": []} for row in short["rows"]]
    return short


def render(name: str, published: Path) -> str:
    """The text of a block, from its published result.

    Raises:
        KeyError: there is no such block.
        LookupError: its result was not published, or has no such figures.
    """
    result, make = BLOCKS[name]
    file = published / f"{result}.json"
    if not file.exists():
        raise LookupError(f"{result} was not published")
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return f"\n{make(values)}\n\n<sub>{headline(values)}</sub>\n\n"


def rewritten(page: str, published: Path) -> tuple[str, list[str]]:
    """The page with its figures written anew, and a line for each block that has none."""
    missing = []

    def block(found: re.Match[str]) -> str:
        try:
            text = render(found[1], published)
        except LookupError as error:
            missing.append(f"{found[1]}: {error}")
            return found[0]
        return f"<!-- figures: {found[1]} -->\n{text}{END}"

    return BLOCK.sub(block, page), missing


def main() -> int:
    """Publish, and write or check the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description=__doc__)
    parser.add_argument("names", nargs="*", help="results to publish: bench, scale")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where they lie")
    given = parser.parse_args()
    try:
        made = publish(given.names, given.results, PUBLISHED)
    except LookupError as error:
        sys.exit(str(error))
    for file in made:
        print(f"published: {file.relative_to(systems.ROOT)}")
    page = PAGE.read_text(encoding="utf-8")
    text, missing = rewritten(page, PUBLISHED)
    for line in missing:
        print(f"without figures: {line}")
    if given.check:
        if text != page:
            print("docs/benchmarks.md does not agree with docs/benchmarks")
        return int(text != page)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

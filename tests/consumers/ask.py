"""Runs a code block of the README for each question that comes in, as an application would.

``python ask.py BLOCK RESULTS [--hasty]``: BLOCK is a file with the code, RESULTS a Python
expression for the metadata of the results after it ran. Each line of standard input is a JSON
object: ``replace``, what to replace in the code. Each line of standard output answers one:
``printed``, ``metadatas``, and ``waited_s``, the seconds that were slept. With ``--hasty`` they
are only counted, not slept. Needs nothing beside what the code itself needs.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any


def run(code: str, results: str) -> tuple[str, list[dict[str, Any]]]:
    """Run the code: what it printed, and the metadata that it got."""
    printed, names = io.StringIO(), {"__name__": "__main__"}
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - running it is the purpose
    metadatas = eval(results, names)  # noqa: S307 - an expression of the test's own
    return printed.getvalue(), metadatas


def main() -> None:
    """Answer questions until the input ends."""
    block, results = Path(sys.argv[1]).read_text("utf-8"), sys.argv[2]
    waited: list[float] = []
    if "--hasty" in sys.argv:
        time.sleep = waited.append  # type: ignore[assignment]
    for line in sys.stdin:
        code = block
        for old, new in json.loads(line)["replace"].items():
            if old not in code:
                sys.exit(f"the code has no {old!r}")
            code = code.replace(old, new)
        waited.clear()
        printed, metadatas = run(code, results)
        answer = {"printed": printed, "metadatas": metadatas, "waited_s": sum(waited)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

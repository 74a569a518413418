"""Runs the real program in forks of a process that has its libraries loaded: a run in 0.2 s.

Each run is a process of its own, with its own environment and its own import of ingestd, which
can be killed. Only the libraries below it are shared, as they were before any of them did anything,
and what tells languages apart.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from daemon import environment

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 8

CODE = """
import json, os, sys, traceback
import alembic.command, apscheduler, chromadb, httpx, numpy, pydantic_settings, rich.console
import sqlalchemy, structlog, tenacity, tokenizers, typer
import chromadb.api.rust
from ingestd.embed.language import language

language("What tells languages apart is loaded with the first text.")

def run(order):
    os.environ.clear()
    os.environ.update(order["environment"])
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        fd = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(fd, descriptor)
    code = 70
    try:
        sys.argv = ["ingestd", *order["arguments"]]
        import ingestd.embed.spool as spool
        if order["sizes"]:
            spool.SIZES = spool.Sizes(*order["sizes"])
            spool.LONG_CHUNKS = spool.SIZES.long_chunks
        import ingestd.embed.place
        ingestd.embed.place.BATCH = order["batch"]
        from ingestd.cli import main
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended; a negative code is a signal."""

    code: int
    stdout: str
    stderr: str

    def report(self) -> dict[str, Any]:
        """The JSON that ``run --once --json`` ends with."""
        assert self.code == 0, self.stderr
        found = json.loads(self.stdout.splitlines()[-1])
        assert isinstance(found, dict)
        return found


class Zygote:
    """The process that is forked.

    Attributes:
        sizes: from how many chunks on a document is long, and how many are a page; None for what
            it is in earnest.
    """

    sizes: tuple[int, int] | None = None

    def __init__(self, folder: Path) -> None:
        self._out = folder / "stdout"
        self._err = folder / "stderr"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()

    def __call__(self, *arguments: str | Path, model: str = "hash:16", **variables: str) -> Ended:
        """Run a verb to its end, with these variables in its environment.

        So that a document goes to the collection in several requests without being large, a
        request takes only `SLOTS` slots.
        """
        order = {
            "arguments": [*map(str, arguments)],
            "environment": {**environment(model), **variables},
            "stdout": str(self._out),
            "stderr": str(self._err),
            "batch": SLOTS,
            "sizes": self.sizes,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote died"
        return Ended(
            int(answer),
            self._out.read_text(encoding="utf-8"),
            self._err.read_text(encoding="utf-8", errors="replace"),
        )

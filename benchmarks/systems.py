"""The systems that are compared, and how each is run: always in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compared import Row
from benchmarks.rivals.stub import COUNTER, KILL_AFTER
from benchmarks.setup import installed, interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 600
OURS = "ingestd"


@dataclass(frozen=True, slots=True)
class System:
    """One way to keep an index of a folder.

    Attributes:
        name: as the tables show it.
        rival: whose environment it runs in.
        module: its adapter.
        variant: a way to use it, for the adapter.
    """

    name: str
    rival: str
    module: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did.

    Attributes:
        embedded: texts that reached the model.
        exit_code: of the process; negative where a signal ended it.
        output: what it wrote, for when it failed.
    """

    embedded: int
    exit_code: int
    output: str


SYSTEMS = (
    System(OURS, OURS, "benchmarks.rivals.ours"),
    System("langchain full", "langchain", "benchmarks.rivals.langchain_index", "full"),
    System(
        "langchain incremental", "langchain", "benchmarks.rivals.langchain_index", "incremental"
    ),
    System("cocoindex", "cocoindex", "benchmarks.rivals.cocoindex_lance"),
    System("naive loop", "naive", "benchmarks.rivals.naive"),
)


def without_vectors(ours: System) -> System:
    """Ours, with rows that leave the vectors out."""
    return replace(ours, variant="without vectors")


def choose(rivals: Sequence[str] | None) -> list[System]:
    """Ours, and the systems of these rivals; of those that are installed when None are named.

    Raises:
        LookupError: a rival is unknown, or its environment was not made yet.
    """
    known = {system.rival for system in SYSTEMS}
    for rival in rivals or ():
        if rival not in known:
            raise LookupError(f"no rival is called {rival!r}; there are {sorted(known - {OURS})}")
        if not installed(rival):
            raise LookupError(f"run first: python -m benchmarks.setup {rival}")
    wanted = {OURS, *(known if rivals is None else rivals)}
    return [system for system in SYSTEMS if system.rival in wanted and installed(system.rival)]


def index(system: System, docs: Path, state: Path, *, kill_after: int = 0) -> Run:
    """Have a system bring its store in line with a folder.

    Args:
        system: which.
        docs: the folder.
        state: where it keeps its things.
        kill_after: number of texts after which it is killed; 0 lets it end.
    """
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        counter = Path(place) / "embedded"
        counter.touch()
        extra = {COUNTER: str(counter), KILL_AFTER: str(kill_after)}
        done = _adapter(system, "index", docs, state, extra)
        embedded = sum(int(line) for line in counter.read_text(encoding="ascii").splitlines())
    return Run(embedded, done.returncode, done.stdout + done.stderr)


def rows(system: System, docs: Path, state: Path) -> list[Row]:
    """Read a system's store from a process that does nothing else.

    Raises:
        RuntimeError: it cannot be read.
    """
    done = _adapter(system, "rows", docs, state, {})
    if done.returncode != 0:
        raise RuntimeError(f"the store of {system.name} cannot be read:\n{done.stderr}")
    return [Row(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]


def environment() -> dict[str, str]:
    """An environment without the user's own configuration, and without tracking."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INGESTD_")}
    return {
        **kept,
        "HF_HUB_OFFLINE": "1",
        "INGESTD_MODEL__NAME": "hash",
        "INGESTD_CONFIG": "",
        "XDG_CONFIG_HOME": "/nonexistent",
        "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
        "LANGSMITH_TRACING": "false",
        "ANONYMIZED_TELEMETRY": "False",
        "PYTHONWARNINGS": "ignore",
    }


def _adapter(
    system: System, action: str, docs: Path, state: Path, extra: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [str(interpreter(system.rival)), "-m", system.module, action, str(docs), str(state)]
    if system.variant:
        command += ["--variant", system.variant]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(), **extra},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )

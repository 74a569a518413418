"""The systems that are compared, and how each is run: always in a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import metered
from benchmarks.compared import Row
from benchmarks.rivals.arguments import own_words
from benchmarks.rivals.model import MODEL
from benchmarks.rivals.stub import COUNTER, KILL_AFTER
from benchmarks.setup import installed, interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.metered import Usage

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 600
OURS = "ingestd"
OWN_MODULE = "benchmarks.rivals.ours"
OPENVINO = "openvino"


@dataclass(frozen=True, slots=True)
class System:
    """One way to keep an index of a folder.

    Attributes:
        name: as the tables show it.
        rival: whose environment it runs in.
        module: its adapter.
        variant: a way to use it, for the adapter.
        settings: of our configuration, such as ``model.engine``, with their values.
    """

    name: str
    rival: str
    module: str
    variant: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it is ingestd, in whatever configuration or environment."""
        return self.module == OWN_MODULE


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did.

    Attributes:
        embedded: texts that reached the model.
        usage: what the process took, and how it ended.
    """

    embedded: int
    usage: Usage

    @property
    def exit_code(self) -> int:
        """Of the process; negative where a signal ended it."""
        return self.usage.exit_code

    @property
    def output(self) -> str:
        """What it wrote, for when it failed."""
        return self.usage.output + self.usage.errors


SYSTEMS = (
    System(OURS, OURS, OWN_MODULE),
    System("langchain full", "langchain", "benchmarks.rivals.langchain_index", "full"),
    System(
        "langchain incremental", "langchain", "benchmarks.rivals.langchain_index", "incremental"
    ),
    System("cocoindex", "cocoindex", "benchmarks.rivals.cocoindex_lance"),
    System("naive loop", "naive", "benchmarks.rivals.naive"),
)

WITH_OPENVINO = System(f"{OURS}[{OPENVINO}]", OPENVINO, OWN_MODULE)
"""Ours with the extra installed, in an environment of its own: the other one goes without."""


def configured(settings: Sequence[tuple[str, str]]) -> System:
    """Ours with other settings than the defaults."""
    told = ", ".join(f"{key}={value}" for key, value in settings)
    return replace(SYSTEMS[0], name=f"{OURS} {told}", settings=tuple(settings))


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


def index(
    system: System,
    docs: Path,
    state: Path,
    *,
    kill_after: int = 0,
    model: Path | None = None,
    limit_s: float = LIMIT_S,
) -> Run:
    """Have a system bring its store in line with a folder.

    Args:
        system: which.
        docs: the folder.
        state: where it keeps its things.
        kill_after: number of texts after which it is killed; 0 lets it end.
        model: the folder of a real model; None for the stub, whose texts are counted.
        limit_s: an error where it takes longer.
    """
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        counter = Path(place) / "embedded"
        counter.touch()
        extra = {COUNTER: str(counter), KILL_AFTER: str(kill_after)}
        usage = metered.run(
            _own_command(system, docs, state)
            if system.is_ours and model
            else command(system, "index", docs, state),
            env={**with_model(system, model), **extra},
            cwd=ROOT,
            limit_s=limit_s,
        )
        embedded = sum(int(line) for line in counter.read_text(encoding="ascii").splitlines())
    return Run(embedded, usage)


def rows(system: System, docs: Path, state: Path) -> list[Row]:
    """Read a system's store from a process that does nothing else.

    Raises:
        RuntimeError: it cannot be read.
    """
    return [Row(**line) for line in _lines(_adapter(system, "rows", docs, state, {}))]


def answers(
    system: System, docs: Path, state: Path, questions: Sequence[str], model: Path
) -> dict[str, list[str]]:
    """The files of the chunks nearest to each question, best first.

    Raises:
        RuntimeError: the store cannot be asked.
    """
    given = json.dumps(list(questions))
    done = _adapter(system, "search", docs, state, {}, model=model, given=given)
    return {line["question"]: line["paths"] for line in _lines(done)}


def fidelity(system: System, docs: Path, state: Path, model: Path) -> dict[str, Any]:
    """How near the stored vectors are to those of sentence-transformers in fp32.

    Returns:
        What `benchmarks.rivals.reference` prints.

    Raises:
        RuntimeError: the store cannot be read.
    """
    given = _adapter(system, "vectors", docs, state, {}, model=model)
    _lines(given)
    ours = SYSTEMS[0]
    done = metered.run(
        [str(interpreter(ours.rival)), "-m", "benchmarks.rivals.reference"],
        env=with_model(ours, model),
        cwd=ROOT,
        limit_s=LIMIT_S,
        given="".join(f"{line}\n" for line in given.output.splitlines() if line.startswith("{")),
    )
    (found,) = _lines(done)
    return found


def command(system: System, action: str, docs: Path, state: Path, variant: str = "") -> list[str]:
    """The command that has an adapter do something."""
    found = [str(interpreter(system.rival)), "-m", system.module, action, str(docs), str(state)]
    variant = variant or system.variant
    return [*found, "--variant", variant] if variant else found


def _own_command(system: System, docs: Path, state: Path) -> list[str]:
    """Ours as everybody runs it."""
    return [str(interpreter(system.rival)), "-m", "ingestd", *own_words(docs, state)]


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


def with_model(system: System, model: Path | None) -> dict[str, str]:
    """The environment in which a system embeds with a real model; None: with the stub."""
    settings = {f"INGESTD_{_variable(key)}": value for key, value in system.settings}
    real = {} if model is None else {MODEL: str(model), "INGESTD_MODEL__NAME": str(model)}
    return {**environment(), COUNTER: os.devnull, **real, **settings}


def _variable(key: str) -> str:
    return key.upper().replace(".", "__")


def _lines(done: Usage) -> list[dict[str, Any]]:
    if done.exit_code != 0:
        raise RuntimeError(f"the store cannot be read:\n{done.errors[-2000:]}")
    return [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]


def _adapter(
    system: System,
    action: str,
    docs: Path,
    state: Path,
    extra: dict[str, str],
    *,
    model: Path | None = None,
    limit_s: float = LIMIT_S,
    given: str = "",
) -> Usage:
    return metered.run(
        command(system, action, docs, state),
        env={**with_model(system, model), **extra},
        cwd=ROOT,
        limit_s=limit_s,
        given=given,
    )

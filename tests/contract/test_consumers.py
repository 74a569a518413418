"""What RAG applications see: the README's examples, run against a daemon that watches a folder.

LangChain and LlamaIndex live in environments of their own, in ``.venv-consumers/``, made on first
use from the pins in ``tests/consumers/``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import site
import socket
import subprocess
import sys
import time
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from ingestd.embed.metadata import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.model, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "tests" / "consumers"
ASK = PINS / "ask.py"
README_QUESTION = "how do we rotate the keys?"
README_PORT = "port=8000"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READY_S = 120
ANSWER_S = 120
EDIT_S = 60
LISTING_S = 1 + 2 + 4 + 8 + 8
"""How long huggingface_hub 2 waits in all before it gives up one listing of a model's files."""

DOCUMENTS = {
    "handbook/keys.md": "# Keys\n\nThe signing keys are rotated on the first Monday of a month.\n",
    "handbook/holidays.md": "# Holidays\n\nEveryone has thirty days off a year.\n",
    "handbook/expenses.md": "# Expenses\n\nTrain tickets are paid back within two weeks.\n",
    "harbour.md": "# Harbour\n\nFerries leave for the island at half past seven.\n",
    "bread.md": "# Bread\n\nKnead the dough for ten minutes and let it rest overnight.\n",
    "telescope.md": "# Telescope\n\nThe mirror is cleaned with distilled water only.\n",
    "bees.md": "# Bees\n\nA colony needs ten kilograms of honey to survive the winter.\n",
    "notes/plain.md": "# First musician\n\nNobody knows what will be played at the wedding.\n",
    "notes/langchain.md": "# Second musician\n\nNobody knows what will be played at the ball.\n",
    "notes/llamaindex.md": "# Third musician\n\nNobody knows what will be played at the fair.\n",
}
QUESTIONS = {
    README_QUESTION: "handbook/keys.md",
    "when does the boat to the island depart?": "harbour.md",
    "how long must bread dough rest?": "bread.md",
}


@dataclass(frozen=True)
class Consumer:
    """A kind of application.

    Attributes:
        name: of the file with its pins; ``plain`` has none.
        mark: what only its code block contains.
        results: an expression for the metadata of its results, after the block ran.
        instrument: what its own document in the folder tells of, once it was edited.
        page: where the code block is.
    """

    name: str
    mark: str
    results: str
    instrument: str = ""
    page: str = "README.md"

    @property
    def code(self) -> str:
        """Its code block."""
        blocks = FENCE.findall((ROOT / self.page).read_text("utf-8"))
        (code,) = (block for block in blocks if self.mark in block)
        assert isinstance(code, str)
        return code


PLAIN = Consumer("plain", "query_texts=", "answer['metadatas'][0]", "saxophone")
CONSUMERS = [
    PLAIN,
    Consumer("langchain", "langchain_chroma", "[document.metadata]", "violin"),
    Consumer("llamaindex", "llama_index", "[result.metadata]", "trombone"),
]


# Environments: what the tests already have, and on top of it what a consumer needs.


def interpreter(consumer: Consumer) -> Path:
    """The Python that a consumer runs in; its environment is made when it is not there.

    Skips the test where the packages cannot be had, but not in CI.
    """
    if consumer.name == "plain":
        return Path(sys.executable)
    pins = PINS / f"{consumer.name}.txt"
    digest = hashlib.sha256(pins.read_bytes() + (ROOT / "constraints.txt").read_bytes())
    digest.update(f"{sys.version} {sys.prefix}".encode())
    folder = ROOT / ".venv-consumers" / f"{consumer.name}-{digest.hexdigest()[:12]}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{consumer.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            for old in folder.parent.glob(f"{consumer.name}-*"):
                shutil.rmtree(old)
            make(folder, pins)
    return folder / "bin" / "python"


def make(folder: Path, pins: Path) -> None:
    """Make an environment that sees the packages of this one."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "below.pth").write_text("\n".join(site.getsitepackages()), "utf-8")
    python = str(folder / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "-r", str(pins)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    if done.returncode:
        shutil.rmtree(folder)
        reason = f"cannot install {pins.name}: {done.stderr[-2000:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    (folder / ".ready").touch()


# The daemon: one for all tests, on a folder of its own, with the packaged model.


@dataclass(frozen=True)
class Library:
    """A folder that a daemon watches, and where it serves it."""

    docs: Path
    port: int
    environment: dict[str, str]


def environment_in(folder: Path) -> dict[str, str]:
    """An environment without our settings, and with a model cache of its own."""
    ours = ("HF_", "HUGGINGFACE", "INGESTD", "CHROMA", "SENTENCE_TRANSFORMERS", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "HF_HOME": str(folder / "huggingface"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "NO_PROXY": "127.0.0.1,localhost",
        "LANGSMITH_TRACING": "false",
    }


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Ten documents, all of them indexed."""
    folder = tmp_path_factory.mktemp("library")
    docs, log = folder / "docs", folder / "log"
    for name, text in DOCUMENTS.items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text, "utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = environment_in(folder)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "state")])
    command = [sys.executable, "-m", "ingestd", "run", str(docs), f"--port={port}"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, f"--state-dir={folder / 'state'}"],
            env=environment | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": paths},
            stdout=output,
            stderr=output,
        ) as daemon,
    ):
        try:
            until(lambda: ready(log, daemon), READY_S)
            yield Library(docs, port, environment)
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                raise


def ready(log: Path, daemon: subprocess.Popen[bytes]) -> bool:
    """Whether the daemon has said that all is indexed."""
    assert daemon.poll() is None, log.read_text("utf-8")
    return '"event": "ready"' in log.read_text("utf-8")


def until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Application:
    """A running consumer: ask it, and it runs the README's code with that question."""

    def __init__(self, process: subprocess.Popen[str], port: int, errors: Path) -> None:
        self._process = process
        self._port = port
        self.errors = errors

    def ask(self, question: str) -> dict[str, Any]:
        """Run the code once: ``printed``, ``metadatas``, ``waited_s``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        replace = {README_PORT: f"port={self._port}", README_QUESTION: question}
        self._process.stdin.write(json.dumps({"replace": replace}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.errors.read_text("utf-8")
        answer: dict[str, Any] = json.loads(line)
        return answer

    @classmethod
    @contextmanager
    def running(
        cls, consumer: Consumer, library: Library, folder: Path, *options: str, **environment: str
    ) -> Iterator[Self]:
        """Start it, with nothing of ours but the address."""
        block, errors = folder / "block.py", folder / "errors"
        block.write_text(consumer.code, "utf-8")
        command = [str(interpreter(consumer)), str(ASK), str(block), consumer.results, *options]
        with (
            errors.open("w") as output,
            subprocess.Popen(
                command,
                cwd=folder,
                env=library.environment | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            ) as process,
        ):
            try:
                yield cls(process, library.port, errors)
            finally:
                process.kill()


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.name)
def test_an_application_finds_what_the_folder_holds(
    consumer: Consumer, library: Library, tmp_path: Path
) -> None:
    """The README's code finds the right documents, with their metadata, and soon after an edit.

    Nothing but the port and the question is changed in it; no network is asked.
    """
    with Application.running(consumer, library, tmp_path, HF_HUB_OFFLINE="1") as application:
        for question, path in QUESTIONS.items():
            answer = application.ask(question)
            first = answer["printed"].splitlines()[0]
            assert first in {path, str(library.docs / path)}, (question, answer["printed"])
            assert DOCUMENTS[path].splitlines()[-1] in answer["printed"]
            for metadata in answer["metadatas"]:
                check_contract(metadata, library.docs)

        edited = library.docs / "notes" / f"{consumer.name}.md"
        old = edited.read_text("utf-8").splitlines()[-1]
        question = f"who plays the {consumer.instrument} in the cellar?"
        assert consumer.instrument not in application.ask(question)["printed"]
        edited.write_text(
            f"# Musician\n\nIn the cellar grandmother plays the {consumer.instrument}.\n", "utf-8"
        )
        until(lambda: consumer.instrument in application.ask(question)["printed"], EDIT_S)
        printed = application.ask(question)["printed"]
        assert printed.splitlines()[0] in {str(edited), f"notes/{consumer.name}.md"}
        assert old not in printed


@pytest.mark.parametrize(
    ("mark", "results"),
    [("where_document=", "answer['metadatas'][0]"), ("def search", "[row[1] for row in results]")],
    ids=["filters", "rules"],
)
def test_what_the_page_for_applications_shows(
    mark: str, results: str, library: Library, tmp_path: Path
) -> None:
    """The code of docs/rag-apps.md works."""
    consumer = Consumer("plain", mark, results, page="docs/rag-apps.md")
    with Application.running(consumer, library, tmp_path, HF_HUB_OFFLINE="1") as application:
        answer = application.ask(README_QUESTION)
        assert answer["printed"].startswith("handbook/keys.md\n")
        for metadata in answer["metadatas"]:
            check_contract(metadata, library.docs)


def check_contract(metadata: dict[str, Any], docs: Path) -> None:
    """See that metadata is as ``docs/rag-apps.md`` promises."""
    assert set(metadata) == set(KEYS) - {"page"}
    for key, (kind, _) in contract().items():
        if key in metadata:
            assert type(metadata[key]) in TYPES[kind], key
    assert metadata["source"] == str(docs / metadata["path"])
    assert metadata["source_name"] == docs.name
    assert metadata["mime"] == "text/markdown"
    assert metadata["lang"] == "en"
    assert metadata["modified_at"] <= metadata["indexed_at"] <= time.time()


def test_an_application_that_does_not_say_that_it_is_offline(
    library: Library, tmp_path: Path
) -> None:
    """Without network and without HF_HUB_OFFLINE, too, it loads what the daemon put into the cache.

    Every file is taken from there; the loader waits in vain only for two listings of the model's
    files, which no cache can answer.
    """
    closed = "http://127.0.0.1:9"
    with Application.running(PLAIN, library, tmp_path, "--hasty", HF_ENDPOINT=closed) as plain:
        answer = plain.ask(README_QUESTION)
        assert answer["printed"].startswith("handbook/keys.md\n")
        assert answer["waited_s"] <= 2 * LISTING_S
        assert "/resolve/" not in plain.errors.read_text("utf-8")


# What docs/rag-apps.md says.

TYPES: dict[str, set[type]] = {"text": {str}, "integer": {int}, "number": {int, float}}


def contract() -> dict[str, tuple[str, str]]:
    """The table of keys: type and example of each."""
    page = (ROOT / "docs" / "rag-apps.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]+ \| `([^|]+)` \|$", page, re.MULTILINE)
    return {key: (kind, example) for key, kind, example in rows}


def test_the_documented_contract_is_the_contract() -> None:
    """The table lists every key, in order, with a type, and nothing else."""
    assert tuple(contract()) == KEYS
    assert {kind for kind, _ in contract().values()} <= set(TYPES)

"""Check and repair over a real Chroma: damage one thing, find exactly it, mend it.

The verbs run in this process, one after the other, as they do in their own: starting the program
for each would take most of the time.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import chromadb
import pytest
import structlog
from daemon import Daemon, eventually, ingestd

from ingestd.cli import application
from ingestd.embed.chroma.client import QuietSettings
from ingestd.errors import IngestdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART = " ".join(f"word{n}" for n in range(150))


class Stored:
    """The collection of a state directory that nobody else has open."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.handle = client.get_collection("ingestd", embedding_function=None)

    def slot(self, path: str, ordinal: int = 0) -> dict[str, Any]:
        """One slot, as the arguments of `put`."""
        where = {"$and": [{"path": path}, {"ordinal": ordinal}]}
        found = self.handle.get(where=where, include=["documents", "metadatas", "embeddings"])
        names = (("slot", "ids"), ("text", "documents"), ("labels", "metadatas"))
        return {
            **{name: found[key][0] for name, key in names},
            "vector": [float(x) for x in found["embeddings"][0]],
        }

    def put(self, slot: str, text: str, labels: dict[str, Any], vector: list[float]) -> None:
        """Write a slot."""
        self.handle.upsert(ids=[slot], documents=[text], metadatas=[labels], embeddings=[vector])

    def change(self, path: str, ordinal: int = 0, **changed: Any) -> None:
        """Write a slot again, with something changed."""
        self.put(**{**self.slot(path, ordinal), **changed})


@contextmanager
def stored(state: Path) -> Iterator[Stored]:
    """Open the Chroma data of a state directory."""
    client = chromadb.PersistentClient(
        str((state / "chroma").resolve()), settings=QuietSettings(anonymized_telemetry=False)
    )
    try:
        yield Stored(client)
    finally:
        client.close()


def by_place(state: Path) -> dict[tuple[str, int], Any]:
    """What the collection holds, by path and ordinal: slots may be others after a repair."""
    found = {}
    with stored(state) as there:
        page = there.handle.get(include=["documents", "metadatas", "embeddings"])
    for text, labels, vector in zip(
        page["documents"], page["metadatas"], page["embeddings"], strict=True
    ):
        for name in ("document_id", "indexed_at"):
            labels.pop(name)
        place = (labels["path"], labels["ordinal"])
        assert place not in found
        found[place] = (text, labels, [round(float(x), 5) for x in vector])
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """How a verb ended, and what it said."""

    code: int
    out: str
    error: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Verb = Callable[..., Said]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the developer's own configuration, and no log set-up that stays."""
    for name in os.environ:
        if name.startswith("INGESTD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("INGESTD_MODEL__NAME", "hash")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    structlog.reset_defaults()


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb in this process."""

    def run(*arguments: str | Path) -> Said:
        capfd.readouterr()
        code, more = 0, ""
        try:
            application()([str(argument) for argument in arguments], standalone_mode=False)
        except IngestdError as error:
            code, more = error.exit_code, f"{error.message}\n{error.hint}"
        said = capfd.readouterr()
        return Said(code, said.out, said.err + more)

    return run


def change(state: Path, *statements: str) -> None:
    """Change the state table behind everybody's back."""
    with sqlite3.connect(state / "state.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def fill(docs: Path) -> Path:
    """Three documents, one of them of several chunks."""
    docs.mkdir()
    (docs / "a.md").write_text("# Alpha\n\nThe cat sat on the mat.\n", "utf-8")
    parts = "\n\n".join(f"## Part {n}\n\n{n} {PART}" for n in range(4))
    (docs / "b.md").write_text(f"# Beta\n\n{parts}\n", "utf-8")
    (docs / "c.txt").write_text("Just text.\n", "utf-8")
    return docs


@pytest.fixture
def check(verb: Verb) -> Callable[..., dict[str, int]]:
    """Runs a check; gives the findings by kind."""

    def run(state: Path, *more: str) -> dict[str, int]:
        said = verb("check", "--state-dir", state, "--json", *more)
        summary = said.lines[-1]
        assert said.code == (18 if summary["findings"] else 0), said.error
        by_kind: dict[str, int] = summary["by_kind"]
        return by_kind

    return run


Check = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index of three documents; tests work on copies of the index."""
    folder = tmp_path_factory.mktemp("indexed")
    docs = fill(folder / "docs")
    done = ingestd("run", "--once", docs, "--state-dir", folder / "state")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def state(indexed: Path, tmp_path: Path) -> Path:
    """A copy of the index, to be damaged; the documents themselves stay as they are."""
    return shutil.copytree(indexed / "state", tmp_path / "state")


def test_a_sound_index_gives_no_finding(indexed: Path, verb: Verb, check: Check) -> None:
    """Nothing is found where nothing is wrong, by a deep check either; nothing is changed."""
    state = indexed / "state"
    before = by_place(state)
    assert check(state) == check(state, "--deep") == {}
    assert by_place(state) == before
    [report] = verb("repair", "--state-dir", state, "--json").lines
    assert report["rounds"] == 0


DAMAGES: dict[str, tuple[str, Callable[[Stored], Any]]] = {
    "slot gone": ("missing", lambda s: s.handle.delete(ids=[s.slot("b.md", 1)["slot"]])),
    "foreign slot": ("orphan", lambda s: s.change("a.md", slot="x", labels={"path": "x.md"})),
    "slot twice": ("duplicate", lambda s: s.change("a.md", slot="x")),
    "text": ("stale", lambda s: s.change("b.md", 1, text="another text")),
    "title": ("wrong metadata", lambda s: s.change("b.md", 1, labels={"title": "X"})),
    "place": ("wrong metadata", lambda s: s.change("b.md", 1, labels={"source": "/x"})),
    "vector": ("wrong model", lambda s: s.change("b.md", 1, vector=s.slot("a.md")["vector"])),
    "model": (
        "wrong model",
        lambda s: s.handle.modify(metadata={**s.handle.metadata, "model_fingerprint": "x"}),
    ),
    "collection gone": ("missing", lambda s: s.client.delete_collection("ingestd")),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_in_the_collection_is_found_and_mended(
    indexed: Path, state: Path, what: str, verb: Verb, check: Check
) -> None:
    """One damage is one finding of its kind; after a repair all is as before, from the cache."""
    kind, damage = DAMAGES[what]
    with stored(state) as there:
        damage(there)
    *findings, report = verb("repair", "--state-dir", state, "--json").lines
    assert [finding["kind"] for finding in findings] == [kind]
    assert report["found"]["by_kind"] == {kind: 1}
    assert report["left"]["findings"] == 0
    assert report["chunks"]["embedded"] == 0
    assert by_place(state) == by_place(indexed / "state")
    assert check(state, "--deep") == {}


ITS_CHUNKS = (
    "DELETE FROM chunks WHERE document_id IN (SELECT id FROM documents WHERE path = x'622e6d64')"
)


@pytest.mark.parametrize(
    "statements",
    [
        ("DELETE FROM chunks WHERE ordinal = 2",),
        (
            ITS_CHUNKS,
            "DELETE FROM documents WHERE path = x'622e6d64'",
        ),
    ],
    ids=["row", "document"],
)
def test_damage_in_the_table_is_found_and_mended(
    indexed: Path, state: Path, statements: tuple[str, ...], verb: Verb, check: Check
) -> None:
    """A lost row, and a lost document, are one finding each, and come back from the cache."""
    change(state, *statements)
    assert check(state) == {"missing": 1}
    report = verb("repair", "--state-dir", state, "--json").lines[-1]
    assert (report["left"]["findings"], report["chunks"]["embedded"]) == (0, 0)
    assert by_place(state) == by_place(indexed / "state")


def test_damage_on_disk_is_found_and_mended(tmp_path: Path, verb: Verb, check: Check) -> None:
    """A file that changed with its times put back, one that is gone, and one that is new."""
    docs, state = fill(tmp_path / "docs"), tmp_path / "state"
    assert verb("run", "--once", docs, "--state-dir", state).code == 0
    before = (docs / "c.txt").stat()
    (docs / "c.txt").write_text("Just taxt.\n", "utf-8")
    os.utime(docs / "c.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert check(state) == {"stale": 1}
    (docs / "a.md").unlink()
    assert check(state) == {"orphan": 1, "stale": 1}
    shutil.copy(docs / "b.md", docs / "copy.md")
    assert check(state) == {"missing": 1, "orphan": 1, "stale": 1}
    report = verb("repair", "--state-dir", state, "--json").lines[-1]
    assert report["chunks"] == {"embedded": 1, "reused": 4}
    assert check(state, "--deep") == {}


def test_files_that_chroma_cannot_open_are_one_finding(
    indexed: Path, state: Path, verb: Verb, check: Check
) -> None:
    """Chroma is not let near broken files; repair fills a new index from the cache."""
    with (state / "chroma" / "chroma.sqlite3").open("r+b") as file:
        file.write(b"no database" * 400)
    assert check(state) == {"missing": 1}
    report = verb("repair", "--state-dir", state, "--json").lines[-1]
    assert report["found"]["by_kind"] == {"missing": 1}
    assert (report["left"]["findings"], report["chunks"]["embedded"]) == (0, 0)
    assert by_place(state) == by_place(indexed / "state")


def test_a_dry_run_changes_nothing(state: Path, verb: Verb, check: Check) -> None:
    """The plan is told, and nothing is done."""
    with stored(state) as there:
        there.handle.delete(ids=[there.slot("b.md", 1)["slot"]])
    before = by_place(state)
    said = verb("repair", "--dry-run", "--state-dir", state)
    assert said.code == 0
    assert "write the document anew" in said.out
    assert "nothing was changed" in said.error
    plan = verb("repair", "--dry-run", "--state-dir", state, "--json").lines[-1]
    assert (plan["dry_run"], plan["actions"]) == (True, {"rewrite": 1})
    assert by_place(state) == before
    assert check(state) == {"missing": 1}


def test_findings_are_told_to_people(state: Path) -> None:
    """A person reads what, where, what should be and what would be done; the code says it too."""
    with stored(state) as there:
        there.change("a.md", slot="\x1b[31mx", labels={"path": "x"})
    done = ingestd("check", "--state-dir", state)
    assert done.returncode == 18
    assert "orphan" in done.stdout
    assert "\x1b" not in done.stdout
    assert "repair: delete the slot" in done.stdout
    assert "1 difference found" in done.stderr
    assert "ingestd repair" in done.stderr


def test_an_unknown_source_and_an_empty_state_are_told(
    state: Path, tmp_path: Path, verb: Verb
) -> None:
    """What is not there ends with its code, and nothing is made."""
    assert verb("check", "nosuch", "--state-dir", state).code == 12
    assert verb("check", "--state-dir", tmp_path / "none").code == 12
    assert verb("repair", "--state-dir", tmp_path / "none").code == 12
    assert not (tmp_path / "none").exists()


def test_damage_is_mended_by_a_running_daemon(
    tmp_path: Path, verb: Verb, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a daemon, it does the work, and what it embedded is told."""
    docs, state = fill(tmp_path / "docs"), tmp_path / "state"
    with Daemon(docs, state) as daemon:
        assert check(state) == {}
        collection = daemon.collection()
        whole = collection.get(include=["embeddings"])
        collection.delete(ids=whole["ids"][:1])
        collection.upsert(ids=["x"], documents=["x"], embeddings=whole["embeddings"][:1])
        assert check(state) == {"missing": 1, "orphan": 1}
        report = verb("repair", "--state-dir", state, "--json").lines[-1]
        assert report["daemon"] == daemon.process.pid
        assert report["left"]["findings"] == 0
        assert report["chunks"]["embedded"] == 0
        assert sorted(daemon.collection().get()["ids"]) == sorted(whole["ids"])

        (docs / "new.md").write_text("new", "utf-8")
        assert check(state) == {}
        eventually(lambda: daemon.collection().count() == len(whole["ids"]) + 1)

        with monkeypatch.context() as other:
            other.setenv("INGESTD_MODEL__NAME", "hash:16")
            said = verb("check", "--state-dir", state)
        assert said.code == 4
        assert "another model" in said.error
    assert check(state) == {}


def test_a_collection_that_vanished_under_a_daemon_comes_back(tmp_path: Path, verb: Verb) -> None:
    """Repair makes the collection anew, and the running daemon fills it from the cache."""
    docs, state = fill(tmp_path / "docs"), tmp_path / "state"
    with Daemon(docs, state) as daemon:
        before = sorted(daemon.collection().get()["ids"])
        chromadb.HttpClient(port=daemon.port).delete_collection("ingestd")
        report = verb("repair", "--state-dir", state, "--json").lines[-1]
        assert report["found"]["by_kind"] == {"missing": 1}
        assert report["left"]["findings"] == 0
        assert report["chunks"]["embedded"] == 0
        assert sorted(daemon.collection().get()["ids"]) == before


def test_retry_takes_up_what_was_given_up(state: Path, verb: Verb) -> None:
    """What failed or is dead waits again, at once and as if for the first time."""
    assert verb("retry", "--state-dir", state, "--json").lines[0]["marked"] == 0
    change(
        state,
        "UPDATE documents SET status='dead', attempts=5, error_text='no' WHERE path=x'612e6d64'",
        "UPDATE documents SET status='failed', attempts=2, retry_at=9e9 WHERE path=x'632e747874'",
    )
    said = verb("retry", "--state-dir", state)
    assert said.out == "2 documents to take up again\n"
    assert "no daemon runs" in said.error
    rows = verb("ls", "--state-dir", state, "--json").lines
    assert {row["path"]: (row["status"], row["attempts"]) for row in rows} == {
        "a.md": ("pending", 0),
        "b.md": ("indexed", 0),
        "c.txt": ("pending", 0),
    }


def test_retry_of_one_path(indexed: Path, state: Path, verb: Verb) -> None:
    """With paths, only what failed there is taken up; a path of nobody is told."""
    change(state, "UPDATE documents SET status='dead', error_text='no'")
    [answer] = verb("retry", indexed / "docs" / "a.md", "--state-dir", state, "--json").lines
    assert answer == {"type": "retry", "marked": 1, "daemon": None}
    assert verb("retry", indexed, "--state-dir", state).code == 12

"""Kills the managed Chroma server while it saves its index, and tells how the daemon recovers.

A plain script, for hours, not collected by pytest:

    python tests/soak/persist_kills.py --vectors 100000 --random 40 > kills.jsonl

Each line of its output is one kill: where, what the daemon found out, how many seconds passed
until every answer was complete again, how many slots were lost, and how many texts were embedded
for it (both must be 0). It ends with a summary, and with status 1 where something was lost.

Kills inside a save need ``strace``: it kills the server at a write to one of the five files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "integration"))

from daemon import Daemon, eventually

FILES = ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"]
SECTIONS = 20
WORDS = [f"word{number}" for number in range(5_000)]
TOPICS, VOCABULARY, COMMON = 200, 40, 6
"""Texts have topics, as real ones have: vectors without any structure are the slowest to index."""
EDITED = 80
"""Documents that change before each kill: with all their sections, more than one save's worth."""
PATIENCE_S = 600.0


def write(folder: Path, number: int, edition: int) -> None:
    """Write a document of twenty sections of some 300 characters."""
    chosen = random.Random(f"{number}-{edition}")
    topic = random.Random(number % TOPICS).sample(WORDS, VOCABULARY)
    sections = []
    for place in range(SECTIONS):
        words = chosen.choices(topic, k=30 - COMMON) + chosen.choices(WORDS, k=COMMON)
        sections.append(
            f"## Section {place}\n\nDocument {number}, edition {edition}: {' '.join(words)}.\n"
        )
    path = folder / f"{number // 500}" / f"{number}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(sections), encoding="utf-8")


class Run:
    """A daemon on so many chunks, and what is done to its server."""

    def __init__(self, place: Path, vectors: int, model: str) -> None:
        self.place = place
        self.documents = max(EDITED, vectors // SECTIONS)
        self.edition = 0
        for number in range(self.documents):
            write(place / "docs", number, 0)
        self.daemon = Daemon(place / "docs", place / "state", model=model)

    def start(self) -> None:
        """Index everything; and both editions of what is edited later, so that both are cached."""
        started = time.monotonic()
        with self.daemon.log.open("wb") as log:
            self.daemon.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ingestd", "run", str(self.place / "docs")),
                    *("--port", str(self.daemon.port), "--state-dir", str(self.daemon.state)),
                ],
                env=environment(self.daemon._model),  # noqa: SLF001 - a helper of ours
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        eventually(lambda: self.daemon.events("ready") or self.daemon.process.poll(), 3_600)
        for _ in range(2):
            self.edit()
            self.settled()
        tell(indexed=self.count(), seconds=round(time.monotonic() - started, 1))

    def edit(self) -> None:
        """Give some documents their other text."""
        self.edition = 1 - self.edition
        for number in range(EDITED):
            write(self.place / "docs", number, self.edition)

    def count(self) -> int:
        """Slots in the collection."""
        return int(self.daemon.collection().count())

    def settled(self) -> None:
        """Wait until the edits are in, every slot is there, and a sample of them is found."""

        def complete() -> bool:
            handle = self.daemon.collection()
            edited = handle.get(
                where_document={"$contains": f"Document {EDITED - 1}, edition {self.edition}"},
                include=[],
            )
            first = handle.get(
                where_document={"$contains": f"Document 0, edition {self.edition}"}, include=[]
            )
            return (
                len(edited["ids"]) == len(first["ids"]) == SECTIONS
                and handle.count() == self.documents * SECTIONS
                and sample_is_found(handle)
            )

        eventually(lambda: trying(complete), PATIENCE_S)

    def kill(self, where: str) -> dict[str, Any]:
        """Edit, kill the server meanwhile, and see how long it takes to be whole again."""
        before = len(self.lines())
        pid = server_of(self.daemon)
        self.edit()
        if where == "random":
            time.sleep(random.uniform(0.2, 6.0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        else:
            self.kill_at(pid, where)
        killed = time.monotonic()
        eventually(lambda: self.since(before, "store_died"), PATIENCE_S)
        self.settled()
        broken = self.since(before, "store_index_broken")
        if broken:
            eventually(lambda: self.since(before, "store_refilled"), PATIENCE_S)
            eventually(lambda: trying(lambda: sample_is_found(self.daemon.collection())), 60)
        seconds = time.monotonic() - killed
        refilled = self.since(before, "store_refilled")
        return {
            "at": where,
            "verdict": broken[0]["reason"] if broken else "sound",
            "seconds": round(seconds, 1),
            "refill_s": refilled[0]["seconds"] if refilled else 0,
            "lost": self.lost(),
            "embedded": sum(
                event.get("embedded", 0) for event in self.since(before, "document_indexed")
            ),
        }

    def kill_at(self, pid: int, where: str) -> None:
        """Have the server killed at its next write to a file."""
        name, _, nth = where.partition("#")
        path = next((self.daemon.state / "chroma").glob(f"*/{name}"))
        tracer = subprocess.Popen(
            [
                *("strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-P", str(path)),
                *("-e", "trace=write,pwrite64,writev"),
                *("-e", f"inject=write,pwrite64,writev:signal=KILL:when={nth or 1}"),
            ]
        )
        try:
            eventually(lambda: not Path(f"/proc/{pid}/exe").exists() or gone(pid), PATIENCE_S)
        finally:
            tracer.kill()
            tracer.wait()

    def lost(self) -> int:
        """Slots that are not there, or have no vector."""
        handle, whole, offset = self.daemon.collection(), 0, 0
        while True:
            got = handle.get(include=["embeddings"], limit=2_000, offset=offset)
            whole += sum(any(vector) for vector in got["embeddings"])
            offset += 2_000
            if len(got["ids"]) < 2_000:
                return self.documents * SECTIONS - whole

    def lines(self) -> list[str]:
        """The daemon's log."""
        return self.daemon.log.read_text(encoding="utf-8").splitlines()

    def since(self, line: int, name: str) -> list[dict[str, Any]]:
        """The events of this name after a line of the log."""
        found = [
            json.loads(text)
            for text in self.lines()[line:]
            if text.startswith("{") and f'"{name}"' in text
        ]
        return [values for values in found if values["event"] == name]


def environment(model: str) -> dict[str, str]:
    """The daemon's environment."""
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "INGESTD_MODEL__NAME": model,
        "INGESTD_CONFIG": "",
        "XDG_CONFIG_HOME": "/nonexistent",
    }


def sample_is_found(handle: Any) -> bool:
    """Whether queries for the vectors of some slots find them."""
    got = handle.get(limit=20, offset=random.randrange(handle.count() - 20), include=["embeddings"])
    hits = handle.query(query_embeddings=got["embeddings"], n_results=1, include=["distances"])
    return all(distances and distances[0] < 0.01 for distances in hits["distances"])


def trying(condition: Any) -> bool:
    """A condition that fails while the server is away."""
    try:
        return bool(condition())
    except Exception:  # noqa: BLE001 - the server is on its way
        time.sleep(0.2)
        return False


def server_of(daemon: Daemon) -> int:
    """Process id of the Chroma server."""
    for child in Path(f"/proc/{daemon.process.pid}/task").glob("*/children"):
        for pid in child.read_text("ascii").split():
            if b"ingestd.embed.chroma.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    message = "there is no server"
    raise RuntimeError(message)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return True


def tell(**values: Any) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Kill as often as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--random", type=int, default=10, help="kills at random moments")
    parser.add_argument("--rounds", type=int, default=1, help="kills at each file")
    parser.add_argument("--model", default="hash:384")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="work here, and leave it")
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the daemon must not outlive us
    place = chosen.keep or Path(tempfile.mkdtemp(prefix="persist-kills-"))
    run = Run(place, chosen.vectors, chosen.model)
    kills: list[dict[str, Any]] = []
    whole = False
    where = [*FILES, "data_level0.bin#20"] if shutil.which("strace") else []
    try:
        run.start()
        for name in where * chosen.rounds + ["random"] * chosen.random:
            kills.append(run.kill(name))
            tell(**kills[-1])
        whole = True
    finally:
        run.daemon.kill()
        if whole and not chosen.keep:
            shutil.rmtree(place)
        else:
            sys.stderr.write(f"everything is left in {place}\n")
    bad = [kill for kill in kills if kill["lost"] or kill["embedded"]]
    tell(
        kills=len(kills),
        broken=sum(kill["verdict"] != "sound" for kill in kills),
        slowest_s=max((kill["seconds"] for kill in kills), default=0),
        lost=sum(kill["lost"] for kill in kills),
        embedded=sum(kill["embedded"] for kill in kills),
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

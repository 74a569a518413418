"""Operations on the daemon: it is killed, stopped, started, configured anew, and asked for more."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import rule
from model_base import ModelBase
from model_files import enabled, running
from model_process import Process, run_cli
from model_tally import TALLY
from model_texts import file_names, folder_names, picks

from ingestd.errors import StoreError
from ingestd_state.failpoint import POINTS

WHERE_TO_DIE = sorted(
    name for name in POINTS if name.partition(".")[0] not in ("migrate", "prune", "refill")
)
EXCLUDES: list[tuple[str, ...]] = [(), ("*.txt",), ("d1/",), ("*.md", "!a.md", "!anchor.md")]
INCLUDES: list[tuple[str, ...]] = [(), ("*.md",), ("anchor.md", "d1/", "*.txt")]
BETWEEN = ["nothing", "stop", "kill"]


class Lives(ModelBase):
    """Lives and deaths of the daemon."""

    @running
    @rule(milliseconds=st.sampled_from([2, 10, 30, 60, 150, 400]))
    def pause(self, milliseconds: int) -> None:
        """Let the daemon come a part of its way."""
        time.sleep(milliseconds / 1000)
        self.note(f"pause {milliseconds} ms")

    @running
    @rule()
    def rest(self) -> None:
        """Let the daemon come to rest."""
        TALLY.operations += 1
        self.note("rest")
        self.guarded(self.settle)

    @enabled("lives")
    @rule()
    def look(self) -> None:
        """Compare in the middle of things."""
        TALLY.operations += 1
        self.note("compare")
        self.guarded(self.compare)
        if not self.failed and not self.instance.alive():
            self.start()

    @enabled("crashes")
    @rule(wait_ms=st.sampled_from([0, 5, 20, 80]), down=st.booleans())
    def crash(self, wait_ms: int, down: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        """Kill the daemon at whatever it does; start it now, or leave that to later."""
        TALLY.operations += 1
        self.guarded(self.join_verbs)
        time.sleep(wait_ms / 1000)
        self.instance.kill()
        self.note(f"kill after {wait_ms} ms, down: {down}")
        if not down:
            self.start()

    @enabled("crashes")
    @rule(point=st.sampled_from(WHERE_TO_DIE), times=st.sampled_from([1, 1, 2, 3, 7]))
    def arm(self, point: str, times: int) -> None:
        """Start the daemon such that it dies at a certain place."""
        TALLY.operations += 1
        self.guarded(self.join_verbs)
        self.instance.kill()
        self.note(f"kill, start to die at {point}:{times}")
        self.start(f"{point}:{times}")

    @enabled("lives")
    @rule(down=st.booleans())
    def restart(self, down: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        """Stop the daemon in order; start it now, or leave that to later."""
        TALLY.operations += 1
        self.note(f"stop, down: {down}")
        self.guarded(self.stop)
        if not down and not self.failed:
            self.start()

    @enabled("lives")
    @rule(
        tokens=st.sampled_from([None, 40, 64]),
        exclude=st.sampled_from([None, *EXCLUDES]),
        include=st.sampled_from([None, *INCLUDES]),
        second=st.booleans(),
        collection=st.sampled_from(["ingestd", "other"]),
        killed=st.booleans(),
    )
    def reconfigure(
        self,
        tokens: int | None,
        exclude: tuple[str, ...] | None,
        include: tuple[str, ...] | None,
        second: bool,  # noqa: FBT001 - hypothesis gives it by name
        collection: str,
        killed: bool,  # noqa: FBT001 - the same
    ) -> None:
        """Start with another configuration."""
        TALLY.operations += 1
        if killed:
            self.guarded(self.join_verbs)
            self.instance.kill()
        else:
            self.guarded(self.stop)
        if self.failed:
            return
        if tokens:
            self.configure(tokens=tokens)
        main, *rest = self.instance.config.folders
        main = replace(main, exclude=main.exclude if exclude is None else exclude)
        main = replace(main, include=main.include if include is None else include)
        self.configure(folders=(main, *rest))
        if second:
            self.toggle_second(collection)
        self.note(f"configure {self.instance.config}, killed: {killed}")
        self.start()

    @enabled("lives")
    @rule(
        words=st.sampled_from(
            [("reconcile",), ("reindex",), ("reindex", "--all"), ("reindex", "--failed")]
        )
    )
    def verb(self, words: tuple[str, ...]) -> None:
        """Run a verb beside the daemon, and do not wait for it."""
        if not self.instance.alive() or self.unregistered():
            return
        TALLY.operations += 1
        log = self.base / f"verb{len(self.beside)}.log"
        log.unlink(missing_ok=True)
        arguments = self.instance.arguments(*words)
        self.beside.append(Process(run_cli, log, arguments, "", {}))
        self.note(f"verb {' '.join(words)}")

    @enabled("lives")
    @rule(
        which=picks,
        where=picks,
        name=file_names,
        folder_name=folder_names,
        folder=st.booleans(),
        between=st.sampled_from(BETWEEN),
    )
    def move_at_rest(
        self,
        which: int,
        where: int,
        name: bytes,
        folder_name: bytes,
        folder: bool,  # noqa: FBT001 - hypothesis gives it by name
        between: str,
    ) -> None:
        """Move something while nothing else happens: its documents keep their ids and slots."""
        root = self.tree.roots[0]
        things = self.tree.folders(roots=False) if folder else self.tree.files()
        path = self.pick([thing for thing in things if thing.startswith(root + b"/")], which)
        parents = [one for one in self.tree.folders() if one == root or one.startswith(root + b"/")]
        parent = self.pick(parents, where)
        if path is None or parent is None or self.tree.linked() or self.tree.closed():
            return
        to = os.path.join(parent, folder_name if folder else name)
        if os.path.lexists(to) or to.startswith(path + b"/"):
            return
        TALLY.operations += 1
        self.note(f"at rest, {path!r} to {to!r}, meanwhile {between}".replace(str(self.base), ""))
        self.guarded(lambda: self._move_at_rest(path, to, between))

    def _move_at_rest(self, path: bytes, to: bytes, between: str) -> None:
        self.settle()
        before = self._ids()
        if between == "stop":
            self.stop()
        elif between == "kill":
            self.instance.kill()
        os.rename(path, to)  # noqa: PTH104 - bytes paths
        self.settle()
        after = self._ids()
        root = self.tree.roots[0]
        old, new = path[len(root) + 1 :], to[len(root) + 1 :]
        for here, (ident, slots) in before.items():
            if here != old and not here.startswith(old + b"/"):
                continue
            there = new + here[len(old) :]
            if there in after and after[there] != (ident, slots):
                same_kind = here.rpartition(b".")[2] == there.rpartition(b".")[2]
                if after[there][0] != ident or same_kind:
                    self.fail(
                        "a moved document was taken for another",
                        [f"{here!r} {ident} {slots}", f"{there!r} {after[there]}"],
                    )

    def _ids(self) -> dict[bytes, tuple[str, list[str]]]:
        """Ids and slots of the documents of the first source, by path."""
        query = """
            SELECT d.path, d.id, (SELECT group_concat(c.slot) FROM chunks c
                                  WHERE c.document_id = d.id ORDER BY c.ordinal)
            FROM documents d JOIN sources s ON s.id = d.source_id WHERE s.name = 'docs'
        """
        return {
            bytes(path): (ident, sorted((slots or "").split(",")))
            for path, ident, slots in self.instance.rows(query)
        }


class ServerLives(ModelBase):
    """What happens to a Chroma server of our own."""

    @running
    @rule(wait_ms=st.sampled_from([0, 20, 100]))
    def kill_server(self, wait_ms: int) -> None:
        """Kill the Chroma server under the daemon."""
        time.sleep(wait_ms / 1000)
        process = self.instance.process
        if process is None:
            return
        TALLY.operations += 1
        if not self.instance.ready():  # a server that ends while it is started ends the start
            self.excused.add(StoreError.exit_code)
        killed = []
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        self.note(f"kill server {killed} after {wait_ms} ms")


def children(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(text) for text in task.read_text().split()]
        except OSError:
            continue
    return found

"""How the daemon comes to rest, and what is compared then."""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING, NoReturn

from hypothesis.stateful import RuleBasedStateMachine
from model_compare import differences, hidden, on_disk, snapshot, unquiet, wait_quiet
from model_tally import DEADLINE_S, START_S, TALLY, FindingError

from ingestd.errors import PartialError

if TYPE_CHECKING:
    from pathlib import Path

    from model_instance import Instance
    from model_process import Process
    from model_tree import Tree


class Resting(RuleBasedStateMachine):
    """A tree and an instance, without any operation yet.

    Attributes:
        history: what was done, for a person.
        beside: verbs that run beside the daemon.
        silent: something was done that no event tells of: it takes a full scan to see it.
        excused: exit statuses of the daemon that are no surprise in this life.
        failed: there is a finding; nothing more is done.
    """

    base: Path
    tree: Tree
    instance: Instance
    store: str
    history: list[str]
    beside: list[Process]
    silent: bool
    excused: set[int]
    failed: bool

    def note(self, what: str) -> None:
        """Write down what was done."""
        raise NotImplementedError

    def start(self, failpoint: str = "") -> None:
        """Start the daemon, after the verbs that run beside it have ended."""
        self.join_verbs()
        self.excused = {-signal.SIGKILL} if failpoint else set()
        self.instance.start(failpoint)
        TALLY.starts += 1

    def join_verbs(self) -> None:
        """Wait for the verbs that were started beside the daemon."""
        for process in self.beside:
            code = process.wait(60)
            if code < 0 or "Traceback" in process.tail(60):
                self.fail(f"a verb ended with {code}", [process.tail(60)])
        self.beside.clear()

    def revive(self) -> None:
        """Have a daemon that runs: one that died at a failpoint is started again."""
        code = self.instance.ended()
        if code is not None:
            self.note(f"ended with {code}")
            if code not in self.excused:
                log = self.instance.log.read_text(encoding="utf-8", errors="replace")
                self.fail(f"the daemon ended with {code}", log.splitlines()[-15:])
        if not self.instance.alive():
            self.start()

    def settle(self) -> None:
        """Wait until nothing is left to do.

        Raises:
            FindingError: that never happens, or happens only after another full scan.
        """
        self.join_verbs()
        self.revive()
        config = self.instance.config
        expected = on_disk(config)
        skip = hidden(config, self.tree.closed())

        def why() -> list[str]:
            self.revive()
            left = unquiet(self.instance, expected, skip)
            return left if self.instance.ready() else [*left, "it is not ready"]

        linked = self.tree.linked()
        if self.silent or linked:
            self.reconcile()
        left = wait_quiet(self._unready, START_S) or wait_quiet(why, DEADLINE_S)
        if left:
            self.note("not quiet")
            self.reconcile()
            still = wait_quiet(why, DEADLINE_S)
            what = "it does not come to rest" if still else "only a full scan saw it"
            self.fail(what, left)
        self.silent = linked

    def _unready(self) -> list[str]:
        self.revive()
        return [] if self.instance.ready() else ["it is not ready"]

    def reconcile(self) -> None:
        """Have every source scanned now, once the daemon has registered them.

        Raises:
            FindingError: the verb fails, or there is never a table.
        """
        for _ in range(3):  # the daemon may die at a failpoint before it comes so far
            left = wait_quiet(self._not_started, DEADLINE_S)
            if left:
                self.fail("it does not start", left)
            code, said = self.instance.verb("reconcile")
            if code == 0:
                return
        self.fail(f"reconcile ended with {code}", [said])

    def _not_started(self) -> list[str]:
        self.revive()
        return self.unregistered()

    def unregistered(self) -> list[str]:
        """Sources that the table has otherwise than the configuration."""
        try:
            rows = self.instance.rows("SELECT name FROM sources WHERE status != 'detached'")
        except sqlite3.Error as error:
            return [str(error)]
        names = {folder.name for folder in self.instance.config.folders}
        return sorted(names ^ {name for (name,) in rows})

    def compare(self) -> None:
        """Stop, and compare with a fresh ingest of the same tree.

        Raises:
            FindingError: there is a difference.
        """
        self.settle()
        TALLY.comparisons += 1
        skip = hidden(self.instance.config, self.tree.closed())
        try:
            if self.store == "embedded":
                self.stop()
            else:  # what a server that was killed has to mend is due once it is back
                self.await_server()
                self.settle()
            found = snapshot(self.instance)
            fresh = self.instance.fresh(accepted=(0, PartialError.exit_code))
            told = differences(found, snapshot(fresh), skip)
        except FindingError:
            raise
        except AssertionError as error:
            self.fail("cannot be compared", [str(error)])
        if told:
            self.fail("it differs from a fresh ingest", told)
        if not self.tree.closed():
            self.check()

    def await_server(self) -> None:
        """Wait until the server of the managed store answers.

        Raises:
            FindingError: it does not.
        """
        left = wait_quiet(lambda: [] if self.instance.answers() else ["no answer"], START_S)
        if left:
            self.fail("the server does not come back", left)

    def check(self) -> None:
        """See that the verb ``check``, which reads every file, finds no difference either.

        Raises:
            FindingError: it does.
        """
        code, said = self.instance.verb("check", "--deep")
        if code:
            self.fail(f"check ended with {code}", said.splitlines())

    def stop(self) -> None:
        """Stop in order; one that died at a failpoint is started and stopped."""
        self.join_verbs()
        self.revive()
        code = self.instance.stop()
        if code not in {0, -signal.SIGTERM, *self.excused}:
            self.fail(f"the stopped daemon ended with {code}", [])

    def fail(self, what: str, details: list[str]) -> NoReturn:
        """Tell what is wrong, and keep the files.

        Raises:
            FindingError: always.
        """
        self.failed = True
        log = self.instance.log
        lines = log.read_text(errors="replace").splitlines()[-25:] if log.exists() else []
        text = "\n".join(
            [
                f"{what} (in {self.base})",
                *details[:20],
                "-- history",
                *self.history,
                "-- log",
                *lines,
            ]
        )
        TALLY.found(self.base.name, text)
        raise FindingError(text)

"""A daemon in a mount namespace of its own, where a test may mount and unmount."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from daemon import Daemon, environment, eventually

if TYPE_CHECKING:
    from collections.abc import Sequence


def needs_namespaces() -> None:
    """Skip the test where a private mount namespace is not to be had."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("needs root, unshare and nsenter")
    done = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("mount namespaces are not allowed here")


class NamespacedDaemon(Daemon):
    """A daemon started below other programs, with quick checks.

    Args:
        folder: the source.
        state: the state directory.
        wrap: the programs to start it by, which must end in its place (exec).
        settings: environment variables of the configuration, less ``INGESTD_``.
    """

    def __init__(
        self, folder: Path, state: Path, *, wrap: Sequence[str] = ("unshare", "-m"), **settings: str
    ) -> None:
        super().__init__(folder, state)
        self._wrap = wrap
        quick = {"WATCH__CANARY_S": "1", "WATCH__POLL_S": "1", "WATCH__SETTLE_MS": "100"}
        self._settings = {f"INGESTD_{key}": value for key, value in {**quick, **settings}.items()}

    def start(self) -> Self:
        """Start, and wait until everything that was there is indexed."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(*self._wrap, sys.executable, "-m", "ingestd", "run", str(self.folder)),
                    *("--port", str(self.port), "--state-dir", str(self.state)),
                ],
                env={**environment("hash"), **self._settings},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        eventually(lambda: self.events("ready") or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def inside(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program where the daemon sees what is mounted."""
        return subprocess.run(
            ["nsenter", "-t", str(self.process.pid), "-m", *map(str, command)],
            check=True,
            capture_output=True,
            text=True,
            env=environment("hash"),
        )

    def seen(self, path: Path) -> Path:
        """A path as the daemon sees it, for this process."""
        return Path(f"/proc/{self.process.pid}/root{path}")

    def verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb beside it, in its namespace."""
        command = (sys.executable, "-m", "ingestd", *arguments, "--state-dir", self.state)
        return self.inside(*command)

    def paths(self) -> set[str]:
        """Every path in the collection, as any client sees it."""
        found = self.collection().get(include=["metadatas"])["metadatas"]
        return {metadata["path"] for metadata in found}

    def last(self, event: str) -> dict[str, Any]:
        """The last log line of an event."""
        return dict(self.events(event)[-1])

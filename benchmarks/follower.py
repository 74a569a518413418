"""A rival that follows a folder by itself, where it can; the others have to be run by hand."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Self

from benchmarks import systems
from benchmarks.ending import end

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from benchmarks.systems import System

CAN_FOLLOW = ("cocoindex",)


class Follower:
    """A rival in its live mode; a context.

    Args:
        system: which.
        docs: the folder, indexed already.
        state: where the system keeps its things.
        model: what it embeds with; None: the stub.
    """

    def __init__(self, system: System, docs: Path, state: Path, model: Path | None) -> None:
        self._command = systems.command(system, "watch", docs, state)
        self._env = systems.with_model(system, model)
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        """Start it; whether it follows already is for the caller to find out."""
        self._process = subprocess.Popen(
            self._command,
            cwd=systems.ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        end(self._process)

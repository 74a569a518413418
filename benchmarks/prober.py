"""A process that waits, as an application would, until a store shows what was saved."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Self

from benchmarks import systems
from benchmarks.rivals import seen

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from benchmarks.systems import System


class Prober:
    """Waits for texts; a context.

    Args:
        system: whose store is looked at.
        docs: the folder.
        state: the state of the system.
        variant: what its adapter needs to find the store.
    """

    def __init__(self, system: System, docs: Path, state: Path, variant: str = "") -> None:
        self._process = subprocess.Popen(
            systems.command(system, "seen", docs, state, variant),
            cwd=systems.ROOT,
            env=systems.with_model(system, None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Wait until it is ready."""
        self._expect(seen.READY)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def wait(self, path: str, word: str) -> None:
        """Return once the store has a word in a file.

        Raises:
            RuntimeError: it did not come, or the process ended.
        """
        if self._process.stdin is None:
            raise RuntimeError("the prober has no standard input")
        self._process.stdin.write(json.dumps({"path": path, "word": word}) + "\n")
        self._process.stdin.flush()
        self._expect(seen.SEEN)

    def _expect(self, answer: str) -> None:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if line.strip() != answer:
            raise RuntimeError(f"the prober says {line!r} instead of {answer!r}")

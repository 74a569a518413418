"""How a session is set up, what it ran, and what it found."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = float(os.environ.get("INGESTD_MODEL_DEADLINE_S", "20"))
"""For the daemon to come to rest; far more than it takes, the machine may be busy."""
START_S = 6 * DEADLINE_S
"""For the daemon to start, and to do what was waiting."""
GO_ON = bool(os.environ.get("INGESTD_MODEL_GO_ON"))
"""Write findings down, and go on to the next example."""
REPORTS = os.environ.get("INGESTD_MODEL_REPORTS", "")
"""A folder for findings."""
PLACE = os.environ.get("INGESTD_MODEL_DIR") or None
"""Where the trees are made; default: the folder for temporary files."""


class FindingError(AssertionError):
    """The program does not hold what it promises; the message has the history."""


@dataclass
class Tally:
    """What was run, over all examples of a session."""

    examples: int = 0
    operations: int = 0
    comparisons: int = 0
    findings: int = 0
    starts: int = 0
    started: float = 0.0

    def begin(self) -> None:
        """An example begins."""
        self.started = self.started or time.monotonic()

    def end(self) -> None:
        """An example is over."""
        self.examples += 1
        if REPORTS:
            (Path(REPORTS) / "tally").write_text(self.line() + "\n", encoding="utf-8")

    def found(self, name: str, text: str) -> None:
        """There is a finding."""
        self.findings += 1
        if REPORTS:
            report = Path(REPORTS) / f"{name}.txt"
            report.write_text(text, encoding="utf-8", errors="backslashreplace")

    def line(self) -> str:
        """For a person."""
        return (
            f"{self.examples} examples, {self.operations} operations, "
            f"{self.comparisons} comparisons, {self.starts} starts, {self.findings} findings, "
            f"{time.monotonic() - self.started:.0f} s"
        )


TALLY = Tally()

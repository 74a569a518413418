"""A daemon that Prometheus reads with a token, with every gauge there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from daemon import Daemon, environment, eventually, free_port

__all__ = ["TOKEN", "Watched", "eventually", "free_port"]

if TYPE_CHECKING:
    from typing import BinaryIO

TOKEN = "0123456789abcdef"  # noqa: S105 - of a test


class Watched(Daemon):
    """One whose page and metrics are at a port of their own.

    Args:
        folder: with the documents.
        state: its state directory.
        model: that embeds.
    """

    def __init__(self, folder: Path, state: Path, model: str = "hash") -> None:
        super().__init__(folder, state, model=model)
        self.page = free_port()

    def launch(self, log: BinaryIO) -> None:
        """Start, and wait for nothing."""
        more = {
            "INGESTD_HTTP__LISTEN": f"127.0.0.1:{self.page}",
            "INGESTD_HTTP__TOKEN": TOKEN,
            "INGESTD_MEMORY__MAX": "4G",
            "INGESTD_WATCH__RECONCILE_S": "2",
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingestd", "run", str(self.folder)),
                *("--port", str(self.port), "--state-dir", str(self.state)),
            ],
            env={**environment(self._model), **more},
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def metrics(self) -> str:
        """What it tells of itself."""
        answer = httpx.get(f"http://127.0.0.1:{self.page}/metrics", auth=("", TOKEN), timeout=20)
        return answer.raise_for_status().text

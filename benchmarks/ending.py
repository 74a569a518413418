"""Ends a process that is asked first."""

from __future__ import annotations

import subprocess

PATIENCE_S = 30.0


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop, and insist after a while."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

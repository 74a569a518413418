"""Runs a module of ours in a process of its own, which ends and gives everything back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start(module: str, arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a module; what it prints can be read from the process.

    Args:
        module: its full name.
        arguments: for its command line, after our process id: it is to end when we do.
        folder: where it runs: an empty one, so that it imports nothing from where we were started.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def failure(process: subprocess.Popen[str], timeout_s: float) -> str | None:
    """Wait until it ends; say why it failed, None when it did not."""
    try:
        _, told = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"it took longer than {timeout_s:.0f} s"
    if process.returncode == 0:
        return None
    last = told.strip().rpartition("\n")[2] or "no message"
    return f"exit status {process.returncode}: {last}"


def _environment() -> dict[str, str]:
    environment = dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    root = Path(__file__).parents[3]
    if root.name not in {"site-packages", "dist-packages"}:  # run from a checkout
        paths = [str(root), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment

"""Runs pip and tells what it does in few lines; the whole output goes to a log file."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGE_MB = 20.0
UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


class SetupError(Exception):
    """The set-up cannot go on: what happened, and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def downloaded(line: str) -> tuple[str, float] | None:
    """Read pip's line about a download: the file and its size in MB; None for any other line."""
    pattern = r"\s*Downloading (\S+\.(?:whl|tar\.gz|zip)) \(([\d.]+) (bytes|[kMG]B)\)"
    match = re.match(pattern, line)
    if match is None:
        return None
    return match[1].rsplit("/", 1)[-1], float(match[2]) * UNITS[match[3]]


def follow(command: Sequence[str], log: Path) -> None:
    """Run a pip command, show large downloads and the number of packages, and keep a log.

    Raises:
        SetupError: pip failed; the message holds its last lines.
    """
    started, files, megabytes = time.monotonic(), 0, 0.0
    last: deque[str] = deque(maxlen=12)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    with log.open("a", encoding="utf-8") as out, process:
        out.write(f"$ {' '.join(command)}\n")
        for line in process.stdout or ():
            out.write(line)
            last.append(line)
            download = downloaded(line)
            if download:
                files += 1
                megabytes += download[1]
                if download[1] >= LARGE_MB:
                    print(f"  downloading {download[0]} ({download[1]:.0f} MB)", flush=True)
            elif line.startswith("Installing collected packages:"):
                packages = line.count(",") + 1
                print(f"  installing {packages} packages ...", flush=True)
    if process.returncode:
        tail = "".join(last)
        hint = f"The whole output is in {log}. For a machine without network see docs/install.md."
        raise SetupError(f"pip failed:\n{tail}", hint)
    seconds = time.monotonic() - started
    fetched = f"{files} files, {megabytes:.0f} MB downloaded, " if files else ""
    print(f"  done ({fetched}{seconds:.0f} s)", flush=True)

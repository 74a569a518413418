"""Runs a benchmark as a person does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bench(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What ``python -m benchmarks.MODULE`` prints and ends with, from the root of the checkout."""
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

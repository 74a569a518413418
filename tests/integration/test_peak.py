"""Memory does not depend on the size of a file: measured from outside, on the real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PEAK = Path(__file__).parents[2] / "profiling" / "peak.py"
CHUNK = 8_000
"""Large: the memory is the same, and Chroma has less to do."""
BOUND = 100_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("case", "size"), [("text", 40_000_000), ("line", 10_000_000)])
def test_a_long_file_does_not_take_memory_by_its_length(
    case: str, size: int, tmp_path: Path
) -> None:
    """A long file takes daemon and reading child less than 100 MB more than a small one."""
    command = [sys.executable, str(PEAK), "--only", case, "--size", str(size)]
    command += ["--set", f"chunk.size={CHUNK}", "--results", str(tmp_path), "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    result = tmp_path / "peak.json"
    assert result.exists(), done.stderr
    [found] = json.loads(result.read_text(encoding="utf-8"))["cases"]
    assert found["documents"] == {"indexed": 2}, found["errors"]
    assert found["live_vectors"] >= size // CHUNK
    assert found["above_warm"] < BOUND, done.stdout

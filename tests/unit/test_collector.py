"""Garbage is looked for seldom while a command starts, and as usual afterwards."""

from __future__ import annotations

import subprocess
import sys

SNIPPET = """
import gc
usual = gc.get_threshold()
from ingestd.memory import collector
collector.hurry()
assert gc.get_threshold()[0] > 100 * usual[0]
assert gc.isenabled()
collector.steady()
assert gc.get_threshold() == usual

class Held:
    def __del__(self):
        print("dropped")

held = Held()
"""


def test_a_command_hurries() -> None:
    """What it holds at its end is still let go in order."""
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET], capture_output=True, text=True, check=True
    )
    assert done.stdout == "dropped\n"

"""Garbage is looked for seldom while a command starts, and as usual afterwards."""

from __future__ import annotations

import subprocess
import sys

SNIPPET = """
import gc, weakref
usual = gc.get_threshold()
from ingestd.memory import collector
collector.hurry()
assert gc.get_threshold()[0] > 100 * usual[0]
assert gc.isenabled()
collector.steady()
assert gc.get_threshold() == usual

class Held: pass

held = Held()
weakref.finalize(held, print, "dropped")
print("written", end=" ")
"""


def test_a_command_hurries() -> None:
    """What is to be done at its end is done, and what it wrote is written."""
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET], capture_output=True, text=True, check=True
    )
    assert done.stdout == "written dropped\n"

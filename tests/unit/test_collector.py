"""Garbage is looked for seldom while a command starts, and as usual afterwards."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

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


OPENS = """
import gc, sys
usual = gc.get_threshold()
from ingestd.memory import collector
collector.hurry()
from pathlib import Path
from ingestd.cli import stores
from ingestd.config import Settings
from ingestd.errors import NotFoundError
from ingestd.location import locate
try:
    with stores.opened(Settings(), locate(state_dir=Path(sys.argv[1]))):
        pass
except NotFoundError:
    assert gc.get_threshold() == usual
    print("steady")
"""


def test_a_verb_that_asks_chroma_does_not(tmp_path: Path) -> None:
    """Each answer is part of a cycle: those of a long check would all stay until its end."""
    done = subprocess.run(
        [sys.executable, "-c", OPENS, str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "steady\n"

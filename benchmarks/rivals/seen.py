"""Waits, as an application would, until a store shows what was just saved.

Each line of standard input asks for a word in a file: ``{"path": ..., "word": ...}``. Answered is a
line once the store has it. The first line that is printed says that this process is ready.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GLANCE_S = 0.005
LIMIT_S = 120.0
READY, SEEN, MISSED = "ready", "seen", "missed"


def answer(texts: Callable[[str], Iterable[str]]) -> None:
    """Answer until standard input ends.

    Args:
        texts: what the store holds of a file.
    """
    print(READY, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        end = time.monotonic() + LIMIT_S
        there = False
        while not there and time.monotonic() < end:
            there = any(asked["word"] in text for text in texts(asked["path"]))
            if not there:
                time.sleep(GLANCE_S)
        print(SEEN if there else MISSED, flush=True)

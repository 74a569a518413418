"""The command line that every adapter understands: index a folder, or print what is stored."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Arguments:
    """What an adapter is asked to do.

    Attributes:
        action: ``index`` brings the store in line with the folder, ``rows`` prints the store.
        docs: the folder.
        state: where the system keeps its things.
        variant: a way to use the system; empty for its usual way.
    """

    action: str
    docs: Path
    state: Path
    variant: str


def read_arguments() -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["index", "rows"])
    parser.add_argument("docs", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--variant", default="")
    given = parser.parse_args()
    return Arguments(given.action, given.docs, given.state, given.variant)

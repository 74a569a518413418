"""The command line that every adapter understands."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Arguments:
    """What an adapter works on.

    Attributes:
        docs: the folder.
        state: where the system keeps its things.
        variant: a way to use the system; empty for its usual way.
    """

    docs: Path
    state: Path
    variant: str


def own_words(docs: Path, state: Path) -> list[str]:
    """What makes ``ingestd`` bring its store in line with a folder, once."""
    return ["run", str(docs), "--once", "--json", "--state-dir", str(state)]


def act(actions: Mapping[str, Callable[[Arguments], None]]) -> None:
    """Read the command line, and do what it asks for.

    Args:
        actions: ``index`` brings the store in line with the folder, ``rows`` prints the store,
            ``search`` answers questions from standard input, ``vectors`` prints some texts with
            their vectors, ``watch`` follows the folder, and ``seen`` waits for texts that standard
            input names. An adapter has those that its system can do.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=sorted(actions))
    parser.add_argument("docs", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--variant", default="")
    given = parser.parse_args()
    actions[given.action](Arguments(given.docs, given.state, given.variant))

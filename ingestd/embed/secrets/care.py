"""How a file is to be handled, before it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestd.ports import Source


@dataclass(frozen=True, slots=True)
class Care:
    """How one file is handled.

    Attributes:
        sealed: the rule by which it is not opened, because its name says that it holds
            credentials; empty when it is.
        guard: search it for keys and tokens.
    """

    sealed: str = ""
    guard: bool = True


GUARDED = Care()
OPEN = Care(guard=False)

CareOf = Callable[["Source", bytes], Care]
"""Tells of a path in a source how it is handled."""


def guarded(_source: Source, _path: bytes) -> Care:
    """Any file is opened and searched."""
    return GUARDED

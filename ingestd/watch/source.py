"""A source as it is watched: its root, and the rules that say which paths are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.ports import Source

if TYPE_CHECKING:
    from .rules import Rules


@dataclass(frozen=True, slots=True)
class WatchedSource(Source):
    """A source with its rules.

    Attributes:
        rules: what is taken.
        polled: no events are asked for; it is scanned at an interval.
    """

    rules: Rules
    polled: bool = False

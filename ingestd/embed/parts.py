"""What the embed job works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.settings.running import LimitSettings
    from ingestd_state.engine import Database

    from .outcome import Recorder
    from .prepare import Preparer
    from .scanner import Scanner
    from .texts import TextEmbedder
    from .totals import Totals
    from .write import Writer


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an embed job; without a scanner, nothing is put off."""

    database: Database
    preparer: Preparer
    texts: TextEmbedder
    writer: Writer
    recorder: Recorder
    totals: Totals
    limits: LimitSettings
    clock: Callable[[], float]
    scanner: Scanner | None = None

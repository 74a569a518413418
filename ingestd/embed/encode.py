"""Has the texts of documents embedded, a window at a time, with the urgent ones in between."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parts import Parts
    from .prepared import Prepared
    from .stages import Stages


async def embed(
    parts: Parts, stages: Stages, contents: Sequence[Prepared], place: int
) -> Sequence[Prepared]:
    """Embed every missing text of these documents.

    Args:
        parts: what the job works with.
        stages: its threads.
        contents: documents with chunks.
        place: in the line; whoever is urgent goes before the next window.

    Returns:
        The documents that are not complete: a stop was asked for, or another batch failed.

    Raises:
        EngineError: the model fails on every text; no document is to blame.
    """

    def gives_way() -> bool:
        return stages.halted or stages.encode.pressed

    def window(rest: Sequence[Prepared]) -> list[Prepared]:
        with parts.totals.waits.running(), parts.totals.stage("embed"):
            return parts.texts.embed(rest, gives_way)

    rest = contents
    while rest and not stages.halted:
        rest = await stages.encode.run(partial(window, rest), place)
        if parts.texts.stopping:
            break
    return rest

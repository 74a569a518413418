"""How long after a save an application in another process finds it.

The clock starts when the file is closed, and stops when the store gives out a word that was not
there before. Systems that follow a folder run side by side and take turns; the others have to be
run by hand, which the row of one edit shows.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import corpus, systems
from benchmarks.chance import Chance
from benchmarks.daemon import Daemon
from benchmarks.follower import CAN_FOLLOW, Follower
from benchmarks.prober import Prober
from benchmarks.series.ingest import LIMIT_S
from benchmarks.series.rows import Bounds, Row, spread, tell

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.systems import System

SERIES = "save to visible"
FIRST = 3
"""Saves that are not counted: until they are seen, something may still be starting."""
PAUSE_S = 0.15


class Saver:
    """Saves files of a folder, each time with a word that is new.

    Args:
        docs: the folder.
        prober: looks for the words.
        files: those that are edited.
    """

    def __init__(self, docs: Path, prober: Prober, files: list[str]) -> None:
        self._docs = docs
        self._prober = prober
        self._files = files
        self._texts = {file: (docs / file).read_text(encoding="utf-8") for file in files}
        self._chance = Chance("saves")
        self._count = 0

    def save(self) -> float:
        """Change a paragraph, and wait for it; returns the seconds until it was seen."""
        self._count += 1
        path, word = self._chance.of(self._files), f"word{self._count}of{id(self)}"
        blocks = self._texts[path].split("\n\n")
        blocks[len(blocks) // 2] = f"Save number {self._count} brings the word {word} along."
        (self._docs / path).write_text("\n\n".join(blocks), encoding="utf-8")
        saved = time.monotonic()
        self._prober.wait(path, word)
        return time.monotonic() - saved

    def pause(self) -> None:
        """Let some time pass, not always the same."""
        time.sleep(PAUSE_S * (1 + self._chance.random()))


def measure(bounds: Bounds) -> list[Row]:
    """Measure at each size."""
    following = [system for system in bounds.systems if system.rival in (systems.OURS, *CAN_FOLLOW)]
    return [row for size in bounds.sizes for row in _at_size(bounds, size, following)]


def _at_size(bounds: Bounds, size: int, following: list[System]) -> list[Row]:
    files = corpus.spread(bounds.docs, size, bounds.questions.values())
    waits: dict[str, list[float]] = {system.name: [] for system in following}
    with ExitStack() as stack:
        savers = {}
        for system in following:
            tell(f"{SERIES}, {len(files)} documents: {system.name} starts")
            place = bounds.work / f"save-{size}" / system.name
            corpus.copy(bounds.docs, files, place / "docs")
            prober = _following(stack, bounds, system, place)
            savers[system.name] = Saver(place / "docs", prober, files)
        _take_turns(savers, waits, bounds.saves)
    return [
        Row(SERIES, len(files), name, spread(each), [{"seconds": each}])
        for name, each in waits.items()
        if each
    ]


def _take_turns(savers: dict[str, Saver], waits: dict[str, list[float]], saves: int) -> None:
    """Save with each in turn; a rival that misses a save is left out."""
    for number in range(FIRST + saves):
        for name, saver in list(savers.items()):
            try:
                took = saver.save()
            except RuntimeError as error:
                if name.startswith(systems.OURS):
                    raise
                tell(f"{name} is left out: {error}")
                del savers[name], waits[name]
                continue
            if number >= FIRST:
                waits[name].append(took)
            saver.pause()


def _following(stack: ExitStack, bounds: Bounds, system: System, place: Path) -> Prober:
    """Have a system follow its folder, with everything indexed; returns who looks."""
    docs, state = place / "docs", place / "state"
    if system.rival == systems.OURS:
        env = systems.with_model(system, bounds.model)
        daemon = stack.enter_context(Daemon(docs, state, model=bounds.model_name, more=env))
        daemon.settle(corpus.contents(docs))
        return stack.enter_context(Prober(system, docs, state, str(daemon.port)))
    systems.index(system, docs, state, model=bounds.model, limit_s=LIMIT_S)
    stack.enter_context(Follower(system, docs, state, bounds.model))
    return stack.enter_context(Prober(system, docs, state))

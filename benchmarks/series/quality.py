"""How good an index is: speed that costs answers is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import systems

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.series.rows import Bounds, Values
    from benchmarks.systems import System


def quality(bounds: Bounds, system: System, docs: Path, store: Path) -> Values:
    """Answers, and vectors beside those of the reference; nothing without a real model."""
    if bounds.model is None:
        return {}
    near = systems.fidelity(system, docs, store, bounds.model)
    return {**near, **_hits(bounds, system, docs, store, bounds.model)}


def _hits(bounds: Bounds, system: System, docs: Path, store: Path, model: Path) -> Values:
    """The share of questions whose page is among the first five answers."""
    there = {
        question: page for question, page in bounds.questions.items() if (docs / page).exists()
    }
    if not there:
        return {}
    found = systems.answers(system, docs, store, list(there), model)
    hits = sum(page in found[question] for question, page in there.items())
    return {"hit_at_5": round(hits / len(there), 3), "questions": len(there)}

"""The rows of the comparison: what each is called, how it is shown, and what ours must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ONE_BATCH = 64
"""Texts that a kill may have embedded for nothing: one window of the embed job."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table.

    Attributes:
        label: what was done, and what is counted.
        shown: how the values of one system are written.
        holds: whether the values are what ingestd promises.
    """

    label: str
    shown: str
    holds: Callable[[Mapping[str, Any]], bool] = lambda _: True


def _nothing(values: Mapping[str, Any]) -> bool:
    return not values["embedded"] and not values.get("stale", 0)


def _exact(values: Mapping[str, Any]) -> bool:
    return not (values["extra"] or values["missing"] or values["duplicate"])


def _resumed(values: Mapping[str, Any]) -> bool:
    return bool(_exact(values) and values["killed"] and values["again"] <= ONE_BATCH)


def _kept(values: Mapping[str, Any]) -> bool:
    return bool(values["after"] == values["before"] > 0)


_KILL = "{have}/{want}, {extra}/{missing}/{duplicate}; {again}"
LINES = {
    "T1": Line("T1 first ingest: embedded / vectors", "{embedded} / {vectors}"),
    "T2": Line("T2 no change: embedded", "{embedded}", _nothing),
    "T3": Line("T3 touch all: embedded / vectors", "{embedded} / {vectors}", _nothing),
    "T4a": Line(
        "T4 sentence at the very top: embedded of the file's chunks",
        "{embedded} of {of}",
        lambda values: values["embedded"] <= 2,  # noqa: PLR2004 - the promise
    ),
    "T4b": Line(
        "T4 another below the title: embedded of the file's chunks",
        "{embedded} of {of}",
        lambda values: values["embedded"] <= 2,  # noqa: PLR2004 - the promise
    ),
    "T5a": Line(
        "T5a rename a file: embedded of chunks; stale", "{embedded} of {of}; {stale}", _nothing
    ),
    "T5b": Line(
        "T5b move a directory: embedded of chunks; stale", "{embedded} of {of}; {stale}", _nothing
    ),
    "T6": Line("T6 delete files: embedded; stale", "{embedded}; {stale}", _nothing),
    "T7": Line("T7 copy a file: embedded of chunks", "{embedded} of {of}", _nothing),
    "T8": Line(
        "T8 an edit that keeps size and mtime: detected",
        "{detected}",
        lambda values: values["detected"] == "yes",
    ),
    "T2-T8": Line(
        "after T2 to T8, against a fresh ingest: extra / missing / duplicate",
        "{extra} / {missing} / {duplicate} (of {want})",
        _exact,
    ),
    "T9a": Line(
        "T9 kill -9 at 30 %, run again: have/want, extra/missing/duplicate; embedded again",
        _KILL,
        _resumed,
    ),
    "T9b": Line("T9 kill -9 at 70 %, the same", _KILL, _resumed),
    "T12a": Line("T12 delete a directory: embedded; stale", "{embedded}; {stale}", _nothing),
    "T12b": Line("T12 restore it: embedded of chunks", "{embedded} of {of}", _nothing),
    "T13a": Line("T13 switch the branch: embedded of vectors that differ", "{embedded} of {of}"),
    "T13b": Line(
        "T13 switch back: embedded of vectors that differ; extra / missing / duplicate",
        "{embedded} of {of}; {extra} / {missing} / {duplicate}",
        lambda values: _nothing(values) and _exact(values),
    ),
    "T14": Line("root missing: vectors before > after", "{before} > {after}", _kept),
    "T15": Line("root empty: vectors before > after", "{before} > {after}", _kept),
}


def cell(task: str, values: Mapping[str, Any] | None) -> str:
    """What the table shows of a task; a dash where it was not done."""
    if values is None:
        return "-"
    return LINES[task].shown.format(**values)


def broken(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tasks, by label, in which ours does not hold what it promises."""
    return [LINES[task].label for task, values in results.items() if not LINES[task].holds(values)]

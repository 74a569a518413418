"""Packs units into chunks: which units stand together, and where a long section is cut.

A heading begins a chunk, unless the chunk before it is all but empty and the heading goes deeper;
so does text that is in another section than the one before, where sections end without a heading.
Where a section does not fit, it is cut at the best place of a window: a heading, else a block, else
a line; among equals the one whose preceding text has the smallest mark. So the place of a cut
depends on nearby text only, and an insertion changes the cuts beside it and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ingestd.embed.split import Unit

# Shares of a chunk's budget: how full packing makes a chunk, the least that a cut leaves in it, and
# what counts as all but empty in front of a heading. Tuned on the real history of a documentation:
# a narrow window fills chunks better, a wide one finds the same places again after an edit.
_FULL = 0.95
_LEAST = 0.08
_TINY = 0.15


def pack(
    units: Iterable[Unit], budget: Callable[[Unit], int], mark: Callable[[Unit], int]
) -> Iterator[list[Unit]]:
    """Yield the units of each chunk.

    Args:
        units: in reading order.
        budget: what a chunk may cost that begins with a given unit.
        mark: a number that depends on the unit's text alone.
    """
    held: list[Unit] = []
    cost = 0
    for unit in units:
        if held and _begins(held, cost, unit, budget(held[0])):
            yield held
            held, cost = [], 0
        while held and cost + unit.cost > _FULL * budget(held[0]):
            place = _best_cut([*held, unit], _LEAST * budget(held[0]), mark)
            yield held[:place]
            held = held[place:]
            cost = sum(u.cost for u in held)
        held.append(unit)
        cost += unit.cost
    if held:
        yield held


def _begins(held: Sequence[Unit], cost: int, unit: Unit, budget: int) -> bool:
    """Whether a unit begins a chunk: a heading, or what stands behind the end of a section."""
    if unit.heading:
        return not _joins(held, cost, unit, budget)
    return unit.headings != held[-1].headings


def _joins(held: Sequence[Unit], cost: int, heading: Unit, budget: int) -> bool:
    """Whether a heading goes on with the chunk before it."""
    section = next((u.heading for u in reversed(held) if u.heading), 0)
    deeper = 0 < section < heading.heading
    return deeper and (all(u.heading for u in held) or cost <= _TINY * budget)


def _best_cut(units: Sequence[Unit], least: float, mark: Callable[[Unit], int]) -> int:
    """How many units the next chunk takes; the last one given does not fit with the others."""
    last = len(units) - 1
    places = []
    cost = 0
    for place in range(1, last):
        cost += units[place - 1].cost
        # A heading stays with what it is the heading of.
        if cost >= least and not units[place - 1].heading:
            places.append(place)
    places.append(last)
    return min(places, key=lambda place: (-units[place].rank, mark(units[place - 1])))

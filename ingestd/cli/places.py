"""Which source a path belongs to, and where in it: from what a person typed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from ingestd_state.sources import Source


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a source.

    Attributes:
        source: the source with the longest root above the path.
        path: relative to that root; empty for the root itself.
    """

    source: Source
    path: bytes

    @property
    def full(self) -> bytes:
        """The absolute path."""
        return os.path.join(self.source.path, self.path) if self.path else self.source.path


def place_of(absolute: bytes, sources: Iterable[Source]) -> Place | None:
    """The place of an absolute path; None outside of every source.

    Of two sources with the same root, one that is still configured is taken.
    """
    found = [
        Place(source, relative)
        for source in sources
        if (relative := _below(absolute, source.path)) is not None
    ]
    return max(
        found,
        key=lambda place: (
            len(place.source.path),
            place.source.status is not SourceStatus.DETACHED,
        ),
        default=None,
    )


def find(given: Path, sources: Sequence[Source], *, known: Callable[[Place], bool]) -> Place | None:
    """The place that a person means: absolute, from the current directory, or from a root.

    Args:
        given: as typed.
        sources: all of them.
        known: whether the state table has something at a place.
    """
    candidates = list(_candidates(os.fsencode(given.expanduser()), sources))
    for is_it in (lambda place: os.path.lexists(place.full), known):
        for place in candidates:
            if is_it(place):
                return place
    return candidates[0] if candidates else None


def outermost(places: Iterable[Place]) -> list[Place]:
    """The places, without those that lie in another of them."""
    kept: list[Place] = []
    # A byte below all others for the separator, so that a folder comes right before its content.
    for place in sorted(places, key=lambda p: (p.source.id, p.path.replace(b"/", b"\0"))):
        last = kept[-1] if kept else None
        inside = last is not None and last.source.id == place.source.id
        if not (last and inside and _is_at_or_below(place.path, last.path)):
            kept.append(place)
    return kept


def _candidates(given: bytes, sources: Sequence[Source]) -> Iterable[Place]:
    absolute = os.path.abspath(given)  # noqa: PTH100 - bytes, and links stay
    if place := place_of(absolute, sources):
        yield place
    # The same folder by another name: links on the way are resolved, the last name stays.
    directory, name = os.path.split(absolute)
    real = os.path.join(os.path.realpath(directory), name)
    for source in sources:
        relative = _below(real, os.path.realpath(source.path))
        if relative is not None:
            yield Place(source, relative)
    if not given.startswith(b"/"):
        for source in sources:
            relative = _below(os.path.normpath(os.path.join(source.path, given)), source.path)
            if relative is not None:
                yield Place(source, relative)


def _below(path: bytes, root: bytes) -> bytes | None:
    if path == root:
        return b""
    prefix = root.rstrip(b"/") + b"/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def _is_at_or_below(path: bytes, top: bytes) -> bool:
    return not top or path == top or path.startswith(top + b"/")

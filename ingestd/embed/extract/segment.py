"""A long text read segment by segment: what one leaves open, the next goes on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingestd.embed.extract.outline import Outline

if TYPE_CHECKING:
    from ingestd.embed.extract.formats import Kind
    from ingestd.ports import Extracted


@dataclass(slots=True)
class Carried:
    """What is open at the end of a segment. Bounded: it does not grow with the text.

    Attributes:
        begun: whether there was a segment before.
        outline: the sections.
        fence: the mark of the code block, or empty.
        levels: of underlined titles, by how they are underlined.
        state: what else a format leaves open; never changed in place.
    """

    begun: bool = False
    outline: Outline = field(default_factory=Outline)
    fence: str = ""
    levels: dict[tuple[str, bool], int] = field(default_factory=dict)
    state: object = None

    def copy(self) -> Carried:
        """The same, to go on with on trial."""
        return Carried(self.begun, self.outline.copy(), self.fence, dict(self.levels), self.state)


class SegmentReader:
    """Extracts the segments of one text, in order."""

    def __init__(self, kind: Kind) -> None:
        self._module: Any = import_module(f"ingestd.embed.extract.{kind.value}")
        self._carried = Carried()

    def read(self, text: str) -> Extracted:
        """Extract the next segment; its offsets are its own."""
        return self._extract(text, self._carried)

    def look(self, text: str) -> Extracted:
        """Extract what comes next, to see where it could be cut; it is read again."""
        return self._extract(text, self._carried.copy())

    def _extract(self, text: str, carried: Carried) -> Extracted:
        go_on = getattr(self._module, "go_on", None)
        extracted: Extracted = go_on(text, carried) if go_on else self._module.extract(text)
        carried.begun = True
        return extracted

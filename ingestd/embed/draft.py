"""A chunk in the making: a stretch of text that may turn out too long for the model."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk before it is known to fit."""

    start: int
    end: int
    prefix: str
    headings: tuple[str, ...]
    page: int | None = None

    def embedded(self, text: str) -> str:
        """What the model would see."""
        own = text[self.start : self.end]
        return f"{self.prefix}\n{own}" if self.prefix else own

    def trimmed(self, text: str) -> Draft:
        """Without white space at its end, and blank lines at its beginning."""
        own = text[self.start : self.end]
        end = self.start + len(own.rstrip())
        lead = len(own) - len(own.lstrip())
        at_line = self.start == 0 or text[self.start - 1] == "\n"
        # Indentation belongs to the first line, where the chunk has all of it.
        line = own.rfind("\n", 0, lead) + 1
        start = self.start + (line if line or at_line else lead)
        return replace(self, start=min(start, end), end=end)

    def halves(self, text: str) -> tuple[Draft, Draft]:
        """Cut near the middle: at a line, else at white space, else anywhere."""
        middle = (self.start + self.end) // 2
        least = self.start + (self.end - self.start) // 4
        place = text.rfind("\n", least, middle) + 1
        place = place or white_space_before(text, middle, least)
        return replace(self, end=place), replace(self, start=place)


def white_space_before(text: str, end: int, least: int) -> int:
    """The place behind the last white space before an end, or the end where there is none."""
    for place in range(end, max(least, 0), -1):
        if text[place - 1].isspace():
            return place
    return end

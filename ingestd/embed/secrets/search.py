"""Searches a text that comes piece by piece, whatever format it was extracted from."""

from __future__ import annotations

from dataclasses import dataclass

from . import keys, tokens

_WINDOW_CHARS = 256 * 1024
_KEY_FILES = (b".pem", b".key", b".crt", b".cer", b".asc", b".pub", b".p8")


@dataclass(frozen=True, slots=True)
class Secret:
    """What was found, without a character of it.

    Attributes:
        kind: such as ``GitHub token``.
        at: where it begins, in characters of the text.
    """

    kind: str
    at: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} at character {self.at:,}"


class Search:
    """Searches what it is fed, with enough of what came before for a secret in two pieces.

    Args:
        name: the last part of the file's path: of a file for keys, a header is believed.
    """

    def __init__(self, name: bytes = b"") -> None:
        self._headers = name.lower().endswith(_KEY_FILES)
        self._text: list[str] = []
        self._held = 0
        self._end = 0
        self._places: list[tuple[int, int]] = []  # where a part lies here, and in the whole

    def feed(self, text: str, start: int) -> Secret | None:
        """Add text, and search once there is enough of it.

        Args:
            text: the next part.
            start: its place in the whole. What was left out in between is white space, and what
                the last part has as well is dropped.
        """
        shared = self._end - start
        if shared > 0 and self._ends_with(text[:shared]):
            text, start = text[shared:], self._end
        elif shared:
            self._text.append("\n")
            self._held += 1
        self._places.append((self._held, start))
        self._text.append(text)
        self._held += len(text)
        self._end = start + len(text)
        return self.search() if self._held >= _WINDOW_CHARS else None

    def search(self) -> Secret | None:
        """Search what is held; all but its end is dropped."""
        text = "".join(self._text)
        found = find(text, headers=self._headers)
        if found is not None:
            held, start = next(place for place in reversed(self._places) if place[0] <= found.at)
            return Secret(found.kind, start + found.at - held)
        rest = text[-keys.CARRY_CHARS :]
        gone = len(text) - len(rest)
        last = [place for place in self._places if place[0] <= gone][-1:]
        kept = [place for place in self._places if place[0] > gone]
        self._places = [(held - gone, start) for held, start in [*last, *kept]]
        self._text, self._held = [rest], len(rest)
        return None

    def _ends_with(self, text: str) -> bool:
        """Whether what is held ends so: overlapping windows do, tables with a repeated head not."""
        tail, length = [], 0
        for piece in reversed(self._text):
            tail.append(piece)
            length += len(piece)
            if length >= len(text):
                break
        return "".join(reversed(tail)).endswith(text)


def find(text: str, *, headers: bool = False) -> Secret | None:
    """The first key or token of a text; None when there is none."""
    for at, kind in keys.find(text, headers=headers) if "PRIVATE KEY" in text else ():
        return Secret(f"private key ({kind})", at)
    for at, kind in tokens.find(text):
        return Secret(kind, at)
    return None

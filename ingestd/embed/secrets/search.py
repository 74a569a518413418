"""Searches a text that comes piece by piece, whatever format it was extracted from."""

from __future__ import annotations

from dataclasses import dataclass

from . import keys, tokens

VERSION = 1
"""Raise it with every change of what is found: documents are read anew then."""
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
        self._start = 0

    def feed(self, text: str, start: int | None = None) -> Secret | None:
        """Add text, and search once there is enough of it.

        Args:
            text: the next part.
            start: its place in the whole; what was left out in between is white space, and what
                overlaps with the last part is dropped.
        """
        end = self._start + self._held
        if start is not None and start != end:
            if start > end:
                self._add("\n" * min(start - end, 2))
                self._start += start - end - min(start - end, 2)
            text = text[max(0, end - start) :]
        self._add(text)
        return self.search() if self._held >= _WINDOW_CHARS else None

    def search(self) -> Secret | None:
        """Search what is held; all but its end is dropped."""
        text = "".join(self._text)
        found = find(text, headers=self._headers)
        if found is not None:
            return Secret(found.kind, self._start + found.at)
        rest = text[-keys.CARRY_CHARS :] if len(text) > keys.CARRY_CHARS else text
        self._start += len(text) - len(rest)
        self._text, self._held = [rest], len(rest)
        return None

    def _add(self, text: str) -> None:
        self._text.append(text)
        self._held += len(text)


def find(text: str, *, headers: bool = False) -> Secret | None:
    """The first key or token of a text; None when there is none."""
    for at, kind in keys.find(text, headers=headers) if "PRIVATE KEY" in text else ():
        return Secret(f"private key ({kind})", at)
    for at, kind in tokens.find(text):
        return Secret(kind, at)
    return None

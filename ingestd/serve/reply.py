"""What a handler is asked, and what it answers where JSON will not do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class Asked(Mapping[str, Any]):
    """The values of a request: its body or query, and the parts of its path.

    Attributes:
        headers: by their names in lower case.
        trusted: who asks may know everything: no token is needed here, or he gave it.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        trusted: bool = True,
    ) -> None:
        self._values = values
        self.headers = headers or {}
        self.trusted = trusted

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: what is sent; an iterator is sent piece by piece as it comes, and closed when who
            asked goes away.
        media_type: its type, with the character set of a text.
        status: of HTTP.
        headers: more of them; they win over those that every answer has.
    """

    body: bytes | str | AsyncIterator[bytes]
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

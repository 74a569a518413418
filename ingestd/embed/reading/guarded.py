"""Parts of a document, watched for secrets: what holds one is skipped, whatever its format.

What is searched is what would be indexed: the text of the chunks, and the title.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.secrets.search import Search, find
from ingestd.errors import DocumentError, ExtractionError

from .parts import Batch, Head

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from .parts import Part

SECRET = "secret"  # noqa: S105 - a reason
_WITHHELD = "what it says of the file is withheld: there is a secret in it"


class SecretFoundError(SkipDocument):
    """There is a key or a token in the file: reason ``secret``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(SECRET, detail)

    def __reduce__(self) -> tuple[type[SecretFoundError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


def guarded(parts: Iterable[Part], name: bytes) -> Generator[Part, None, None]:
    """Yield the same parts, until there is a secret in them.

    Raises:
        SecretFoundError: there is one.
        DocumentError: as the parts do; their message holds no secret.
    """
    search = Search(name)
    try:
        for part in parts:
            found = None
            if isinstance(part, Head):
                found = find(part.title)
            elif isinstance(part, Batch):
                for chunk in part.chunks:
                    found = found or search.feed(chunk.text, chunk.start)
            if found is not None:
                raise SecretFoundError(str(found))
            yield part
    except DocumentError as error:
        if find(error.message) is None:
            raise
        raise ExtractionError(_WITHHELD) from None
    if (found := search.search()) is not None:
        raise SecretFoundError(str(found))

"""What is read: documents of a format, each with the words that are known to be in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Item:
    """A document.

    Attributes:
        format: as the table calls it: the end of the name.
        maker: the program that wrote it, or the package that it is from.
        language: of its text.
        files: it consists of, below the corpus; most have one.
        truth: the file with its text, below the corpus.
        pages: of a PDF, or slides of a presentation; 0 where nobody counts.
    """

    format: str
    maker: str
    language: str
    files: tuple[str, ...]
    truth: str
    pages: int = 0

    @property
    def group(self) -> tuple[str, str]:
        """What is measured together."""
        return self.format, self.maker


def save(items: Iterable[Item], corpus: Path) -> None:
    """Write the list of a corpus."""
    listed = json.dumps([asdict(item) for item in items], indent=1, ensure_ascii=False)
    (corpus / MANIFEST).write_text(listed + "\n", encoding="utf-8")


def load(corpus: Path) -> list[Item]:
    """Read the list of a corpus."""
    listed = json.loads((corpus / MANIFEST).read_text(encoding="utf-8"))
    return [Item(**{**values, "files": tuple(values["files"])}) for values in listed]

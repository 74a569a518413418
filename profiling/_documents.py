"""The documents that harnesses work on: those of the test corpus, and edits of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "corpus" / "fastapi-docs" / "en"


def texts(folder: Path = CORPUS) -> list[tuple[str, str]]:
    """Name and text of each Markdown file of a folder, in order of name.

    Raises:
        SystemExit: there is none.
    """
    found = [
        ("-".join(file.relative_to(folder).parts), file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.md"))
    ]
    if not found:
        raise SystemExit(f"no Markdown files in {folder}")
    return found


def paragraph(chance: random.Random, words: int = 60) -> str:
    """A paragraph of random words."""
    return " ".join(f"word{chance.randrange(5_000)}" for _ in range(words))


def visits(number: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """Name and text of so many documents, one a job: each as it is, then again with edits.

    From the second round on, one paragraph of the document is another one.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    corpus = texts()
    for job in range(number):
        name, text = corpus[job % len(corpus)]
        if job >= len(corpus):
            parts = text.split("\n\n")
            parts[chance.randrange(len(parts))] = paragraph(chance)
            text = "\n\n".join(parts)
        yield name, text


def write_sections(file: Path, size: int, *, seed: int, distinct: int | None = None) -> int:
    """Write a Markdown file of sections that make a chunk each, a piece at a time.

    Args:
        file: to write.
        size: bytes, about.
        seed: of the words.
        distinct: after so many sections the same ones come again; None: all are others.

    Returns:
        The bytes written.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    pool: list[str] = []
    written = number = 0
    with file.open("w", encoding="utf-8") as out:
        while written < size:
            if distinct is not None and number >= distinct:
                text = pool[number % distinct]
            else:
                text = f"## Section\n\n{paragraph(chance)}.\n\n"
                if distinct is not None:
                    pool.append(text)
            written += out.write(text[: max(1, size - written)])
            number += 1
    return written

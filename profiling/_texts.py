"""Documents to index: sections of words that belong to a topic, the same from the same seed.

Texts have topics, as real ones have: vectors without any structure are the slowest to index, and
the hardest to find.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = [f"word{number}" for number in range(5_000)]
TOPICS = 200
VOCABULARY = 40
IN_A_SECTION = 30
COMMON = 6
"""Words of a section that may be any."""


def words(topic: int, chance: random.Random, count: int = IN_A_SECTION) -> str:
    """Words of a topic, and a few that may be any."""
    own = random.Random(topic % TOPICS).sample(WORDS, VOCABULARY)  # noqa: S311 - repeatable
    chosen = chance.choices(own, k=count - COMMON) + chance.choices(WORDS, k=COMMON)
    return " ".join(chosen)


def section(topic: int, title: str, chance: random.Random) -> str:
    """A heading and a paragraph of some 300 characters: one chunk."""
    return f"## {title}\n\n{words(topic, chance)}.\n"


def document(number: int, edition: int, sections: int) -> str:
    """A document of so many sections; another edition has other words of the same topic."""
    chance = random.Random(f"{number}-{edition}")  # noqa: S311 - repeatable
    return "\n".join(
        section(number, f"Section {place} of {number}, edition {edition}", chance)
        for place in range(sections)
    )


def lines(size: int, seed: int) -> Iterator[bytes]:
    """Lines of prose-like text, with an empty line now and then, of so many bytes together."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    made = 0
    while made < size:
        topic = chance.randrange(TOPICS)
        for _ in range(chance.randint(3, 9)):
            text = (words(topic, chance, count=12) + "\n").encode()
            made += len(text)
            yield text
        made += 1
        yield b"\n"


def write_text(path: Path, size: int, seed: int = 0) -> None:
    """Stream a text of about so many bytes to a file.

    A few MiB are made and repeated with a number in front of each block, so that a gigabyte takes
    seconds, and no two chunks are alike.
    """
    base = b"".join(lines(min(size, 4 * 1024**2), seed)).split(b"\n\n")
    written, number = 0, 0
    with path.open("wb", buffering=1024**2) as file:
        while written < size:
            block = b"%d %s\n\n" % (number, base[number % len(base)])
            file.write(block[: size - written])
            written += len(block)
            number += 1


def write_line(path: Path, size: int, seed: int = 0) -> None:
    """Stream one line of so many bytes, without a space and without an end, to a file."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    left = size
    with path.open("wb") as file:
        while left > 0:
            piece = chance.randbytes(256 * 1024).hex().encode()[:left]
            file.write(piece)
            left -= len(piece)


def write_small(folder: Path, files: int, *, in_a_directory: int = 200) -> None:
    """Make small documents of one section each, two directories deep."""
    for number in range(files):
        place = number // in_a_directory
        directory = folder / f"{place // 50:03}" / f"{place:05}"
        if number % in_a_directory == 0:
            directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"note-{number:06}.md"
        file.write_text(document(number, 0, 1), encoding="utf-8")


def write_names(folder: Path, files: int) -> None:
    """Make files with long names, all in one directory, each with one line."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        name = f"{number:06}-{'a-long-name-' * 8}{number:06}.txt"
        (folder / name).write_text(f"Note {number} about {WORDS[number % len(WORDS)]}.\n")

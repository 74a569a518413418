"""A folder of documents that are edited as people do."""

from __future__ import annotations

import random
import re
from pathlib import Path

MARK = re.compile(r"mark-[0-9a-f]{16}")
"""Each version of a document has one of its own."""
WORDS = ["pump", "valve", "order", "shift", "report", "pressure", "밸브", "펌프", "보고서", "압력"]


class Folder:
    """Documents that are edited as people do, each with a mark that tells its version.

    Args:
        path: where they are.
        seed: of what is done to them.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.marks: dict[str, str] = {}
        self._random = random.Random(seed)
        self._number = 0

    def add(self) -> None:
        """A new document."""
        self._number += 1
        self._save(f"{self._number % 20:02}/document {self._number}.md")

    def edit(self) -> None:
        """Mostly a save, in place or by a new file; now and then a new one, a removal, a move."""
        name = self._random.choice(sorted(self.marks))
        what = self._random.random()
        if what < 0.6:
            self._save(name)
        elif what < 0.75:
            self._save(name, beside=True)
        elif what < 0.85:
            self.add()
        elif what < 0.95:
            target = f"moved/{Path(name).stem}-{self._random.getrandbits(32):08x}.md"
            (self.path / target).parent.mkdir(exist_ok=True)
            (self.path / name).rename(self.path / target)
            self.marks[target] = self.marks.pop(name)
        else:
            (self.path / name).unlink()
            del self.marks[name]

    def _save(self, name: str, *, beside: bool = False) -> None:
        mark = f"mark-{self._random.getrandbits(64):016x}"
        told = "\n\n".join(
            f"## Part {part}\n\n{' '.join(self._random.choices(WORDS, k=60))}"
            for part in range(self._random.randint(1, 4))
        )
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(f".{path.name}.tmp") if beside else path
        new.write_text(f"# {name}\n\n{mark}\n\n{told}\n", "utf-8")
        if beside:
            new.replace(path)
        self.marks[name] = mark

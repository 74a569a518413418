"""ingestd's readers as the daemon runs them: in a child, with its limits and its sandbox.

The time is that of reading and of cutting into chunks by the tokens of the default model.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rivals.reading import act
from ingestd.config import Settings
from ingestd.embed.cutting import Cutting
from ingestd.embed.model import configured
from ingestd.embed.reading.parts import Batch
from ingestd.embed.reading.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

_NS = 1e9


class Reader:
    """Reads files through a pool."""

    def __init__(self) -> None:
        settings = Settings()
        spec = configured(settings.model)
        extract = settings.extract.model_copy(update={"archives": True})
        self.pool = Pool(spec, Cutting(spec.max_tokens), extract)

    def read(self, file: Path) -> str:
        """The text of the chunks of a file."""
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return "\n".join(self._texts(fd, os.fsencode(file.name)))
        finally:
            os.close(fd)

    def _texts(self, fd: int, name: bytes) -> Iterator[str]:
        for part in self.pool.cut(fd, name, os.fstat(fd).st_size):
            if isinstance(part, Batch):
                yield from (chunk.text for chunk in part.chunks)

    def cpu_s(self) -> float:
        """Processor time of all children up to now: those that were replaced, and the one there."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        pid = self.pool.pid
        return ended.ru_utime + ended.ru_stime + (_cpu_s(pid) if pid is not None else 0.0)


def _cpu_s(pid: int) -> float:
    """Processor time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / _NS


def main() -> None:
    """Answer standard input."""
    reader = Reader()
    try:
        act(reader.read, cpu_s=reader.cpu_s, peak=lambda: reader.pool.peak_bytes)
    finally:
        reader.pool.close()


if __name__ == "__main__":
    main()

"""Builds an index beside the one in use: ``python -m ingestd.embed.chroma.build DIR PARENT``.

A process of its own, because a Chroma writes with the interpreter locked, and because its memory is
given back whole when it ends. It opens a private Chroma in ``DIR`` that holds ids and vectors, and
nothing else. Chroma writes an index as if it were the one in use, so that its folder can take the
other's place.

On standard input come orders, a line of JSON each; the vectors of a ``put`` follow as float32
bytes. Each is answered by a line of JSON on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .examine import open_directory
from .health import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "beside"
BATCH = 2_000
"""Writes between two saves, and slots a write: each write reads again what came since the save."""
ABSENT = "ingestd-absent-"
"""How ids begin that no slot has. To delete one changes nothing, and counts as a write."""
NICENESS = 10
MOST_KILLABLE = 1_000
SHOWN = 500


class Build:
    """A private Chroma with one collection.

    Args:
        directory: where; what an earlier process built there is kept.
        index: Chroma's parameters of the index.
    """

    def __init__(self, directory: Path, index: Mapping[str, Any]) -> None:
        self._directory = directory
        self._client = open_directory(directory)
        self._handle = self._client.get_or_create_collection(
            NAME,
            embedding_function=None,
            configuration={"hnsw": {**index, "sync_threshold": BATCH}},
        )

    def put(self, ids: Sequence[str], data: bytes) -> None:
        """Write slots; ``data`` are their vectors one after another, as float32."""
        import numpy as np  # noqa: PLC0415 - slow to import

        rows = np.frombuffer(data, "<f4").reshape(len(ids), -1)
        for start in range(0, len(ids), BATCH):
            part = slice(start, start + BATCH)
            self._handle.upsert(ids=list(ids[part]), embeddings=rows[part])

    def drop(self, ids: Sequence[str]) -> None:
        """Delete slots."""
        for start in range(0, len(ids), BATCH):
            self._handle.delete(ids=list(ids[start : start + BATCH]))

    def save(self) -> int:
        """Have everything written to the files of the index; returns how many slots there are.

        Chroma saves after so many writes and never because it is asked to, so it is given some.

        Raises:
            RuntimeError: it did not save.
        """
        self._handle.delete(ids=[f"{ABSENT}{number}" for number in range(BATCH)])
        number = int(self._handle.count())
        saved, last = _progress(self._directory / DATABASE)
        if saved != last and (saved or number):  # where nothing was ever put, there is no index
            message = f"Chroma saved up to write {saved} of {last}"
            raise RuntimeError(message)
        return number

    def close(self) -> None:
        """Close the private Chroma."""
        self._client.close()


def _progress(database: Path) -> tuple[int, int]:
    """The last write that the files of the index hold, and the last write."""
    uri = f"{database.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        (saved,) = connection.execute(
            "SELECT coalesce(max(m.seq_id), 0) FROM segments s "
            "JOIN max_seq_id m ON m.segment_id = s.id WHERE s.scope = 'VECTOR'"
        ).fetchone()
        (last,) = connection.execute("SELECT max(seq_id) FROM embeddings_queue").fetchone()
    return saved, last or 0


def main() -> None:
    """Carry out orders until there are no more."""
    directory, parent = Path(sys.argv[1]), int(sys.argv[2])
    from . import ceiling  # noqa: PLC0415 - not for readers
    from .child import end_with_parent  # noqa: PLC0415 - the same

    end_with_parent(parent)
    build: Build | None = None
    try:
        stand_back()
        ceiling.impose(directory)
        for line in iter(sys.stdin.buffer.readline, b""):
            order = json.loads(line)
            data = sys.stdin.buffer.read(order.pop("bytes", 0))
            if build is None:
                build = Build(directory, order["index"])
                _say(ready=True)
            else:
                _say(done=_carry_out(build, order, data))
    except Exception as error:  # noqa: BLE001 - whatever it is, our parent must know
        _say(failed=" ".join(f"{type(error).__name__}: {error}".split())[:SHOWN])
    finally:
        if build is not None:
            build.close()


def stand_back() -> None:
    """Let those go first who serve; and be the one to go when memory runs out."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(MOST_KILLABLE), "ascii")


def _carry_out(build: Build, order: Mapping[str, Any], data: bytes) -> int:
    if order["do"] == "save":
        return build.save()
    if order["do"] == "put":
        build.put(order["ids"], data)
    else:
        build.drop(order["ids"])
    return len(order["ids"])


def _say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

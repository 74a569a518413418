"""The daemon's end of the process that builds an index; see `build`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from ingestd.errors import StoreError

from .plan import server_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from ingestd.ports import Vectors

ANSWER_S = 120.0
"""How long one order may take: some thousand slots, on a machine that has much else to do."""
END_S = 20.0


class Builder:
    """A process that builds an index; a context manager. Blocking, and of one thread at a time.

    The process works while its next order is prepared: what an order did is known when the next
    one is given, or at the end.

    Args:
        directory: where the index is built, on the file system of the one in use.
        index: Chroma's parameters of the index.

    Raises:
        StoreError: the process cannot be started. So does every call whose process failed.
    """

    def __init__(self, directory: Path, index: Mapping[str, Any]) -> None:
        self._owed = False
        self._rest = b""
        directory.mkdir(parents=True, exist_ok=True)
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "ingestd.embed.chroma.build"),
                    *(str(directory), str(os.getpid())),
                ],
                env=server_environment(os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise StoreError(f"cannot start the process that builds an index: {error}") from error
        self._give({"do": "open", "index": dict(index)}, b"")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def put(self, ids: Sequence[str], embeddings: Vectors) -> None:
        """Have slots written; ``embeddings`` has shape (len(ids), dimension)."""
        self._give({"do": "put", "ids": list(ids)}, embeddings.astype("<f4", copy=False).tobytes())

    def drop(self, ids: Sequence[str]) -> None:
        """Have slots deleted."""
        if ids:
            self._give({"do": "drop", "ids": list(ids)}, b"")

    def save(self) -> int:
        """Have the files of the index written; returns how many slots it holds."""
        self._give({"do": "save"}, b"")
        return int(self._settle()["done"])

    def close(self) -> None:
        """Let the process close its Chroma, and end it.

        Raises:
            StoreError: it did not end in order.
        """
        try:
            self._settle()
            self._stdin().close()
            if self._process.wait(END_S) != 0:
                raise self._failed("it ended badly")
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"it did not end within {END_S:g} s") from error
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process at once; harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _give(self, order: Mapping[str, Any], data: bytes) -> None:
        self._settle()
        head = json.dumps({**order, "bytes": len(data)}).encode() + b"\n"
        try:
            for part in (head, data):
                self._write(memoryview(part))
        except OSError as error:
            raise self._failed("it is gone") from error
        self._owed = True

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._stdin().write(data) or 0 :]

    def _settle(self) -> dict[str, Any]:
        """Wait for the answer to the last order; nothing when there was none."""
        if not self._owed:
            return {}
        self._owed = False
        deadline = time.monotonic() + ANSWER_S
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not self._readable(left):
                self.kill()
                raise self._failed(f"no answer within {ANSWER_S:g} s")
            data = os.read(self._stdout().fileno(), 65_536)
            if not data:
                raise self._failed(f"it ended with status {self._process.wait()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise self._failed(str(answer["failed"]))
        return answer

    def _readable(self, wait_s: float) -> bool:
        """Whether the process has something to say, or has ended."""
        poll = select.poll()
        poll.register(self._stdout().fileno(), select.POLLIN)
        return bool(poll.poll(wait_s * 1_000))

    def _stdin(self) -> Any:
        return self._process.stdin

    def _stdout(self) -> Any:
        return self._process.stdout

    @staticmethod
    def _failed(why: str) -> StoreError:
        return StoreError(
            f"the process that builds an index failed: {why}",
            hint="Nothing was changed: what is indexed is served as before.",
        )

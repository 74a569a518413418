"""The extraction child, kept from document to document and replaced when it has to be."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd.embed.extract.bounds import MIB, Bounds, Packed
from ingestd.embed.extract.scans import Scans
from ingestd.errors import ExtractionError

from .messages import Received
from .orders import Orders
from .parts import StoppedError
from .process import PROGRAM, TOO_SLOW, Child
from .wire import EndedError, NonsenseError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from ingestd.embed.cutting import Cutting
    from ingestd.embed.extract.plugin import Plugin
    from ingestd.embed.model import ModelSpec
    from ingestd.settings.content import ExtractSettings

    from .parts import Part

log = structlog.get_logger(__name__)

WALL_FACTOR = 5
"""How much longer than `extract.timeout_s` a child may be silent that does not compute."""
_TOO_SLOW_HINT = "Raise `extract.timeout_s`, or exclude the file."
_HINTS = {
    TOO_SLOW: _TOO_SLOW_HINT,
    "was ended by SIGABRT": "Raise `extract.memory_bytes`, or exclude the file.",
}
_SLOW_BYTES = 256 * 1024  # at least so much of a file must be done within each such time
_LARGE_BYTES = 256 * 1024
_LOOKS = 64


class Pool:
    """Cuts files in a child process, one at a time; other threads may end it.

    A child is started when the first file needs one. One that dies, or gives no sign of life in
    time, costs the document in hand one attempt; the next document gets a fresh one.

    Args:
        spec: the model whose tokens count.
        cutting: how documents are cut.
        settings: the bounds.
        plugins: readers of other formats.
        sealed: patterns of names that hold credentials, for what is packed.
        scans: how pictures of text are read.
        program: arguments of the Python interpreter that runs the child.

    Attributes:
        recycled: how many children were replaced, for whatever reason.
        ended: asked whenever the child says something; true ends the document in hand.
    """

    def __init__(
        self,
        spec: ModelSpec,
        cutting: Cutting,
        settings: ExtractSettings,
        *,
        plugins: tuple[Plugin, ...] = (),
        sealed: Iterable[str] = (),
        scans: Scans | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.recycled = 0
        self.ended: Callable[[], bool] = bool
        self._orders = Orders(
            spec,
            cutting,
            settings.memory_bytes,
            settings.timeout_s,
            sandbox=settings.sandbox == "auto",
            bounds=Bounds(settings.unpacked_bytes, settings.unpacked_ratio, settings.entries),
            plugins=plugins,
            packed=Packed(settings.archives, settings.depth, tuple(sealed)),
            scans=scans or Scans(),
        )
        self._settings = settings
        step = (cutting.size or 1) - cutting.overlap
        self._repeat = -(-(cutting.size or 1) // step) + 1
        self._program = program
        self._turn = threading.Lock()  # held while the child has a document in hand
        self._child: Child | None = None
        self._worn = False
        self._closed = False
        self._peak = 0

    @property
    def pid(self) -> int | None:
        """The child's process id; None when there is none."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    @property
    def peak_bytes(self) -> int:
        """The most resident memory that any child had."""
        child = self._child
        if child is not None:
            self._peak = max(self._peak, child.memory("VmHWM"))
        return self._peak

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """Yield the parts of a file: see `FileCutter.cut`."""
        with self._turn:
            child = self._ready()
            pages = self._orders.scans.pages_now
            received = Received(size, self._repeat, self._unpacked(size), pages)
            try:
                request = {"name": name.decode("latin-1"), "size": size, "guard": guard}
                yield from self._parts(child, received, fd, request)
            finally:
                self._done(child, received)

    def recycle(self) -> None:
        """Give the child's memory back: at once, or when the document in hand is done."""
        self._worn = True
        if self._turn.acquire(blocking=False):
            try:
                self._replace("asked")
            finally:
                self._turn.release()

    def close(self) -> None:
        """End the child, also in the middle of a document, and start no other."""
        self._closed = True
        child = self._child
        if child is None:
            return
        child.kill()
        if self._turn.acquire(timeout=1.0):
            try:
                self._end()
            finally:
                self._turn.release()

    def _ready(self) -> Child:
        """A child that lives."""
        if self._closed:
            raise StoppedError("extraction was stopped")
        if self._child is not None and not self._child.alive:
            self._replace("died")
        if self._child is None:
            self._child = Child(self._orders, self._program)
            self._worn = False
            if self._closed:  # while it was started
                self._end()
                raise StoppedError("extraction was stopped")
            log.debug("extraction_child_started", pid=self._child.pid, without=self._child.without)
        return self._child

    def _unpacked(self, size: int) -> int:
        """Characters that a packed document of this size may give, headers repeated."""
        bounds = self._orders.bounds
        return 2 * min(bounds.unpacked_bytes, bounds.unpacked_ratio * size + MIB)

    def _parts(
        self, child: Child, received: Received, fd: int, request: dict[str, Any]
    ) -> Iterator[Part]:
        # On the clock, where the child's own limit is processor time: the machine may be busy.
        timeout_s = WALL_FACTOR * self._settings.timeout_s
        # Some progress now and then shall not keep it busy for ever.
        pages = self._orders.scans.pages_now
        deadline = time.monotonic() + timeout_s * (2 + received.size // _SLOW_BYTES + pages)
        try:
            child.channel.send(request, fd, timeout_s=timeout_s)
            while not received.ended:
                left_s = min(timeout_s, deadline - time.monotonic())
                yield from received.parts(child.channel.receive(left_s))
                if self.ended() and not received.ended:
                    raise StoppedError("extraction was stopped")
        except TimeoutError as error:
            raise ExtractionError(
                f"extraction gave no sign of life for {timeout_s:g} s",
                hint=_TOO_SLOW_HINT,
            ) from error
        except EndedError as error:
            if self._closed:
                raise StoppedError("extraction was stopped") from error
            how = child.obituary()
            hint = _HINTS.get(how)
            raise ExtractionError(f"the extraction child {how}", hint=hint) from error
        except NonsenseError as error:
            raise ExtractionError(f"the extraction child gives no sense: {error}") from error

    def _done(self, child: Child, received: Received) -> None:
        """After a document: keep the child, or not."""
        child.documents += 1
        if not received.ended:
            self._replace("broke off")
        elif received.starved or self._worn:
            self._replace("starved" if received.starved else "asked")
        elif child.documents >= self._settings.recycle_documents:
            self._replace("documents")
        elif self._is_large(child, received):
            self._replace("memory")

    def _is_large(self, child: Child, received: Received) -> bool:
        """Whether the child holds too much; after small documents it is seldom asked."""
        if received.size < _LARGE_BYTES and child.documents % _LOOKS:
            return False
        return child.is_large(self._settings.recycle_bytes)

    def _replace(self, reason: str) -> None:
        if self._child is not None:
            log.debug(
                "extraction_child_ended",
                reason=reason,
                documents=self._child.documents,
                peak_bytes=self.peak_bytes,
            )
            self.recycled += 1
            self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._peak = max(self._peak, child.memory("VmHWM"))
            child.end()

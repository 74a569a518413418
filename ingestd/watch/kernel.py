"""watchdog as we need it: its reader and dispatcher, changed where they would hide a loss.

After an overflow of the kernel's queue watchdog rebuilds its watches, which on a large tree
overflows again, for ever: here it is only told. A watch that the kernel refuses is counted. A root
that is renamed is told. A directory that the rules leave out takes no watch, and one that is moved
out of its source gives its watches back: else it is heard of by its old name for ever.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyEvent,
        WatchCallback,
        WatchDescriptor,
    )

OVERFLOW = "overflow"
BACKLOGGED = "more events than can be looked at"
UNMOUNTED = "unmounted"
MOVED = "root moved"
READABLE = "a folder can be read again"
"""Nothing was lost, but the folder has no watches yet, nor has what is below it."""

_DENIED_KEPT = 1_000
BACKLOG = 50_000
"""Events that watchdog may hold between its threads: its own queues have no bound."""
LOOK_EACH = 64
"""Events between two looks at how many they are."""

# It takes an event that is on its way at a stop for an error.
logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Region:
    """What the kernel watches, or does not, for one root.

    Attributes:
        root: absolute, free of links.
        skip: whether a directory, given relative to the root, takes no watch.
        refused: directories that the kernel refused for want of watches.
        denied: directories that may not be read, a bounded number of them.
    """

    root: bytes
    skip: Callable[[bytes], bool] | None = None
    refused: int = 0
    denied: set[bytes] = field(default_factory=set)

    def readable(self) -> set[bytes]:
        """The directories that could not be read when they were to be watched, and can be now."""
        return {path for path in list(self.denied) if os.access(path, os.R_OK | os.X_OK)}

    def leaves_out(self, path: bytes) -> bool:
        """Whether this absolute path takes no watch."""
        if self.skip is None or path == self.root:
            return False
        return self.skip(path[len(self.root.rstrip(b"/")) + 1 :])


class Reader(InotifyFD):
    """Reads the kernel's queue; reports what watchdog would hide.

    Args:
        on_lost: called with the reason when events were lost, or will be.
        backlog: how many events were read and are not handed out yet.
        limit: with more of them, what comes is lost, and that is told.
    """

    def __init__(
        self, on_lost: Callable[[str], None], backlog: Callable[[], int], limit: int = BACKLOG
    ) -> None:
        super().__init__()
        os.set_inheritable(self._inotify_fd, False)
        self.name = "watch-reader"
        self.regions: list[Region] = []
        self._on_lost = on_lost
        self._backlog = backlog
        self._limit = limit
        self._full = False
        self._taken = 0
        self._roots: set[WatchDescriptor] = set()

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Watch a directory; count a refusal."""
        region = self._region(path)
        if region.leaves_out(path):
            raise FileNotFoundError(errno.ENOENT, "left out by the rules", path)
        try:
            descriptor = super().add_callback(path, mask, callback, id_)
        except OSError as error:
            region.refused += error.errno == errno.ENOSPC
            raise
        if descriptor < 0:  # watchdog takes a directory that may not be read for a watched one
            with self._lock:
                self._watch_for_wd.pop(descriptor, None)
            if len(region.denied) < _DENIED_KEPT:
                region.denied.add(path)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        if path == region.root:
            self._roots.add(descriptor)
        return descriptor

    def handle_event(self, event: InotifyEvent) -> None:
        """Report an overflow in place of rebuilding, and a file system that went away."""
        if event.is_queue_overflow:
            self._on_lost(OVERFLOW)
            return
        if self._is_full():
            return
        if event.is_move_self:  # asked for on account of the roots, which nobody above watches
            if event.wd in self._roots:
                self._on_lost(MOVED)
            return
        if event.mask & InotifyConstants.IN_UNMOUNT:
            self._on_lost(UNMOUNTED)
        if event.is_attrib and event.is_directory and any(r.readable() for r in self.regions):
            self._on_lost(READABLE)
        super().handle_event(event)

    def _is_full(self) -> bool:
        """Whether no more is taken; told once, because whoever hears of it replaces this reader."""
        self._taken += 1
        if not self._full and self._taken % LOOK_EACH == 0 and self._backlog() > self._limit:
            self._full = True
            self._on_lost(BACKLOGGED)
        return self._full

    def run(self) -> None:
        """Read until stopped; report any other end."""
        why = "it returned"
        try:
            super().run()
        except Exception as error:  # noqa: BLE001  # whatever it is, it must be told
            why = repr(error)
            self._let_go()
        if self.should_keep_running():
            self._on_lost(f"reader died: {why}")

    def watches(self) -> int:
        """How many watches the kernel holds for this reader."""
        try:
            with Path(f"/proc/self/fdinfo/{self._inotify_fd}").open("rb") as lines:
                return sum(line.startswith(b"inotify ") for line in lines)
        except OSError:
            return 0

    def _add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Without watchdog's warning of a watch that is made twice, as at each ``mkdir -p``."""
        watch = self._get_or_create_watch(path, mask)
        watch.callbacks[id_] = callback
        return watch.wd

    def _region(self, path: bytes) -> Region:
        """The region that a path is in: the innermost one."""
        found = Region(b"/")
        for region in self.regions:
            inside = path == region.root or path.startswith(region.root.rstrip(b"/") + b"/")
            if inside and len(region.root) >= len(found.root):
                found = region
        return found

    def _let_go(self) -> None:
        """Leave it to `close` to give back the descriptors, which else the living thread does."""
        with self._lock:
            self._is_reading = False
            if self._closed:
                self._close_resources()


class _Group(InotifyWatchGroup):
    """The watches of one root."""

    _leaving: tuple[int, bytes] | None = None

    def on_event(self, event: InotifyEvent) -> None:
        """Take an event; a directory that was moved, and not to a place of ours, is let go."""
        with self._lock:
            if self.is_active:
                self._let_go_of_what_left(event)
        super().on_event(event)

    def backlog(self) -> int:
        """Events that wait in the grouper of moves."""
        return len(self._move_event_grouper._queue._queue)  # noqa: SLF001 - nothing public tells

    def _let_go_of_what_left(self, event: InotifyEvent) -> None:
        # The two events of a rename come one right after the other. When another one comes
        # between, the directory is watched anew at its new place.
        leaving, self._leaving = self._leaving, None
        if leaving is not None and not (event.is_moved_to and event.cookie == leaving[0]):
            top, prefix = leaving[1], leaving[1] + b"/"
            watches = self._active_callbacks_by_watch.items()
            self._remove_callbacks(
                [wd for wd, path in watches if path == top or path.startswith(prefix)]
            )
        if event.is_moved_from and event.is_directory:
            path = self._build_event_source_path(event)
            self._leaving = None if path is None else (event.cookie, path)

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        """Forget a watch; its path may be another one's by now, or nobody's."""
        path = self._active_callbacks_by_watch.pop(wd, None)
        if path is not None and self._active_callbacks_by_path.get(path) == wd:
            del self._active_callbacks_by_path[path]


class _Emitter(InotifyEmitter):
    """watchdog's emitter, with our watches, and told of renamed roots too."""

    def on_thread_start(self) -> None:
        """Make the watches."""
        self._inotify = _Group(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
        )

    def backlog(self) -> int:
        """Events that wait to be paired, or to be put into the queue."""
        group = self._inotify
        return group.backlog() if isinstance(group, _Group) else 0

    def get_event_mask_from_filter(self) -> Mask:
        return Mask(super().get_event_mask_from_filter() | InotifyConstants.IN_MOVE_SELF)


class Watcher(BaseObserver):
    """watchdog's dispatcher, over a `Reader` of its own."""

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self.reader = Reader(on_lost, self.backlog)
        super().__init__(_Emitter, inotify_fd=self.reader)
        self.name = "watch-dispatch"

    def on_thread_start(self) -> None:
        """Start to read before the first watch exists."""
        self.reader.start()
        super().on_thread_start()

    def on_thread_stop(self) -> None:
        """Stop the emitters, then the reader."""
        try:
            super().on_thread_stop()
        finally:
            self.reader.stop()

    def close(self) -> None:
        """Stop, and wait for the threads that were started."""
        self.stop()
        for thread in (self, self.reader):
            with contextlib.suppress(RuntimeError):  # it was never started
                thread.join()

    def backlog(self) -> int:
        """Events that were read from the kernel and are not handed out yet."""
        emitters = [emitter for emitter in list(self.emitters) if isinstance(emitter, _Emitter)]
        return self.event_queue.qsize() + sum(emitter.backlog() for emitter in emitters)

    def dead(self) -> str:
        """Which of the threads is dead; empty when all live. Each hides the death of the others."""
        if not self.is_alive():
            return "dispatcher died"
        if not self.reader.is_alive():
            return "reader died"
        return "" if all(emitter.is_alive() for emitter in self.emitters) else "emitter died"

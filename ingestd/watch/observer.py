"""Hears from the kernel which paths may have changed; the only importer of watchdog.

Every event is a hint: "look at this path". None is proof, and none is sure to come. So whatever
loses events is reported: an overflow of the kernel's queue, a reader thread that died, a root that
went away. The cure is always the same: a new `Observer`, and a scan.

watchdog's own behaviour is changed in three places. Events of mere reading are not asked for: its
own start would overflow the queue on a tree of some 4,000 directories. After an overflow it does
not rebuild its watches, which on a large tree overflows again, for ever. And a watch that the
kernel refuses is counted.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyFD

from ingestd.errors import IngestdError, SourceMissingError, WatchLimitError

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyEvent,
        Mask,
        WatchCallback,
        WatchDescriptor,
    )

OnPath = Callable[[str, bytes, bool], None]
OnLost = Callable[[str], None]

_STILL_OPEN = (FileCreatedEvent, FileModifiedEvent, DirCreatedEvent)
_EVENTS: list[type[FileSystemEvent]] = [
    *_STILL_OPEN,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


def dirty_paths(event: FileSystemEvent, root: bytes) -> list[tuple[bytes, bool]]:
    """Which paths an event makes worth a look.

    Events that watchdog makes up for the content of a moved directory are left out: the event of
    the directory itself says to look at everything below it.

    Args:
        event: as watchdog gives it.
        root: the absolute path of the watched root, free of links.

    Returns:
        Paths relative to the root, empty for the root itself; and whether the writer is done with
        each, so that there is no need to wait for quiet.
    """
    if event.is_synthetic:
        return []
    closed = not isinstance(event, _STILL_OPEN)
    prefix = root.rstrip(b"/") + b"/"
    dirty = []
    for path in (os.fsencode(event.src_path), os.fsencode(event.dest_path)):
        if path == root:
            dirty.append((b"", closed))
        elif path.startswith(prefix):
            dirty.append((path[len(prefix) :], closed))
    return dirty


class Observer:
    """Watches the roots of all sources; after a loss, replace it by a new one.

    Both callbacks run on the observer's own threads: they must be quick, and must not call `stop`.

    Args:
        on_path: called with a source's name, a path relative to its root, and whether its writer
            is done with it. The path of a directory stands for everything below it.
        on_lost: called with the reason when events were lost, or will be.
    """

    def __init__(self, on_path: OnPath, on_lost: OnLost) -> None:
        self._on_path = on_path
        self._on_lost = on_lost
        self._roots: dict[str, tuple[bytes, tuple[int, int]]] = {}
        self._watcher: _Watcher | None = None

    def watch(self, source: str, root: bytes) -> None:
        """Add a source; before or after `start`.

        Raises:
            SourceMissingError: the root is no directory, or cannot be read.
            WatchLimitError: the kernel refuses to watch it.
        """
        real = os.path.realpath(root)
        try:
            identity = _identity(real)
        except OSError as error:
            raise _explained(error, root) from error
        self._roots[source] = (real, identity)
        if self._watcher is not None:
            self._schedule(self._watcher, source, real)

    def start(self) -> None:
        """Watch, from before the return on: a change after it is not missed.

        Raises:
            SourceMissingError: a root has gone, or cannot be read.
            WatchLimitError: the kernel refuses a root or the whole observer.
        """
        roots = b", ".join(root for root, _ in self._roots.values())
        try:
            watcher = _Watcher(self._on_lost)
        except OSError as error:
            raise _explained(error, roots) from error
        try:
            for source, (root, _) in list(self._roots.items()):
                self.watch(source, root)  # it may be another one by now, or gone
                self._schedule(watcher, source, root)
            watcher.start()
        except OSError as error:
            watcher.close()
            raise _explained(error, roots) from error
        except IngestdError:
            watcher.close()
            raise
        self._watcher = watcher

    def stop(self) -> None:
        """Stop watching, and wait for the threads. May be called twice."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()

    def healthy(self) -> bool:
        """Whether all threads live and each root is the directory that it was."""
        if self._watcher is None or not self._watcher.alive():
            return False
        try:
            return all(_identity(root) == was for root, was in self._roots.values())
        except OSError:
            return False

    def watches(self) -> int:
        """How many directories the kernel watches for us."""
        return 0 if self._watcher is None else self._watcher.reader.watches()

    def unwatched(self) -> int:
        """How many directories the kernel refused to watch, for want of watches."""
        return 0 if self._watcher is None else self._watcher.reader.refused

    def _schedule(self, watcher: _Watcher, source: str, root: bytes) -> None:
        handler = _Handler(source, root, self._on_path, self._on_lost)
        try:
            watcher.schedule(handler, os.fsdecode(root), recursive=True, event_filter=_EVENTS)
        except OSError as error:
            raise _explained(error, root) from error


class _Handler(FileSystemEventHandler):
    """Hands on the paths of one source's events. Never raises: that would end the dispatcher."""

    def __init__(self, source: str, root: bytes, on_path: OnPath, on_lost: OnLost) -> None:
        self._source = source
        self._root = root
        self._on_path = on_path
        self._on_lost = on_lost

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            for path, closed in dirty_paths(event, self._root):
                self._on_path(self._source, path, closed)
                if not path and isinstance(event, DirDeletedEvent):
                    self._on_lost("root deleted")
        except Exception as error:  # noqa: BLE001  # whatever it is, the thread must live
            with contextlib.suppress(Exception):
                self._on_lost(f"handler failed: {error!r}")


class _Reader(InotifyFD):
    """Reads the kernel's queue; reports what watchdog would hide."""

    def __init__(self, on_lost: OnLost) -> None:
        super().__init__()
        os.set_inheritable(self._inotify_fd, False)
        self.name = "watch-reader"
        self.refused = 0
        self._on_lost = on_lost

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        """Watch a directory; count a refusal."""
        try:
            descriptor = super().add_callback(path, mask, callback, id_)
        except OSError as error:
            self.refused += error.errno == errno.ENOSPC
            raise
        if descriptor < 0:  # watchdog takes a directory that may not be read for a watched one
            with self._lock:
                self._watch_for_wd.pop(descriptor, None)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return descriptor

    def handle_event(self, event: InotifyEvent) -> None:
        """Report an overflow in place of rebuilding."""
        if event.is_queue_overflow:
            self._on_lost("overflow")
        else:
            super().handle_event(event)

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

    def _let_go(self) -> None:
        """Leave it to `close` to give back the descriptors, which else the living thread does."""
        with self._lock:
            self._is_reading = False
            if self._closed:
                self._close_resources()


class _Watcher(BaseObserver):
    """watchdog's dispatcher, over a `_Reader` of its own."""

    def __init__(self, on_lost: OnLost) -> None:
        self.reader = _Reader(on_lost)
        super().__init__(InotifyEmitter, inotify_fd=self.reader)
        self.name = "watch-dispatch"

    def on_thread_start(self) -> None:
        """Start to read before the first watch exists."""
        self.reader.start()
        super().on_thread_start()

    def on_thread_stop(self) -> None:
        """Stop the emitters, then the reader."""
        super().on_thread_stop()
        self.reader.stop()

    def close(self) -> None:
        """Stop, and wait for the threads that were started."""
        self.stop()
        for thread in (self, self.reader):
            with contextlib.suppress(RuntimeError):  # it was never started
                thread.join()

    def alive(self) -> bool:
        """Whether all threads are; each hides the death of the others."""
        emitters = all(emitter.is_alive() for emitter in self.emitters)
        return self.is_alive() and self.reader.is_alive() and emitters


def _identity(root: bytes) -> tuple[int, int]:
    """Device and inode of a directory.

    Raises:
        OSError: it is not there, or no directory.
    """
    found = os.stat(os.path.join(root, b""))  # noqa: PTH116  # pathlib takes no bytes
    return found.st_dev, found.st_ino


def _explained(error: OSError, root: bytes) -> IngestdError:
    """The error for a person."""
    shown = root.decode("utf-8", "replace")
    if error.errno in (errno.ENOSPC, errno.EMFILE):
        return WatchLimitError(f"cannot watch {shown}: {error.strerror}")
    return SourceMissingError(f"cannot watch {shown}: {error.strerror}")

"""Hears from the kernel which paths may have changed.

Every event is a hint: "look at this path". None is proof, and none is sure to come. So whatever
loses events is reported: an overflow of the kernel's queue, a reader thread that died, a root that
went away. The cure is always the same: a new `Observer`, and a scan.

Events of mere reading are not asked for: watchdog's own start would overflow the queue on a tree
of some 4,000 directories.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from ingestd.errors import IngestdError, SourceMissingError, WatchLimitError
from ingestd.watch.kernel import Region, Watcher

if TYPE_CHECKING:
    from ingestd.watch.listing import Identity

OnPath = Callable[[str, bytes, bool], None]
OnLost = Callable[[str], None]
Skip = Callable[[bytes], bool]

# A change of rights may make a file readable. It costs no wider mask, and reading makes none.
_STILL_OPEN = (FileCreatedEvent, FileModifiedEvent, FileAttribEvent, DirCreatedEvent)
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


class _Root:
    """A watched root: what it was when its watches were made."""

    def __init__(self, root: bytes, skip: Skip | None) -> None:
        self.identity = _identity(root)
        self.region = Region(root, skip)


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
        self._roots: dict[str, _Root] = {}
        self._watcher: Watcher | None = None

    def watch(self, source: str, root: bytes, *, skip: Skip | None = None) -> None:
        """Add a source; before or after `start`. After an error the others are watched as before.

        Args:
            source: its name.
            root: its root; links on the way are followed.
            skip: whether a directory, relative to the root, takes no watch: from inside it nothing
                is heard.

        Raises:
            SourceMissingError: the root is no directory, or cannot be read.
            WatchLimitError: the kernel refuses to watch it.
        """
        real = os.path.realpath(root)
        try:
            found = _Root(real, skip)
        except OSError as error:
            raise _explained(error, root) from error
        if self._watcher is not None:
            self._schedule(self._watcher, source, found.region)
        self._roots[source] = found

    def start(self) -> None:
        """Watch, from before the return on: a change after it is not missed.

        Raises:
            SourceMissingError: a root has gone, or cannot be read.
            WatchLimitError: the kernel refuses a root or the whole observer.
        """
        roots = b", ".join(root.region.root for root in self._roots.values())
        try:
            watcher = Watcher(self._on_lost)
        except OSError as error:
            raise _explained(error, roots) from error
        try:
            for source, root in list(self._roots.items()):
                region = root.region
                self.watch(source, region.root, skip=region.skip)  # another one by now, or gone
                self._schedule(watcher, source, self._roots[source].region)
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

    def ailing(self) -> str:
        """What is wrong: a dead thread, or a root that is not the one it was; empty when well."""
        if self._watcher is None:
            return "not started"
        if dead := self._watcher.dead():
            return dead
        for root in self._roots.values():
            try:
                same = _identity(root.region.root) == root.identity
            except OSError:
                return "root is gone"
            if not same:
                return "root was replaced"
        return ""

    def dead(self) -> str:
        """Which thread is dead; empty when all live. Looks at no file system."""
        return "" if self._watcher is None else self._watcher.dead()

    def healthy(self) -> bool:
        """Whether all threads live and each root is the directory that it was."""
        return not self.ailing()

    def watches(self) -> int:
        """How many directories the kernel watches for us."""
        return 0 if self._watcher is None else self._watcher.reader.watches()

    def backlog(self) -> int:
        """How many events were read and are not handed out yet."""
        return 0 if self._watcher is None else self._watcher.backlog()

    def unwatched(self, source: str | None = None) -> int:
        """How many directories the kernel refused to watch, for want of watches.

        Args:
            source: of one source; default: of all.
        """
        names = self._roots if source is None else [source]
        return sum(self._roots[name].region.refused for name in names)

    def readable_again(self) -> set[bytes]:
        """The directories that could not be read when they were to be watched, and can be now."""
        return set[bytes]().union(*(root.region.readable() for root in self._roots.values()))

    def _schedule(self, watcher: Watcher, source: str, region: Region) -> None:
        handler = _Handler(source, region.root, self._on_path, self._on_lost)
        watcher.reader.regions.append(region)
        path = os.fsdecode(region.root)
        try:
            watcher.schedule(handler, path, recursive=True, event_filter=_EVENTS)
        except OSError as error:
            watcher.reader.regions.remove(region)
            raise _explained(error, region.root) from error


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


def _identity(root: bytes) -> Identity:
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

"""The watchers of all sources: how each is followed, and when its watches must be made anew."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import structlog

from .errors import SourceMissingError, WatchLimitError
from .watch import mounts
from .watch.folder import UNREADABLE
from .watch.kernel import READABLE
from .watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .watch.observer import OnPath, Skip
    from .watch.rules import Rules
    from .watch.source import WatchedSource

log = structlog.get_logger(__name__)

CANARY = ""
"""Name of the canary's folder among the watched ones: no source can be called so."""
EVENTS = "events"
POLLING = "polling: "
"""How a source is followed; after the second comes the reason."""
RETRY_S = 600.0
"""Between two tries to get the watches that the kernel refused."""


class Watchers:
    """Makes the watches of all sources, and knows what they do not cover. Blocking.

    Args:
        sources: by name.
        canary: a folder of ours: whoever writes there must hear of it.
        on_path: called, in a thread of the watchers, with source, path and whether it is closed.
        on_lost: called, in a thread of the watchers, with the reason; not by watchers that were
            replaced.

    Attributes:
        modes: by source, how it is followed: `EVENTS`, or `POLLING` and why; a source whose root
            is not there has none.
    """

    def __init__(
        self,
        sources: Mapping[str, WatchedSource],
        canary: Path,
        on_path: OnPath,
        on_lost: Callable[[str], None],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self.modes: dict[str, str] = {}
        self._sources = sources
        self._canary = canary
        self._on_path = on_path
        self._on_lost = on_lost
        self._retry_s = retry_s
        self._observer: Observer | None = None
        self._current: Observer | None = None
        self._mounts: dict[str, frozenset[mounts.Mount]] = {}
        self._armed_at = 0.0
        self._blind = False
        self._tried: set[bytes] = set()

    def arm(self) -> None:
        """Make the watches; about 40 µs a directory. A source that gets none is polled."""
        self._canary.mkdir(parents=True, exist_ok=True)
        table = mounts.table()
        self._armed_at = time.monotonic()
        self._mounts = {name: _inside(source, table) for name, source in self._sources.items()}
        observer = Observer(self._on_path, lambda reason: self._lost(observer, reason))
        self._current = observer
        observer.watch(CANARY, os.fsencode(self._canary))
        try:
            observer.start()
        except WatchLimitError as error:
            self._blind = True
            self.modes = {name: POLLING + str(error) for name in self._sources}
            _tell_short(str(error), 0)
            return
        self._observer = observer
        self.modes = self._arm_sources(observer, table)

    def _arm_sources(self, observer: Observer, table: list[mounts.Mount]) -> dict[str, str]:
        modes = {}
        for name, source in self._sources.items():
            try:
                modes[name] = _arm(observer, source, table)
            except SourceMissingError:
                continue
            except WatchLimitError as error:
                modes[name] = POLLING + str(error)
        if short := observer.unwatched():
            _tell_short("the kernel allows no more watches", short)
        return modes

    def distrust(self) -> None:
        """Listen no more to what the watchers tell of losses: they are about to be replaced."""
        self._current = None

    def disarm(self) -> None:
        """Take the watches away."""
        observer, self._observer = self._observer, None
        self._current = None
        self._blind = False
        if observer is not None:
            observer.stop()

    def counts(self) -> dict[str, int]:
        """Directories that are watched, and events that were read and are not handed out yet."""
        observer = self._observer
        if observer is None:
            return {"watches": 0, "backlog": 0}
        return {"watches": observer.watches(), "backlog": observer.backlog()}

    def polled(self) -> set[str]:
        """The sources that are scanned at an interval, because events tell too little of them."""
        return {name for name, mode in self.modes.items() if mode != EVENTS}

    def short(self) -> dict[str, str]:
        """Why, of sources that are scanned at an interval although events were asked for."""
        return {
            name: mode.removeprefix(POLLING)
            for name, mode in self.modes.items()
            if mode != EVENTS and not self._sources[name].polled
        }

    def unwatched(self) -> list[str]:
        """Sources that are not followed at the moment: their roots are not there."""
        return sorted(set(self._sources) - set(self.modes))

    def ailing(self) -> str:
        """What is wrong with the watchers; empty when they are well, or could not be had at all."""
        if self._observer is None:
            return "" if self._blind else "not started"
        return self._observer.ailing()

    def dead(self) -> str:
        """Which thread is dead; empty when all live, or there are none."""
        return "" if self._observer is None else self._observer.dead()

    def outdated(self) -> str:
        """Why the watches should be made anew although nothing was lost; empty when not."""
        for name in self.unwatched():
            if os.path.isdir(self._sources[name].root):
                return f"{name} is back"
        table = mounts.table()
        for name, source in self._sources.items():
            if _inside(source, table) != self._mounts.get(name):
                return f"mounts in {name} have changed"
        if self._are_readable_again():
            return READABLE
        if self._short() and time.monotonic() - self._armed_at > self._retry_s:
            return "another try to get all watches"
        return ""

    def _are_readable_again(self) -> bool:
        """Whether there are folders to watch that could not be read; each is tried once only."""
        # Where the kernel refuses a folder that it calls readable, another try changes nothing.
        readable = set() if self._observer is None else self._observer.readable_again()
        fresh = readable - self._tried
        self._tried = readable
        return bool(fresh)

    def can_sing(self) -> bool:
        """Whether there is somebody to hear the canary."""
        return self._observer is not None

    def sing(self) -> None:
        """Do what must be heard.

        Raises:
            OSError: the folder of the canary cannot be written.
        """
        (self._canary / "canary").touch()

    def _short(self) -> bool:
        return self._blind or (self._observer is not None and self._observer.unwatched() > 0)

    def _lost(self, observer: Observer, reason: str) -> None:
        if observer is self._current:
            self._on_lost(reason)


def _arm(observer: Observer, source: WatchedSource, table: list[mounts.Mount]) -> str:
    """Watch a source, unless that is of no use; returns how it is followed from now on.

    Raises:
        SourceMissingError: its root is not there.
        WatchLimitError: the kernel refuses to watch it.
    """
    root = os.path.realpath(source.root)
    if not os.path.isdir(root):
        raise SourceMissingError(f"{os.fsdecode(source.root)} is not there")
    if source.polled:
        return f"{POLLING}configured"
    silent = mounts.why_silent(root, table)
    here = mounts.around(root, table)
    if here is None or not here.silent:
        observer.watch(source.name, source.root, skip=_skip(source.rules))
        if short := observer.unwatched(source.name):
            return f"{POLLING}the kernel refused watches for {short} folders"
    return POLLING + silent if silent else EVENTS


def _skip(rules: Rules) -> Skip:
    """Whether a directory is ruled out: what lies in it is never ours."""

    def skip(path: bytes) -> bool:
        try:
            decision = rules.decide(path, is_dir=True)
        except (OSError, ValueError):
            return False
        return not decision.taken and decision.reason != UNREADABLE

    return skip


def _inside(source: WatchedSource, table: Iterable[mounts.Mount]) -> frozenset[mounts.Mount]:
    """The mounts below a source's root."""
    return mounts.inside(os.path.realpath(source.root), table)


def _tell_short(error: str, directories: int) -> None:
    log.warning("watches_short", error=error, directories=directories, hint=WatchLimitError.hint)

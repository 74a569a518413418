"""What lies on disk now: a walk over one source, a directory at a time.

The scan is the truth that events only hint at, so it says what it does not know. A directory that
cannot be listed, and an entry that cannot be looked at, are reported as unknown: nothing may be
concluded about them. Only a directory that gets no `Listing`, below no unreadable one and under no
unknown name, is gone or ruled out.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.watch.folder import UNREADABLE
from ingestd.watch.listing import Identity, Lister, Listing, RootLostError, identity, look
from ingestd.watch.rules import steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.watch.folder import Folder
    from ingestd.watch.rules import Rules

__all__ = ["Listing", "RootState", "probe_root", "scan"]

_ROOT_LOST = "the source's root went away during the scan"


@dataclass(frozen=True, slots=True)
class RootState:
    """What is where a source's root should be, for the guard against a wipe.

    Attributes:
        exists: something is there, or nobody can tell.
        is_dir: it is a directory, or a link to one.
        empty: it is a directory without a single entry.
        device: id of its file system; None when unknown.
        error: why it could not be looked at; empty when it could.
    """

    exists: bool
    is_dir: bool = False
    empty: bool = False
    device: int | None = None
    error: str = ""


def probe_root(root: bytes) -> RootState:
    """Look at a root; never raises. Probe before a scan and after it."""
    try:
        found = look(root)
    except (FileNotFoundError, NotADirectoryError):
        return RootState(exists=False)
    except OSError as error:
        return RootState(exists=True, error=_why(error))
    if not stat.S_ISDIR(found.st_mode):
        return RootState(exists=True, device=found.st_dev)
    empty, why = False, ""
    try:
        with os.scandir(root) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        why = _why(error)
    return RootState(exists=True, is_dir=True, empty=empty, device=found.st_dev, error=why)


def scan(root: bytes, rules: Rules, *, below: bytes = b"") -> Iterator[Listing]:
    """Walk a source: a listing per directory, depth first, in byte order of names.

    Links to directories are not followed, and a directory that is its own ancestor (a bind mount
    into itself) is not entered. A link to a file is taken when the rules take both the link and
    its target, and the target is a regular file inside the root; it has the target's fingerprint.

    Args:
        root: the source's root directory.
        rules: what is taken.
        below: a directory, to walk only that; or a file, for one listing of its parent that names
            only the file. When nothing of ours is there, nothing is yielded.

    Yields:
        A listing of each directory that the rules take. When the root is not there or not
        readable, one unreadable listing of the root.

    Raises:
        ValueError: ``below`` is absolute, or goes up.
    """
    try:
        lister = Lister(root, rules)
    except OSError as error:
        yield _unreadable(b"", error)
        return
    walk = _Walk(lister, rules)
    yield from walk.start(below)


@dataclass(slots=True)
class _Level:
    """A directory whose subdirectories are being walked; their names, the next one last."""

    folder: Folder
    identity: Identity
    names: list[bytes]


class _Walk:
    """One scan, and the way from the root to where it is."""

    def __init__(self, lister: Lister, rules: Rules) -> None:
        self._lister = lister
        self._rules = rules
        self._levels: list[_Level] = []
        self._trail: set[Identity] = set()

    def start(self, below: bytes) -> Iterator[Listing]:
        """Go down to ``below`` without following a link, and walk from there."""
        here = self._lister.identity
        for _, at in steps(below):
            self._trail.add(here)
            try:
                found = os.lstat(self._lister.path(at))
            except OSError as error:
                yield from self._missing(at, error)
                return
            if not stat.S_ISDIR(found.st_mode):
                yield from self._file(at) if at == below else ()
                return
            here = identity(found)
        yield from self._enter(self._rules.enter(below), here)
        while self._levels:
            yield from self._step()

    def _file(self, path: bytes) -> Iterator[Listing]:
        directory, _, name = path.rpartition(b"/")
        listing = self._lister.single(self._rules.enter(directory), name)
        if listing is not None:
            yield listing

    def _step(self) -> Iterator[Listing]:
        """Go into the next subdirectory, or back up when there is none left."""
        level = self._levels[-1]
        if not level.names:
            self._levels.pop()
            self._trail.discard(level.identity)
            return
        folder = self._rules.below(level.folder, level.names.pop())
        try:
            found = os.lstat(self._lister.path(folder.path))
        except OSError as error:
            yield from self._missing(folder.path, error)
            return
        if stat.S_ISDIR(found.st_mode) and identity(found) not in self._trail:
            yield from self._enter(folder, identity(found))

    def _enter(self, folder: Folder, here: Identity) -> Iterator[Listing]:
        """List a directory, and make it the one whose subdirectories come next."""
        if folder.verdict is not None:
            if folder.verdict.reason == UNREADABLE:
                yield Listing(folder.path, [], unreadable=folder.verdict.rule)
            return
        try:
            listing, names = self._lister.directory(folder)
        except RootLostError:
            yield Listing(folder.path, [], unreadable=_ROOT_LOST)
            return
        except OSError as error:
            yield from self._missing(folder.path, error)
            return
        yield listing
        names.sort(reverse=True)
        self._levels.append(_Level(folder, here, names))
        self._trail.add(here)

    def _missing(self, directory: bytes, error: OSError) -> Iterator[Listing]:
        """What an error about a directory means: it is gone, or nobody knows."""
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            yield _unreadable(directory, error)
        elif not directory or not self._lister.at_home():
            yield Listing(directory, [], unreadable=_ROOT_LOST)


def _unreadable(directory: bytes, error: OSError) -> Listing:
    return Listing(directory, [], unreadable=_why(error))


def _why(error: OSError) -> str:
    return error.strerror or str(error)

"""One directory as it lies on disk: which entries are files of ours, and what nobody can tell."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestd.ports import Fingerprint
from ingestd.watch.folder import UNREADABLE

if TYPE_CHECKING:
    from ingestd.watch.folder import Decision, Folder
    from ingestd.watch.rules import Rules

Identity = tuple[int, int]
"""Device and inode of a directory."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One directory as the scan saw it.

    Attributes:
        directory: relative to the root; empty for the root.
        files: names and fingerprints of the regular files that the rules take, sorted by name.
        unreadable: why the directory could not be listed: everything at and below it is unknown.
        unknown: names that could not be looked at: they, and what is below them, may be there.
    """

    directory: bytes
    files: list[tuple[bytes, Fingerprint]]
    unreadable: str | None = None
    unknown: frozenset[bytes] = frozenset()

    @property
    def partial(self) -> bool:
        """Whether some entries are unknown."""
        return bool(self.unknown)


class RootLostError(Exception):
    """The root that the scan began with is no longer there."""


@dataclass(slots=True)
class _Sorted:
    """The entries of one directory, as they come."""

    files: list[tuple[bytes, Fingerprint]] = field(default_factory=list)
    directories: list[bytes] = field(default_factory=list)
    unknown: set[bytes] = field(default_factory=set)
    vanished: bool = False


class Lister:
    """Lists directories of one source.

    Raises:
        OSError: the root is not there or not readable.
    """

    def __init__(self, root: bytes, rules: Rules) -> None:
        self._root = root
        self._rules = rules
        self._prefix = os.path.realpath(root, strict=True).rstrip(b"/") + b"/"
        self.identity = identity(look(root))

    def path(self, path: bytes) -> bytes:
        """The absolute path of a path relative to the root."""
        return self._root + b"/" + path if path else self._root

    def at_home(self) -> bool:
        """Whether the root is still the one that was there: not unmounted, not swapped."""
        try:
            return identity(look(self._root)) == self.identity
        except OSError:
            return False

    def directory(self, folder: Folder) -> tuple[Listing, list[bytes]]:
        """List a directory: its files, and the names of its subdirectories, unsorted.

        Raises:
            OSError: it cannot be listed.
            RootLostError: entries are gone because the root is.
        """
        found = _Sorted()
        with os.scandir(self.path(folder.path)) as entries:
            for entry in entries:
                self._sort(folder, entry, found)
        if found.vanished and not self.at_home():
            raise RootLostError
        found.files.sort()
        listing = Listing(folder.path, found.files, unknown=frozenset(found.unknown))
        return listing, found.directories

    def single(self, folder: Folder, name: bytes) -> Listing | None:
        """The listing of a directory that names one file only; None when there is none of ours."""
        try:
            found = self._single(folder, name)
        except FileNotFoundError:
            return None
        except OSError:
            return Listing(folder.path, [], unknown=frozenset((name,)))
        return None if found is None else Listing(folder.path, [(name, found)])

    def _single(self, folder: Folder, name: bytes) -> Fingerprint | None:
        decision = folder.decide(name)
        if not _taken(decision):
            return None
        found = os.lstat(self._entry(folder, name))
        if stat.S_ISLNK(found.st_mode):
            return self._target(folder, name, decision)
        return _fingerprint(found, decision)

    def _sort(self, folder: Folder, entry: os.DirEntry[bytes], found: _Sorted) -> None:
        """Put one entry where it belongs; sockets, pipes and devices belong nowhere."""
        name = entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                found.directories.append(name)
            elif entry.is_file(follow_symlinks=False):
                decision = folder.decide(name)
                if decision.taken:
                    fingerprint = Fingerprint.of(entry.stat(follow_symlinks=False))
                    if decision.reason:
                        fingerprint = fingerprint.sealed()
                    found.files.append((name, fingerprint))
            elif entry.is_symlink() and (decision := folder.decide(name)).taken:
                target = self._target(folder, name, decision)
                if target is not None:
                    found.files.append((name, target))
        except FileNotFoundError:
            found.vanished = True
        except OSError:
            found.unknown.add(name)

    def _target(self, folder: Folder, name: bytes, link: Decision) -> Fingerprint | None:
        """The fingerprint of a link's target, when that is a file which we would take itself.

        A target that the rules leave out stays out: a link must not uncover a secret.
        """
        try:
            target = os.path.realpath(self._entry(folder, name), strict=True)
            if not target.startswith(self._prefix):
                return None
            decision = self._rules.decide(target.removeprefix(self._prefix))
            if not _taken(decision) or decision.reason:
                return None
            found = os.lstat(target)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None  # it leads nowhere
            raise
        return _fingerprint(found, link)

    def _entry(self, folder: Folder, name: bytes) -> bytes:
        return self.path(folder.path) + b"/" + name


def look(path: bytes) -> os.stat_result:
    """Look at what a path leads to, through links."""
    return os.stat(path)  # noqa: PTH116  # pathlib takes no bytes


def identity(found: os.stat_result) -> Identity:
    """What tells one directory from all others."""
    return found.st_dev, found.st_ino


def _fingerprint(found: os.stat_result, decision: Decision) -> Fingerprint | None:
    """The fingerprint of a file that was decided about; None of what is no file."""
    if not stat.S_ISREG(found.st_mode):
        return None
    fingerprint = Fingerprint.of(found)
    return fingerprint.sealed() if decision.reason else fingerprint


def _taken(decision: Decision) -> bool:
    """Whether the rules take it.

    Raises:
        PermissionError: the rules cannot be read.
    """
    if decision.reason == UNREADABLE:
        raise PermissionError(errno.EACCES, decision.rule)
    return decision.taken

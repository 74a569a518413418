"""The tree on disk that the operations change: what is there, and what editors do to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 17
"""In one root: more than 20 that are gone at once are held back by the wipe guard."""
RULES = b".ingestignore"
ANCHOR = b"anchor.md"
"""Never touched: a root without a single entry is believed to be unmounted."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Folders that are sources, and one beside them that is none. Paths are absolute bytes."""

    roots: tuple[bytes, ...]
    outside: bytes

    def make(self) -> None:
        """Make the folders, each root with its anchor."""
        for root in (*self.roots, self.outside):
            os.makedirs(root, exist_ok=True)  # noqa: PTH103 - bytes paths
        for root in self.roots:
            write(os.path.join(root, ANCHOR), b"# Anchor\n\nThis file stays.\n")

    def files(self, *, outside: bool = False) -> list[bytes]:
        """Everything that is no folder, but the anchors, in an order that repeats."""
        tops = (self.outside,) if outside else self.roots
        return sorted(
            path
            for top in tops
            for path in _walk(top, folders=False)
            if not path.endswith(b"/" + ANCHOR)
        )

    def folders(self, *, roots: bool = True, outside: bool = False) -> list[bytes]:
        """Every folder, the roots among them where that is asked for."""
        tops = (self.outside,) if outside else self.roots
        found = sorted(path for top in tops for path in _walk(top, folders=True))
        return [*(tops if roots else ()), *found]

    def room(self, place: bytes) -> int:
        """How many files the root of this place may still take."""
        if place.startswith(self.outside):
            return MOST_FILES
        root = next(root for root in self.roots if _within(place, root))
        return MOST_FILES - sum(1 for _ in _walk(root, folders=False))

    def closed(self) -> list[bytes]:
        """What another user than root cannot read or enter, and rules that are no rules."""
        found = []
        for path in [*self.folders(), *self.files(), *self.anchors()]:
            mode = os.lstat(path).st_mode
            unreadable = not stat.S_ISLNK(mode) and not mode & stat.S_IRUSR
            if unreadable or (path.endswith(b"/" + RULES) and not stat.S_ISREG(mode)):
                found.append(path)
        return found

    def anchors(self) -> list[bytes]:
        """The files that stay."""
        return [os.path.join(root, ANCHOR) for root in self.roots]

    def open_all(self) -> None:
        """Make everything readable again, and remove what stands in the place of rules."""
        for path in self.closed():
            if not os.path.lexists(path):
                continue  # it was in one that is removed
            if path.endswith(b"/" + RULES) and not stat.S_ISREG(os.lstat(path).st_mode):
                remove(path)
            else:
                os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)  # noqa: PTH101 - bytes paths

    def linked(self) -> bool:
        """Whether any file has a second name: a write through it tells nobody of this one."""
        for path in self.files():
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode) or found.st_nlink > 1:
                return True
        return False


def _walk(top: bytes, *, folders: bool) -> Iterator[bytes]:
    for directory, names, files in os.walk(top):
        links = [name for name in names if is_link(os.path.join(directory, name))]
        for name in set(names) - set(links) if folders else [*files, *links]:
            yield os.path.join(directory, name)


def is_link(path: bytes) -> bool:
    """Whether it is a symbolic link."""
    return os.path.islink(path)  # noqa: PTH114 - bytes paths


def _within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top + b"/")


def write(path: bytes, data: bytes) -> None:
    """Write a file in place."""
    with open(path, "wb") as file:  # noqa: PTH123 - bytes paths
        file.write(data)


def read(path: bytes) -> bytes:
    """What a file holds."""
    with open(path, "rb") as file:  # noqa: PTH123 - bytes paths
        return file.read()


def patch(path: bytes, share: float, how: str, data: bytes) -> None:
    """Change a file in place, somewhere in it."""
    old = read(path)
    at = int(len(old) * share)
    if how == "insert":
        write(path, old[:at] + data + old[at:])
    elif how == "delete":
        write(path, old[:at] + old[at + len(data) :])
    elif how == "truncate":
        os.truncate(path, at)
    elif how == "append":
        with open(path, "ab") as file:  # noqa: PTH123 - bytes paths
            file.write(data)
    else:
        with open(path, "r+b") as file:  # noqa: PTH123 - bytes paths
            file.seek(at)
            file.write(data[: len(old) - at])


def save_by_rename(path: bytes, data: bytes) -> None:
    """A temporary file, put in the place of the old one."""
    temporary = path + b".tmp"
    write(temporary, data)
    os.replace(temporary, path)  # noqa: PTH105 - bytes paths


def save_like_vim(path: bytes, data: bytes) -> None:
    """The old file becomes a backup, a new one is written, the backup goes."""
    probe = os.path.join(path.rpartition(b"/")[0], b"4913")
    write(probe, b"")
    os.unlink(probe)  # noqa: PTH108 - bytes paths
    os.replace(path, path + b"~")  # noqa: PTH105 - bytes paths
    write(path, data)
    os.unlink(path + b"~")  # noqa: PTH108 - bytes paths


def save_like_emacs(path: bytes, data: bytes) -> None:
    """A lock that is a dangling link, a backup that is a copy, the write in place."""
    folder, name = os.path.split(path)
    lock = os.path.join(folder, b".#" + name)
    with contextlib.suppress(FileExistsError):
        os.symlink(b"somebody@host.1234:1", lock)  # noqa: PTH211 - bytes paths
    if not os.path.isdir(path + b"~"):
        shutil.copy2(path, path + b"~")
    write(path, data)
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(lock)  # noqa: PTH108 - bytes paths


SAVES = {"rename": save_by_rename, "vim": save_like_vim, "emacs": save_like_emacs}


def remove(path: bytes) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if os.path.isdir(path) and not is_link(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)  # noqa: PTH108 - bytes paths


def exchange(one: bytes, other: bytes) -> None:
    """Swap two names, by way of a third."""
    between = one + b".swap.tmp"
    os.rename(one, between)  # noqa: PTH104 - bytes paths
    os.rename(other, one)  # noqa: PTH104 - bytes paths
    os.rename(between, other)  # noqa: PTH104 - bytes paths

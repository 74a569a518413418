"""A folder of backups: one folder each, named by its time, complete or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import BusyError, NotFoundError, OccupiedError, StateError

from . import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTIAL = ".partial-"
_STAMP = "%Y-%m-%dT%H-%M-%SZ"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_OF_OTHERS = {"lost+found"}


class Shelf:
    """The folder that backups are put into.

    Args:
        root: where it is; it need not be there.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100 - keeps symlinks

    def check(self) -> None:
        """See that nothing but backups is in it.

        Raises:
            OccupiedError: something else is: the folder was most likely not meant.
            StateError: it cannot be read, or is no folder.
        """
        try:
            names = {entry.name for entry in os.scandir(self.root)}
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"{self.root}: {error.strerror}") from error
        other = sorted(
            name
            for name in names - _OF_OTHERS
            if not _NAME.fullmatch(name) and not name.startswith(PARTIAL)
        )
        if other:
            raise OccupiedError(
                f"{self.root} holds other things than backups: {', '.join(other[:3])}",
                hint="Name a folder that is empty, not there yet, or holds backups of ingestd.",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and be the only one that writes to it.

        Raises:
            BusyError: somebody else does.
            StateError: it cannot be made.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(f"{self.root}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BusyError(f"another backup is being written to {self.root}") from error
        finally:
            os.close(fd)

    @contextmanager
    def begun(self) -> Iterator[Path]:
        """A folder for a backup that is not complete yet; gone at the end, whatever happens.

        What a killed process left is removed first. Only for the holder of the lock.
        """
        for left in self.root.glob(f"{PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.root))  # 0700
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def end(self, folder: Path, name: str) -> Path:
        """Give a complete backup its name, once all of it is on the disk.

        Raises:
            OSError: it cannot be done.
        """
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            sync(path)
        target = self.root / name
        folder.rename(target)
        sync(self.root)
        return target

    def new_name(self) -> str:
        """A name that no backup has: the time, or the next second that is free."""
        now = int(time.time())
        while (self.root / stamp(now)).exists():
            now += 1
        return stamp(now)

    def backups(self) -> list[Path]:
        """The complete ones, the newest last."""
        found = [path for path in self.root.glob("*Z") if _NAME.fullmatch(path.name)]
        return sorted(path for path in found if (path / manifest.FILE).is_file())

    def keep(self, number: int) -> list[Path]:
        """Remove the oldest; returns which are gone. Only for the holder of the lock."""
        gone = self.backups()[:-number]
        for path in gone:
            # Out of sight first: a half removed backup must not look like one.
            aside = self.root / f"{PARTIAL}{path.name}"
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        return gone


def stamp(moment: float) -> str:
    """A moment (Unix seconds) as backups are named."""
    return time.strftime(_STAMP, time.gmtime(moment))


def sync(path: Path) -> None:
    """Have a file or a folder on the disk before going on; not where the disk knows no such thing.

    Raises:
        OSError: it cannot be opened or written.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if path.is_dir():
            with contextlib.suppress(OSError):  # some shares know it for files only
                os.fsync(fd)
        else:
            os.fsync(fd)
    finally:
        os.close(fd)


def chosen(folder: Path) -> Path:
    """The backup that is meant: the folder itself, or the newest in it.

    Raises:
        NotFoundError: there is none.
    """
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - keeps symlinks
    if (folder / manifest.FILE).is_file():
        return folder
    found = Shelf(folder).backups()
    if not found:
        raise NotFoundError(
            f"there is no backup in {folder}",
            hint="Name a folder that `ingestd backup` wrote to, or one of the backups in it.",
        )
    return found[-1]

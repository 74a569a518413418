"""Copies a model out of a folder or an archive, file by file, each vetted before it is written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ingestd.errors import DiskFullError, ModelRefusedError

from . import vetting
from .note import FileNote
from .vetting import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 1024**2
_LINK_HINT = "Make a copy in which files stand for the links, and add that: cp -rL FOLDER COPY"


class Intake:
    """Takes files into an empty folder.

    Args:
        folder: where they go.
        keep_free: bytes that must stay free on its disk.

    Attributes:
        files: what was taken, by path, with digests.
        left_out: paths of what was not.
    """

    def __init__(self, folder: Path, keep_free: int) -> None:
        self.folder = folder
        self.files: dict[PurePosixPath, FileNote] = {}
        self.left_out: list[PurePosixPath] = []
        self._keep_free = keep_free
        self._bytes = 0

    def offer(self, path: PurePosixPath, size: int) -> bool:
        """Whether a file is to be taken.

        Raises:
            ModelRefusedError: no model may have it.
            DiskFullError: there is no room for it.
        """
        if len(self.files) + len(self.left_out) >= vetting.MOST_FILES:
            raise ModelRefusedError(f"more than {vetting.MOST_FILES:,} files: that is no model")
        if vetting.judge(path, size) is Verdict.LEFT_OUT:
            self.left_out.append(path)
            return False
        self._bytes += size
        if self._bytes > vetting.MOST_BYTES:
            raise ModelRefusedError(f"more than {vetting.MOST_BYTES / 1024**3:.0f} GiB")
        free = shutil.disk_usage(self.folder).free
        if free - size < self._keep_free:
            raise DiskFullError(f"{path} needs {size:,} bytes, and {free:,} are free")
        return True

    def take(self, path: PurePosixPath, size: int, file: IO[bytes]) -> None:
        """Write a file that was offered.

        Raises:
            ModelRefusedError: its content is not what its name says, or it is there twice.
            OSError: it cannot be read or written.
        """
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        written = 0
        try:
            with target.open("xb") as out:
                while data := file.read(min(_AT_ONCE, size - written + 1)):
                    written += len(data)
                    if written > size:
                        break
                    digest.update(data)
                    out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except FileExistsError as error:
            raise ModelRefusedError(f"{path} is there twice") from error
        if written != size:
            raise ModelRefusedError(f"{path} is not of the size that it tells")
        vetting.check_content(self.folder, path)
        self.files[path] = FileNote(digest.hexdigest(), size)

    def adopt(self) -> None:
        """Take what lies in the folder already."""
        for path, size in _walk(self.folder):
            file = self.folder / path
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            self.files[path] = FileNote(digest, size)

    def root(self) -> PurePosixPath:
        """The folder of the model in what was taken: the outermost one that describes one.

        Raises:
            ModelRefusedError: there is none, or more than one.
        """
        for name in ("modules.json", "config.json"):
            found = [path.parent for path in self.files if path.name == name]
            if found:
                least = min(len(path.parts) for path in found)
                outermost = [path for path in found if len(path.parts) == least]
                if len(outermost) > 1:
                    listed = ", ".join(sorted(map(str, outermost)))
                    raise ModelRefusedError(f"there are several models in it: {listed}")
                return outermost[0]
        raise ModelRefusedError(
            "there is no model in it: no modules.json and no config.json",
            hint="Add the folder that sentence-transformers loads, or an archive of it.",
        )


def from_folder(folder: Path, intake: Intake) -> None:
    """Copy a folder.

    Raises:
        ModelRefusedError: it holds what no model may have, or a link.
        OSError: it cannot be read.
    """
    for path, size in _walk(folder):
        if intake.offer(path, size):
            with _opened(folder / path) as file:
                intake.take(path, os.fstat(file.fileno()).st_size, file)


def _walk(folder: Path) -> Iterator[tuple[PurePosixPath, int]]:
    """Paths and sizes of the files in a folder, in order."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = PurePosixPath(os.path.relpath(entry.path, folder))
            if entry.is_symlink():
                raise ModelRefusedError(f"{path} is a link", hint=_LINK_HINT)
            if entry.is_dir():
                if not entry.name.startswith("."):
                    waiting.append(Path(entry.path))
            elif entry.is_file():
                yield path, entry.stat().st_size
            else:
                raise ModelRefusedError(f"{path} is neither a file nor a folder")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is still one: nobody shall put a link in its place meanwhile."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ModelRefusedError(f"{path} is a link", hint=_LINK_HINT) from error
        raise
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ModelRefusedError(f"{path} is no file")
        yield file

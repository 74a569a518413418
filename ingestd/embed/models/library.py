"""The folder of the models that were added: one folder each, with a note of what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import ModelRefusedError, NotFoundError, StateError

from . import note as notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .note import Note

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"default|all-MiniLM-L6-v2|hash(:.*)?|[0-9a-f]{40}")
_NEW, _GONE, _LOCK = ".new-", ".gone-", ".lock"


class Library:
    """The added models.

    Args:
        root: where they are kept; it need not be there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The names of all, in order."""
        return names(self.root)

    def folder(self, name: str) -> Path:
        """The folder of a model.

        Raises:
            NotFoundError: none of this name was added.
        """
        folder = find(self.root, name)
        if folder is None:
            raise NotFoundError(
                f"no model {name!r} was added", hint="`ingestd model list` shows them."
            )
        return folder

    def note(self, name: str) -> Note:
        """What is written down of a model.

        Raises:
            NotFoundError: none of this name was added.
            ModelDamagedError: the note cannot be read.
        """
        return notes.read(self.folder(name))

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for a model that is not complete yet; what is left in it is deleted.

        Raises:
            StateError: it cannot be made.
        """
        made = not self.root.exists()
        try:
            for folder in (self.root.parent, self.root):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                self._clear()
                with tempfile.TemporaryDirectory(prefix=_NEW, dir=self.root) as new:
                    yield Path(new)
        except OSError as error:
            raise StateError(f"{self.root}: {error.strerror or error}") from error
        finally:
            if made:
                with contextlib.suppress(OSError):  # a model came in
                    (self.root / _LOCK).unlink()
                    self.root.rmdir()

    def check_free(self, name: str) -> None:
        """See that a name can be given to a new model.

        Raises:
            ModelRefusedError: it is taken, or cannot be a name.
        """
        if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            raise ModelRefusedError(
                f"{name!r} cannot be the name of a model", hint="Give another with --name."
            )
        if (self.root / name).exists():
            raise ModelRefusedError(
                f"there is a model {name!r} already",
                hint=f"Give another with --name, or first `ingestd model remove {name}`.",
            )

    def place(self, folder: Path, name: str) -> Path:
        """Give a complete model its name: from now on it is there.

        Args:
            folder: with its note, inside of `scratch`.
            name: what it is called.

        Raises:
            ModelRefusedError: the name is taken, or cannot be one.
        """
        self.check_free(name)
        return folder.rename(self.root / name)

    def remove(self, name: str) -> None:
        """Delete a model.

        Raises:
            NotFoundError: none of this name was added.
            StateError: it cannot be deleted.
        """
        folder = self.folder(name)
        try:
            with self._locked():
                # It is there as a whole, or not at all.
                gone = Path(tempfile.mkdtemp(prefix=_GONE, dir=self.root))
                folder.rename(gone / name)
                shutil.rmtree(gone)
        except OSError as error:
            raise StateError(f"{folder}: {error.strerror or error}") from error

    def _clear(self) -> None:
        """Delete what a process left that was killed."""
        for prefix in (_NEW, _GONE):
            for left in self.root.glob(f"{prefix}*"):
                shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.root / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel, however this process ends
            yield


def names(root: Path) -> list[str]:
    """The names of the models in a folder of added models."""
    try:
        return sorted(entry.name for entry in root.iterdir() if find(root, entry.name))
    except OSError:
        return []


def find(root: Path, name: str) -> Path | None:
    """The folder of an added model; None when there is none of this name."""
    folder = root / name
    return folder if _NAME.fullmatch(name) and (folder / notes.NAME).is_file() else None

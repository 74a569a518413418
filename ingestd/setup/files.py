"""Writes the files of a service and takes them away, and leaves alone what somebody edited."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import NotPermittedError, OccupiedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .layout import Layout, Target


class Action(StrEnum):
    """What becomes of a file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    EDITED = "edited"
    REMOVED = "removed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Step:
    """A file, and what becomes of it."""

    action: Action
    path: Path
    target: Target | None = None


class Files:
    """The files of a service below a root.

    Args:
        layout: where they belong.
        root: what stands for ``/``: another folder for who makes a package.
    """

    def __init__(self, layout: Layout, root: Path = Path("/")) -> None:
        self._layout = layout
        self._root = root

    def at(self, path: Path) -> Path:
        """Where a path is, below the root."""
        return self._root / path.relative_to("/")

    def plan(self, targets: Iterable[Target], *, force: bool = False) -> list[Step]:
        """What is to be done so that these files are there.

        Args:
            targets: files to be.
            force: overwrite what was edited as well.

        Raises:
            OccupiedError: a folder is in the place of a file.
            NotPermittedError: what is there cannot be read.
        """
        written = self._written()
        return [Step(self._judge(one, written, force=force), one.path, one) for one in targets]

    def _judge(self, target: Target, written: Mapping[str, str], *, force: bool) -> Action:
        found = self._read(target.path)
        if found is None:
            return Action.NEW
        if not target.ours:
            return Action.KEPT
        if found == target.text.encode():
            return Action.UNCHANGED
        if force or written.get(str(target.path)) == _digest(found):
            return Action.CHANGED
        return Action.EDITED

    def apply(self, steps: Iterable[Step]) -> None:
        """Do it. What was edited stays, and the new text is put beside it, as ``.new``.

        Raises:
            NotPermittedError: a file cannot be written.
        """
        written = self._written()
        for step in steps:
            target = step.target
            if target is None or step.action is Action.KEPT:
                continue
            if step.action in (Action.NEW, Action.CHANGED):
                self._write(target.path, target.text, target.mode)
            elif step.action is Action.EDITED:
                self._write(Path(f"{target.path}.new"), target.text, target.mode)
                continue
            if target.ours:
                written[str(target.path)] = _digest(target.text.encode())
        self._write(self._layout.manifest, json.dumps(written, indent=1) + "\n", 0o644)

    def removal(self) -> list[Step]:
        """What is to be done so that nothing of ours is left but configuration and data.

        Raises:
            NotPermittedError: what is there cannot be read.
        """
        steps = []
        for name, digest in self._written().items():
            path = Path(name)
            found = self._read(path)
            if found is None:
                action = Action.GONE
            else:
                action = Action.REMOVED if _digest(found) == digest else Action.EDITED
            steps.append(Step(action, path))
        if self._read(self._layout.config_file) is not None:
            steps.append(Step(Action.KEPT, self._layout.config_file))
        return steps

    def remove(self, steps: Iterable[Step]) -> None:
        """Do that.

        Raises:
            NotPermittedError: a file cannot be removed.
        """
        with _told():
            for step in steps:
                if step.action is Action.REMOVED:
                    self.at(step.path).unlink()
                    if step.path.parent.suffix == ".d" and "ingestd" in step.path.parent.name:
                        with contextlib.suppress(OSError):
                            self.at(step.path.parent).rmdir()
            self.at(self._layout.manifest).unlink(missing_ok=True)

    def _written(self) -> dict[str, str]:
        found = self._read(self._layout.manifest)
        try:
            written = json.loads(found) if found else {}
        except ValueError:
            return {}  # then everything counts as edited, and nothing is overwritten
        return written if isinstance(written, dict) else {}

    def _read(self, path: Path) -> bytes | None:
        try:
            with _told():
                return self.at(path).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, path: Path, text: str, mode: int) -> None:
        place = self.at(path)
        with _told():
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.{os.getpid()}")
            try:
                handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    os.fchmod(file.fileno(), mode)
                    file.write(text)
                beside.replace(place)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        message = f"{error.filename} is a folder, and should be a file"
        raise OccupiedError(message, hint="Move it away.") from error
    except OSError as error:
        raise NotPermittedError(f"{error.filename}: {error.strerror}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

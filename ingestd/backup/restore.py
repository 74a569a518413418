"""Puts a backup in place: checked first, put in by renames, and what was there is set aside.

What is not in a backup is Chroma's data. The collections are flagged, so that the next start fills
them: texts are read from the files, vectors come from the cache. Nothing else of the table is
changed; where a folder is missing or lies elsewhere, the wipe guard holds what it would delete.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import BackupDamagedError, DiskFullError, OccupiedError, UnavailableError
from ingestd.space import MIB
from ingestd_state import collections, migrate, snapshots
from ingestd_state.engine import LOGS, Database

from . import manifest
from .manifest import CACHE, CONFIG, MODELS, STATE
from .room import ROOM, SPARE_BYTES, free_bytes, told
from .shelf import stamp, sync

if TYPE_CHECKING:
    from ingestd.location import Location

    from .manifest import Manifest
    from .save import Progress

REASON = "restored from a backup"
ASIDE = "before-restore-"
_HALF = ".restoring"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done.

    Attributes:
        aside: where the things are that were there before.
        config: where the configuration was put; None where one was there, or none in the backup.
    """

    aside: tuple[Path, ...]
    config: Path | None


class Restore:
    """One backup, and where it is to be put.

    Args:
        folder: the backup.
        location: where the instance keeps its things.
        config: where its configuration belongs.

    Attributes:
        found: what the backup says of itself.

    Raises:
        BackupDamagedError: it says nothing that makes sense.
        UnavailableError: the state table of the instance lies on a database server.
    """

    def __init__(self, folder: Path, location: Location, config: Path) -> None:
        self.found: Manifest = manifest.read(folder)
        self._folder = folder
        self._location = location
        self._config = config
        table = Database(location.state_url).file
        if table is None:
            raise UnavailableError(
                "the state table lies on a database server",
                hint="Leave `state_url` out, or name a file with it.",
            )
        self._table = table

    def verify(self, progress: Progress) -> None:
        """Read all of the backup; nothing is written.

        Raises:
            BackupDamagedError: a file is missing, or is not what it was.
            StateError: a newer version wrote the table, or something cannot be read.
        """
        with told(self._folder):
            for name in self.found.files:
                self._take(name, None, progress)
            self._check_schema()

    def check(self, *, force: bool) -> None:
        """See that the place is free, and large enough.

        Raises:
            OccupiedError: an instance has its data there.
            DiskFullError: the files do not fit.
        """
        there = self._in_the_way()
        if there and not force:
            raise OccupiedError(
                f"{self._location.state_dir} holds the data of an instance: "
                f"{', '.join(path.name for path in there)}"
            )
        state_dir = self._location.state_dir
        root = next(path for path in (state_dir, *state_dir.parents) if path.exists())
        free = free_bytes(root)
        if free < self.found.bytes + SPARE_BYTES:
            raise DiskFullError(
                f"the backup takes {self.found.bytes / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB "
                f"are free in {root}",
                hint=ROOM,
            )

    def put(self, progress: Progress) -> Restored:
        """Put everything in place; only for the holder of the instance's lock.

        Until all of it is checked and copied, nothing that was there is touched. A crash after
        that leaves what was there in its folder beside, and the state directory without a table.

        Raises:
            BackupDamagedError: a file is missing, or is not what it was.
            DiskFullError: there is too little room.
            StateError: a newer version wrote the table, or something cannot be written.
        """
        with told(self._location.state_dir):
            half = {place: place.with_name(place.name + _HALF) for place in self._places()}
            for name in self.found.files:
                if name != CONFIG:
                    self._take(name, self._target(name, half), progress)
            self._check_schema()
            self._prepare(half[self._table])
            for path in half.values():
                for one in (path, *path.rglob("*")):
                    sync(one)
            aside = self._set_aside()
            # The table last: without it, nothing counts as indexed.
            for place in sorted(half, key=lambda place: place == self._table):
                half[place].rename(place)
                sync(place.parent)
            return Restored(tuple(aside), self._put_config(progress))

    def _places(self) -> list[Path]:
        """Where what is in the backup belongs, without the configuration."""
        tops = {name.partition("/")[0] for name in self.found.files} - {CONFIG}
        return [self._place(top) for top in sorted(tops)]

    def _place(self, top: str) -> Path:
        state_dir = self._location.state_dir
        return {
            STATE: self._table,
            CACHE: state_dir / CACHE,
            MODELS: self._location.models_dir,
        }[top]

    def _target(self, name: str, half: dict[Path, Path]) -> Path:
        """Where a file is copied to at first; its folder is made."""
        top, _, below = name.partition("/")
        path = half[self._place(top)]
        target = path / below if below else path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return target

    def _take(self, name: str, into: Path | None, progress: Progress) -> None:
        file = self._folder / name
        try:
            found = manifest.digest(file, lambda done, all_: progress(name, done, all_), into)
        except FileNotFoundError as error:
            if error.filename != str(file):
                raise
            raise BackupDamagedError(f"{file} is missing") from error
        if found != self.found.files[name]:
            raise BackupDamagedError(f"{file} is not what it was when the backup was made")
        if into is not None:
            into.chmod(0o600)

    def _check_schema(self) -> None:
        file = self._folder / STATE
        migrate.check_known(snapshots.revision_of(file) or None, str(file))

    def _prepare(self, table: Path) -> None:
        """Bring a copied table up to date, and have its collections filled."""
        with closing(Database(f"sqlite:///{_quoted(table)}")) as database:
            migrate.upgrade(database)
            with database.write() as connection:
                for name in sorted({source.collection for source in self.found.sources}):
                    collections.flag(connection, name, REASON, now=time.time())
        for end in (*LOGS, ".lock"):
            table.with_name(table.name + end).unlink(missing_ok=True)

    def _in_the_way(self) -> list[Path]:
        """What is there already; what is empty is not."""
        chroma = Path(os.path.realpath(self._location.chroma_dir))
        places = {*self._places(), self._location.state_dir / CACHE, chroma}
        return sorted(path for path in places if _holds(path))

    def _set_aside(self) -> list[Path]:
        """Move what is in the way to a folder beside it, with the logs of the databases."""
        there, made, moment = self._in_the_way(), [], time.time()
        # What an earlier restore set aside stays as it is.
        while any((path.parent / (ASIDE + stamp(moment))).exists() for path in there):
            moment += 1
        name = ASIDE + stamp(moment)
        for path in there:
            aside = path.parent / name
            if aside not in made:
                aside.mkdir(mode=0o700, exist_ok=True)
                made.append(aside)
            for end in ("", *LOGS):
                one = path.with_name(path.name + end)
                if one.exists():
                    one.rename(aside / one.name)
        # Where Chroma's data lies behind a link, the link must still lead somewhere.
        if self._location.chroma_dir.is_symlink():
            Path(os.path.realpath(self._location.chroma_dir)).mkdir(exist_ok=True, mode=0o700)
        self._clear()
        return made

    def _clear(self) -> None:
        """Remove what is empty and in the way: nobody misses it."""
        for path in self._places():
            for end in ("", *LOGS):
                one = path.with_name(path.name + end)
                if one.is_file():
                    one.unlink()
            if path.is_dir():
                path.rmdir()

    def _put_config(self, progress: Progress) -> Path | None:
        """Put the configuration where none is; one that is there stays."""
        if CONFIG not in self.found.files or self._config.exists():
            return None
        half = self._config.with_name(self._config.name + _HALF)
        half.parent.mkdir(parents=True, exist_ok=True)
        self._take(CONFIG, half, progress)
        sync(half)
        half.rename(self._config)
        return self._config


def _holds(path: Path) -> bool:
    """Whether there is something that somebody may miss."""
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3F")

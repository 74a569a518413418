"""Makes a backup: both databases as of one moment, the configuration, and the model in use.

The state table names files, digests and places of chunks, but holds no text of a document; the
vectors cache holds embeddings, by the digest of their text.
"""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ingestd
from ingestd.errors import DiskFullError, NotFoundError, UnavailableError
from ingestd.space import MIB
from ingestd_state import snapshots
from ingestd_state.engine import Database

from . import manifest
from .manifest import CACHE, CONFIG, MODELS, STATE, Kept, Manifest
from .room import ROOM, SPARE_BYTES, free_bytes, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from ingestd.location import Location

    from .shelf import Shelf

    Progress = Callable[[str, int, int], None]
    """Called with the name of a file, and how far its copy is: done, and all."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is backed up.

    Attributes:
        location: where the instance keeps its things.
        model: fingerprint of the model in use; empty when it cannot be found.
        model_folder: of a model that was added; None for others, which are not copied.
    """

    location: Location
    model: str = ""
    model_folder: Path | None = None


def save(origin: Origin, shelf: Shelf, progress: Progress) -> tuple[Path, Manifest]:
    """Copy an instance, whether a daemon runs or not.

    Raises:
        NotFoundError: nothing is indexed there.
        UnavailableError: the state table lies on a database server.
        StateDamagedError: a table has a broken page; the backups before stay.
        DiskFullError: there is too little room for it.
        StateError: something cannot be read or written.
    """
    with told(shelf.root):
        name = shelf.new_name()
        with shelf.begun() as folder:
            with opened(origin) as pinned:
                kept = snapshots.sources_of(pinned[0])
                check_room(shelf.root, size(origin, pinned))
                for connection, file in zip(pinned, (STATE, CACHE), strict=False):
                    snapshots.copy(connection, folder / file, _of(progress, file))
            _copy_plain(origin, folder)
            found = _described(origin, folder, name, kept, progress)
            found.write(folder)
            return shelf.end(folder, name), found


@contextmanager
def opened(origin: Origin) -> Iterator[tuple[Connection, ...]]:
    """Read transactions on the state table and, where there is one, the vectors cache.

    Nothing is migrated: a backup before an upgrade is one of what was there.

    Raises:
        NotFoundError: nothing is indexed there.
        UnavailableError: the state table lies on a database server.
        DatabaseError: one of them cannot be read.
    """
    state = Database(origin.location.state_url)
    if state.file is None:
        raise UnavailableError(
            "the state table lies on a database server",
            hint="Back it up with the tools of that server; `vectors.db` in the state directory "
            "is what keeps texts from being embedded again.",
        )
    if not state.file.is_file() or not state.file.stat().st_size:
        raise NotFoundError(
            f"nothing is indexed in {origin.location.state_dir}",
            hint="`ingestd run DIR` starts it.",
        )
    file = origin.location.state_dir / CACHE
    there = file.is_file() and file.stat().st_size
    with (
        closing(state),
        closing(Database(origin.location.vectors_url)) if there else nullcontext() as cache,
        snapshots.pinned(state, cache) as found,
    ):
        yield found


def roots(origin: Origin) -> list[tuple[str, bytes]]:
    """Name and path of each source that is watched.

    Raises:
        NotFoundError: nothing is indexed there.
        DatabaseError: the state table cannot be read.
    """
    with opened(origin) as pinned:
        return [(name, path) for name, path, _ in snapshots.sources_of(pinned[0])]


def size(origin: Origin, pinned: tuple[Connection, ...]) -> int:
    """How many bytes a backup will take."""
    plain = [path for path, _ in _plain(origin)]
    return sum(map(snapshots.page_bytes, pinned)) + sum(path.stat().st_size for path in plain)


def check_room(root: Path, needed: int) -> None:
    """See that a backup fits; a folder that is not there yet is taken for the one it will be in.

    Raises:
        DiskFullError: it does not.
    """
    root = next(path for path in (root, *root.parents) if path.exists())
    free = free_bytes(root)
    if free < needed + SPARE_BYTES:
        raise DiskFullError(
            f"the backup takes {needed / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB are free in "
            f"{root}",
            hint=ROOM,
        )


def _plain(origin: Origin) -> Iterator[tuple[Path, str]]:
    """The files that are copied as they are, each with its path in the backup."""
    if origin.location.config_file is not None:
        yield origin.location.config_file, CONFIG
    folder = origin.model_folder
    if folder is not None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, f"{MODELS}/{folder.name}/{path.relative_to(folder)}"


def _copy_plain(origin: Origin, folder: Path) -> None:
    for path, name in _plain(origin):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(path, target)


def _described(
    origin: Origin,
    folder: Path,
    name: str,
    kept: Sequence[tuple[str, bytes, str]],
    progress: Progress,
) -> Manifest:
    """What the copied files hold."""
    state, cache = folder / STATE, folder / CACHE
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = str(path.relative_to(folder))
        files[key] = manifest.digest(path, _of(progress, key))
    return Manifest(
        created=name,
        program=ingestd.__version__,
        schema=snapshots.revision_of(state),
        model=origin.model,
        counts=snapshots.figures(state, cache if cache.exists() else None, origin.model),
        sources=tuple(
            Kept(name, path.decode("utf-8", "backslashreplace"), collection)
            for name, path, collection in kept
        ),
        files=files,
    )


def _of(progress: Progress, file: str) -> Callable[[int, int], None]:
    return lambda done, all_: progress(file, done, all_)

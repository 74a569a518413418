"""Checks a model that was added: is it still what it was, and does it still answer the same?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingestd.embed.model import locate
from ingestd.errors import ModelMissingError

from . import answers, note, trial, vetting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingestd.embed.model import ModelSpec

    from .library import Library
    from .note import Note


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: what.
        ok: whether it is as it should be.
        found: what was found.
    """

    name: str
    ok: bool
    found: str


def verify(library: Library, name: str, cache_dir: Path) -> Iterator[Check]:
    """Check an added model, thing by thing; what follows from a fault is not looked at.

    Args:
        library: where it is.
        name: what it is called.
        cache_dir: where exports are kept.

    Raises:
        NotFoundError: none of this name was added.
        ModelDamagedError: its note cannot be read.
    """
    folder = library.folder(name)
    told = note.read(folder)
    steps: tuple[Callable[[], Check], ...] = (
        lambda: _files(folder, told),
        lambda: _content(folder, told),
        lambda: _described(folder, told),
        lambda: _answers(locate(str(folder)), told, cache_dir),
    )
    yield from _until_fault(steps)


def verify_packaged(spec: ModelSpec, cache_dir: Path) -> Iterator[Check]:
    """Check the packaged model; its digest was found to be the known one when it was located."""
    yield Check("digests", ok=True, found=f"the known weights, SHA-256 {spec.weights_sha256}")

    def opens() -> Check:
        with trial.opened(spec, cache_dir) as embedder:
            width = len(embedder.embed_query(answers.QUERIES[0]))
        right = width == spec.dimension
        return Check("opens", ok=right, found=f"embeddings of {width} dimensions")

    yield from _until_fault((opens,))


def _until_fault(steps: tuple[Callable[[], Check], ...]) -> Iterator[Check]:
    for step in steps:
        try:
            done = step()
        except ModelMissingError as error:
            done = Check("opens", ok=False, found=error.message)
        except OSError as error:
            done = Check("files", ok=False, found=str(error))
        yield done
        if not done.ok:
            return


def _files(folder: Path, told: Note) -> Check:
    """Every file is there and has its digest, and there is no other."""
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    changed = [
        path
        for path, file in told.files.items()
        if path in there and (_is_link(folder, path) or _digest(folder / path) != file.sha256)
    ]
    wrong = {
        "missing": sorted(set(told.files) - there),
        "changed": sorted(changed),
        "added": sorted(there - set(told.files) - {note.NAME}),
    }
    faults = [f"{what}: {', '.join(paths[:5])}" for what, paths in wrong.items() if paths]
    if faults:
        return Check("digests", ok=False, found="; ".join(faults))
    return Check("digests", ok=True, found=f"{len(told.files)} files, as they were added")


def _content(folder: Path, told: Note) -> Check:
    """No file may be a pickle, or ask for code: the note itself may have been changed."""
    for path in map(PurePosixPath, told.files):
        vetting.judge(path, (folder / path).stat().st_size)
        vetting.check_content(folder, path)
    return Check("content", ok=True, found="no pickles, no code of its own")


def _described(folder: Path, told: Note) -> Check:
    spec = locate(str(folder))
    right = (spec.fingerprint, spec.dimension) == (told.fingerprint, told.dimension)
    found = f"{spec.dimension} dimensions, fingerprint {spec.fingerprint}"
    return Check("fingerprint", ok=right, found=found)


def _answers(spec: ModelSpec, told: Note, cache_dir: Path) -> Check:
    with trial.opened(spec, cache_dir) as embedder:
        cosine = answers.least_cosine(embedder, told.answers)
    found = f"least cosine {cosine:.4f} to what it answered when it was added"
    return Check("answers", ok=cosine >= answers.LEAST_COSINE, found=found)


def _is_link(folder: Path, path: str) -> bool:
    whole = PurePosixPath(path)
    return any((folder / part).is_symlink() for part in (whole, *whole.parents[:-1]))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

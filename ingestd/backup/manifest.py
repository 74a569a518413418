"""What a backup says of itself: ``manifest.json``, written last, checked before anything else."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ingestd.errors import BackupDamagedError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FILE = "manifest.json"
FORMAT = 1
STATE, CACHE, CONFIG, MODELS = "state.db", "vectors.db", "config.toml", "models"
PART_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """One file of a backup: its size, and its SHA-256 in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A source, as the state table knew it."""

    name: str
    path: str
    collection: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup.

    Attributes:
        created: UTC, as ``2026-11-23T10-00-00Z``.
        program: version of ingestd that made it.
        schema: revision of the state table.
        model: fingerprint of the model in use; empty when it could not be found.
        counts: ``documents``, ``chunks``, ``vectors``, and ``without_vector``: chunks whose text
            must be embedded again.
        sources: the folders that are watched.
        files: by their path in the backup.
    """

    created: str
    program: str
    schema: str
    model: str
    counts: Mapping[str, int]
    sources: tuple[Kept, ...]
    files: Mapping[str, Copied]

    @property
    def bytes(self) -> int:
        """How much the files take."""
        return sum(file.bytes for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Put it into a backup."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False)
        (folder / FILE).write_text(f"{text}\n", "utf-8")


def read(folder: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        BackupDamagedError: it cannot be read, or makes no sense.
        StateError: a newer version made it.
    """
    file = folder / FILE
    try:
        values: dict[str, Any] = json.loads(file.read_text("utf-8"))
        found = values.pop("format")
        if found != FORMAT:
            raise StateError(
                f"{folder} is a backup of format {found}, this version knows {FORMAT}",
                hint="Restore it with the version that made it, or with a newer one.",
            )
        values["sources"] = tuple(Kept(**one) for one in values["sources"])
        values["files"] = {name: Copied(**one) for name, one in values["files"].items()}
        manifest = Manifest(**values)
        _check_names(manifest)
    except OSError as error:
        raise BackupDamagedError(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupDamagedError(f"{file} makes no sense: {error}") from error
    return manifest


def digest(file: Path, tell: Callable[[int, int], None], into: Path | None = None) -> Copied:
    """Read a file through, and copy it where a target is given.

    Args:
        file: any.
        tell: called after each part with the bytes that are done, and all of them.
        into: where a copy is written.

    Raises:
        OSError: it cannot be read, or not be written.
    """
    seen, size, all_ = hashlib.sha256(), 0, file.stat().st_size
    with file.open("rb") as stream, into.open("wb") if into else nullcontext() as out:
        while part := stream.read(PART_BYTES):
            seen.update(part)
            size += len(part)
            if out is not None:
                out.write(part)
            tell(size, all_)
    return Copied(size, seen.hexdigest())


def _check_names(manifest: Manifest) -> None:
    """See that no file of it leads out of where it belongs."""
    for name in manifest.files:
        parts = PurePosixPath(name).parts
        plain = name in {STATE, CACHE, CONFIG}
        model = len(parts) > 2 and parts[0] == MODELS and ".." not in parts  # noqa: PLR2004 - below a model's folder
        if not (plain or model):
            message = f"it names a file {name!r}"
            raise ValueError(message)
    if STATE not in manifest.files:
        message = f"it names no {STATE}"
        raise ValueError(message)

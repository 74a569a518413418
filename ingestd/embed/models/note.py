"""What is written down of an added model, in a file beside its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ingestd.errors import ModelDamagedError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "ingestd-model.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class FileNote:
    """A file of the model.

    Attributes:
        sha256: hex digest.
        bytes: its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Note:
    """What was found when a model was added.

    Attributes:
        source: where it came from, in words.
        licence: as far as it is known.
        languages: codes of the languages that it says it knows.
        added_at: Unix seconds.
        dimension: length of an embedding.
        max_tokens: the longest input.
        query_prefix: what the model itself wants in front of queries.
        document_prefix: the same for documents.
        fingerprint: of the embedding space, without settings of the configuration.
        weights_sha256: digest of the weights.
        files: by path, all but this note.
        answers: what it makes of known texts: see `answers`.
    """

    source: str
    licence: str
    languages: tuple[str, ...]
    added_at: float
    dimension: int
    max_tokens: int
    query_prefix: str
    document_prefix: str
    fingerprint: str
    weights_sha256: str
    files: dict[str, FileNote]
    answers: dict[str, list[str]]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files.values())


def write(note: Note, folder: Path) -> None:
    """Write the note into the model's folder."""
    text = json.dumps({"format": _FORMAT, **asdict(note)}, indent=1, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", "utf-8")


def read(folder: Path) -> Note:
    """Read the note of a model.

    Raises:
        ModelDamagedError: it is missing, damaged, or of a later version.
    """
    try:
        told: dict[str, Any] = json.loads((folder / NAME).read_text("utf-8"))
        files = {str(path): FileNote(**file) for path, file in told.pop("files").items()}
        _check_format(told.pop("format"))
        return Note(**{**told, "languages": tuple(told["languages"]), "files": files})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelDamagedError(f"the note {folder / NAME} cannot be read: {error!r}") from error


def _check_format(told: Any) -> None:
    if told != _FORMAT:
        raise ValueError("it is of another version of ingestd")

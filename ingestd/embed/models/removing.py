"""Removes an added model, with what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.errors import ModelMissingError

from . import note, trial

if TYPE_CHECKING:
    from pathlib import Path

    from .library import Library


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be deleted.

    Attributes:
        library: where the model is.
        name: what it is called.
        made: what was made of it, in the cache directory.
        bytes: of all together.
    """

    library: Library
    name: str
    made: list[Path]
    bytes: int

    def carry_out(self) -> int:
        """Delete it; returns how many bytes that gave back.

        Raises:
            NotFoundError: it is gone already.
            StateError: it cannot be deleted.
        """
        self.library.remove(self.name)
        trial.delete(self.made)
        return self.bytes


def plan(library: Library, name: str, cache_dir: Path) -> Removal:
    """Find what is to be deleted; an export that another model shares stays.

    Raises:
        NotFoundError: none of this name was added.
    """
    folder = library.folder(name)
    others = {_weights(library.folder(other)) for other in library.names() if other != name}
    weights = _weights(folder)
    made = trial.made_of(weights, cache_dir) if weights and weights not in others else []
    return Removal(library, name, made, trial.bytes_of([folder, *made]))


def _weights(folder: Path) -> str:
    """The digest of a model's weights; empty where its note is damaged."""
    try:
        return note.read(folder).weights_sha256
    except ModelMissingError:
        return ""

"""What a child is told at its start: the model whose tokens count, how to cut, and its bounds."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.embed.cutting import Cutting
from ingestd.embed.extract.bounds import Bounds, Packed
from ingestd.embed.extract.plugin import Plugin
from ingestd.embed.extract.scans import Reading, Scans
from ingestd.embed.model import ModelSpec
from ingestd.embed.tokenize import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.ports import Tokenizer


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of a child.

    Attributes:
        spec: the model; of its files only the tokenizer's are opened.
        cutting: how documents are cut.
        memory_bytes: address space that a document may take.
        timeout_s: processor time that may pass between two messages.
        sandbox: deny itself network, files and processes, as far as the kernel grants it.
        bounds: of what a document may unpack to.
        packed: how documents within documents are opened.
        plugins: readers of other formats.
        scans: how pictures of text are read.
    """

    spec: ModelSpec
    cutting: Cutting
    memory_bytes: int
    timeout_s: float
    sandbox: bool = True
    bounds: Bounds = field(default_factory=Bounds)
    plugins: tuple[Plugin, ...] = ()
    packed: Packed = field(default_factory=Packed)
    scans: Scans = field(default_factory=Scans)

    @classmethod
    def of(cls, message: dict[str, Any]) -> Orders:
        """Orders from their message."""
        spec = message["spec"]
        return cls(
            ModelSpec(**{**spec, "path": Path(os.fsdecode(spec["path"].encode("latin-1")))}),
            Cutting(**message["cutting"]),
            message["memory_bytes"],
            message["timeout_s"],
            message["sandbox"],
            Bounds(**message["bounds"]),
            tuple(
                Plugin(**{**row, "suffixes": tuple(row["suffixes"])}) for row in message["plugins"]
            ),
            Packed(**{**message["packed"], "sealed": tuple(message["packed"]["sealed"])}),
            Scans(**{**message["scans"], "reading": Reading(message["scans"]["reading"])}),
        )

    def message(self) -> dict[str, Any]:
        """The message of these orders; paths are bytes, one character each."""
        path = os.fsencode(self.spec.path).decode("latin-1")
        return {
            "spec": {**asdict(self.spec), "path": path},
            "cutting": asdict(self.cutting),
            "memory_bytes": self.memory_bytes,
            "timeout_s": self.timeout_s,
            "sandbox": self.sandbox,
            "bounds": asdict(self.bounds),
            "plugins": [asdict(plugin) for plugin in self.plugins],
            "packed": asdict(self.packed),
            "scans": {**asdict(self.scans), "reading": self.scans.reading.value},
        }

    def readable(self) -> Iterator[Path]:
        """Yield the files that the child opens by their names, links resolved."""
        if self.spec.hashed:  # a model for tests, without files
            return
        yield self.spec.path
        for pattern in ("*.json", "*/*.json"):
            yield from (file.resolve() for file in self.spec.path.glob(pattern))

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model.

        Raises:
            ModelMissingError: it is damaged.
        """
        return open_tokenizer(self.spec)

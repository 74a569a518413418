"""What a plug-in for another format is made of; ``docs/formats.md`` shows one.

This module keeps its names within a major version.
"""

from __future__ import annotations

from ingestd.embed.extract.compose import Composer, clean, row
from ingestd.embed.extract.skip import (
    EncryptedError,
    NoTextError,
    SkipDocument,
    UnsupportedError,
)
from ingestd.errors import ExtractionError
from ingestd.ports import Block, DocumentReader, Extracted, Section, Table

__all__ = [
    "Block",
    "Composer",
    "DocumentReader",
    "EncryptedError",
    "Extracted",
    "ExtractionError",
    "NoTextError",
    "Section",
    "SkipDocument",
    "Table",
    "UnsupportedError",
    "clean",
    "row",
]

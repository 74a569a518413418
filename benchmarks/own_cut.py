"""Cuts texts as ingestd does for its default model: with that model's own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.config import ModelSettings
from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import SkipDocument, extract
from ingestd.embed.model import configured
from ingestd.embed.tokenize import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable


def cutter() -> Callable[[str], list[str]]:
    """A function from a Markdown text to the digests of its chunks."""
    chunker = Chunker(open_tokenizer(configured(ModelSettings())))

    def cut(text: str) -> list[str]:
        try:
            extracted = extract(text.encode(), b"page.md")
        except SkipDocument:
            return []
        return [chunk.digest.hex() for chunk in chunker.chunks(extracted)]

    return cut

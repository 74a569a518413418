"""Cuts texts as ingestd does: with the tokens of the model that embeds them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ingestd.embed.chunk import Chunker
from ingestd.embed.cutting import Cutting
from ingestd.embed.extract import SkipDocument, extract
from ingestd.embed.model import configured
from ingestd.embed.tokenize import open_tokenizer
from ingestd.settings.content import ChunkSettings, ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingestd.config import Settings
    from ingestd.ports import Chunk


def cutter() -> Callable[[str], list[str]]:
    """A function from a Markdown text to the digests of its chunks, for the default model."""
    chunks = _chunks(ModelSettings(), ChunkSettings())
    return lambda text: [chunk.digest.hex() for chunk in chunks(text)]


def counter(model: str) -> Callable[[str], int]:
    """A function from a Markdown text to the number of its chunks, for a model."""
    chunks = _chunks(ModelSettings(name=model), ChunkSettings())
    return lambda text: len(chunks(text))


def embedded_texts(docs: Path, settings: Settings) -> dict[str, str]:
    """What the model sees of the Markdown files of a folder, by the digests of the chunks."""
    chunks = _chunks(settings.model, settings.chunk)
    files = (file.read_text(encoding="utf-8") for file in docs.rglob("*.md"))
    return {chunk.digest.hex(): chunk.embedded_text for text in files for chunk in chunks(text)}


def _chunks(model: ModelSettings, cut_as: ChunkSettings) -> Callable[[str], list[Chunk]]:
    tokenizer = open_tokenizer(configured(model))
    cutting = Cutting.asked(cut_as.tokens, cut_as.size, cut_as.overlap, tokenizer.max_tokens)
    chunker = Chunker(tokenizer, **asdict(cutting))

    def cut(text: str) -> list[Chunk]:
        try:
            extracted = extract(text.encode(), b"page.md")
        except SkipDocument:
            return []
        return list(chunker.chunks(extracted))

    return cut

"""What decides which chunks and vectors a file gives, and its name: the pipeline version."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from .embed import secrets
from .embed.cutting import Cutting
from .embed.extract import EXTRACTOR_VERSION
from .embed.tokenize import longest_input

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Settings
    from .embed.extract.plugin import Plugin
    from .embed.model import ModelSpec
    from .settings.content import ExtractSettings

PIPELINE_VERSION = 1
"""Raise it with every change of what is written to a collection for the same file."""


def make_cutting(settings: Settings, spec: ModelSpec) -> Cutting:
    """How the configuration asks for documents to be cut."""
    size, overlap = settings.chunk.window or (None, 0)
    return Cutting.asked(settings.chunk.tokens, size, overlap, longest_input(spec))


def pipeline_version(
    cutting: Cutting,
    spec: ModelSpec,
    extract: ExtractSettings | None = None,
    plugins: Iterable[Plugin] = (),
) -> str:
    """A digest of all that decides which chunks and vectors a file gives."""
    parts: list[object] = [PIPELINE_VERSION, EXTRACTOR_VERSION, cutting.version, spec.fingerprint]
    if extract is not None:
        parts += [secrets.VERSION, extract.secrets, extract.secret_rules]
        parts += [extract.archives, extract.depth]
    parts += [(one.name, one.version) for one in plugins if one.suffixes]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

"""The settings by which texts are cut, and their name in the pipeline version."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BY_DEFAULT = 384
"""Tokens of a chunk of which the configuration says nothing, where the model takes more.

A model that takes thousands would otherwise make whole pages one chunk. The figures are in
docs/benchmarks.md, under "The size of a chunk"."""

_VERSION = 2
_MIN_MAX_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are cut.

    Attributes:
        max_tokens: the longest embedded text, special tokens included.
        size: length of a window in characters; None cuts by structure.
        overlap: characters that a window shares with the one before.

    Raises:
        ValueError: a setting is out of range.
    """

    max_tokens: int
    size: int | None = None
    overlap: int = 0

    def __post_init__(self) -> None:
        limit = self.max_tokens
        if limit < _MIN_MAX_TOKENS:
            raise ValueError(
                f"max_tokens must be at least {_MIN_MAX_TOKENS}, not {self.max_tokens}"
            )
        if self.size is None and self.overlap:
            raise ValueError("overlap needs a size: chunks cut by structure do not overlap")
        if self.size is not None and not 0 <= self.overlap < self.size:
            raise ValueError(f"overlap must be less than size, not {self.overlap} of {self.size}")

    @classmethod
    def asked(cls, tokens: int | None, size: int | None, overlap: int, longest: int) -> Cutting:
        """What the configuration asks for, within what the model takes.

        Args:
            tokens: the largest chunk; None for the default. A window of so many characters is cut
                short by nothing but the model.
            size: length of a window in characters; None cuts by structure.
            overlap: characters that two windows share.
            longest: what the model takes, in tokens.
        """
        wished = tokens or (MOST_BY_DEFAULT if size is None else longest)
        return cls(min(wished, longest), size, overlap)

    @property
    def version(self) -> str:
        """The settings in words: texts cut under the same version are cut alike."""
        if self.size is None:
            return f"structural-{_VERSION} max_tokens={self.max_tokens}"
        return (
            f"window-{_VERSION} size={self.size} overlap={self.overlap} "
            f"max_tokens={self.max_tokens}"
        )

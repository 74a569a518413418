"""Counting tokens as the model does, and turning texts into its input.

Only the ``tokenizers`` library is used: it gives what sentence-transformers gives, without torch
in the process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed import model_folder
from ingestd.errors import ModelMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Tokenizer

MAX_CHARS = 20_000
"""Where texts are cut before they are tokenised: tokenising takes as long as the text is, and
holds the GIL for much of it."""

_SLICE = 64
_WORD = re.compile(r"\w{1,12}|[^\w\s]")


class ModelTokenizer:
    """Counts with the model's own tokenizer.

    Args:
        spec: a model with files.

    Raises:
        ModelMissingError: the tokenizer is damaged.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._tokenizer = _load(spec)
        self._tokenizer.no_truncation()
        prefix = self.count([spec.document_prefix])[0]
        self._max_tokens = spec.max_tokens - prefix
        self._unknown = _unknown_id(self._tokenizer)

    @property
    def max_tokens(self) -> int:
        """The longest input, special tokens included, once the document prefix has its share."""
        return self._max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens and without truncation.

        Texts of up to `MAX_CHARS` characters are expected; what is past that is not counted.
        """
        counts: list[int] = []
        for part in slices(texts):
            clean = [clean_text(text) for text in part]
            encodings = self._tokenizer.encode_batch_fast(clean, add_special_tokens=False)
            counts.extend(len(encoding) for encoding in encodings)
        return counts

    def known(self, text: str) -> tuple[int, int]:
        """Tokens of a text, and how many of them stand for what is not in the vocabulary."""
        encoding = self._tokenizer.encode(clean_text(text), add_special_tokens=False)
        return len(encoding.ids), encoding.ids.count(self._unknown)


class WordTokenizer:
    """Counts words and signs: the twin for test models."""

    def __init__(self, max_tokens: int = 256) -> None:
        self._max_tokens = max_tokens

    @property
    def max_tokens(self) -> int:
        """The longest input."""
        return self._max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """Words and signs of each text; a long word counts once per twelve characters."""
        return [sum(1 for _ in _WORD.finditer(text)) for text in texts]


class InputTokenizer:
    """Makes the token ids that go into the model, cut at its longest input.

    Args:
        spec: a model with files.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._tokenizer = _load(spec)
        self._tokenizer.enable_truncation(spec.max_tokens)

    def ids(self, texts: Sequence[str], prefix: str = "") -> list[NDArray[np.int64]]:
        """Token ids of each text, special tokens included.

        Args:
            texts: cut at `MAX_CHARS` characters each.
            prefix: put in front of each text.
        """
        import numpy as np  # noqa: PLC0415  # who only counts does without it

        rows: list[NDArray[np.int64]] = []
        for part in slices(texts):
            clean = [clean_text(prefix + text) for text in part]
            # The encodings of a slice are large; only the ids outlive it.
            encodings = self._tokenizer.encode_batch_fast(clean)
            rows.extend(np.array(encoding.ids, dtype=np.int64) for encoding in encodings)
        return rows


def open_tokenizer(spec: ModelSpec) -> Tokenizer:
    """The tokenizer that belongs to a model."""
    return WordTokenizer(spec.max_tokens) if spec.hashed else ModelTokenizer(spec)


def longest_input(spec: ModelSpec) -> int:
    """What a model takes, in tokens: `max_tokens` of its tokenizer, opened only if it must be.

    Raises:
        ModelMissingError: the tokenizer is damaged.
    """
    return open_tokenizer(spec).max_tokens if spec.document_prefix else spec.max_tokens


def clean_text(text: str) -> str:
    """Cut a text at `MAX_CHARS` and replace lone surrogates, which no tokenizer takes."""
    text = text[:MAX_CHARS]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def slices(texts: Sequence[str], size: int = _SLICE) -> Iterator[Sequence[str]]:
    """The texts in parts of bounded number."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _load(spec: ModelSpec) -> tokenizers.Tokenizer:
    import tokenizers as library  # noqa: PLC0415  # test models do without it
    from tokenizers import normalizers  # noqa: PLC0415  # the same

    path = spec.transformer / "tokenizer.json"
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare exceptions
        raise ModelMissingError(f"The tokenizer {path} cannot be read: {error}") from error
    tokenizer.no_padding()
    settings = model_folder.read_json(spec.transformer / "sentence_bert_config.json", default={})
    if settings.get("do_lower_case"):
        steps = [normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            steps.append(tokenizer.normalizer)
        tokenizer.normalizer = normalizers.Sequence(steps)
    return tokenizer


def _unknown_id(tokenizer: tokenizers.Tokenizer) -> int:
    """The id of the token for what is not in the vocabulary; -1 where there is none."""
    named = getattr(tokenizer.model, "unk_token", None)
    for token in (named, "[UNK]", "<unk>"):
        if token is not None and (found := tokenizer.token_to_id(token)) is not None:
            return int(found)
    return -1

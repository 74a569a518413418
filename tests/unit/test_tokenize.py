"""Counting tokens without the model."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingestd.embed.model import locate
from ingestd.embed.tokenize import (
    MAX_CHARS,
    InputTokenizer,
    ModelTokenizer,
    WordTokenizer,
    clean_text,
    open_tokenizer,
)


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    """The tokenizer of the packaged model."""
    return ModelTokenizer(locate(""))


def test_counts_are_those_of_the_model(tokenizer: ModelTokenizer) -> None:
    """Tokens are counted without special tokens, padding or truncation."""
    assert tokenizer.count(["", "hello world", "word " * 1000]) == [0, 2, 1000]
    assert tokenizer.max_tokens == 256


def test_korean_is_counted_by_parts(tokenizer: ModelTokenizer) -> None:
    """The packaged model breaks Hangul into many tokens, which is what chunk sizes depend on."""
    text = "파일이 바뀌면 문서를 다시 읽어 조각으로 나눕니다."
    assert tokenizer.count([text])[0] > len(text) / 2


def test_many_texts_keep_their_order(tokenizer: ModelTokenizer) -> None:
    """Counting in slices gives each text its own count."""
    texts = ["word " * (number % 7) for number in range(500)]
    assert tokenizer.count(texts) == [number % 7 for number in range(500)]


def test_a_document_prefix_takes_its_share() -> None:
    """What the prefix needs is not left to the document."""
    spec = locate("", document_prefix="passage: ")
    assert ModelTokenizer(spec).max_tokens == 254


def test_input_is_cut_at_the_longest_input() -> None:
    """Ids carry the special tokens, and never more than the model takes."""
    tokenizer = InputTokenizer(locate(""))
    short, long = tokenizer.ids(["hello", "word " * 1000])
    assert (short[0], short[-1], len(short)) == (101, 102, 3)
    assert (long[0], long[-1], len(long)) == (101, 102, 256)


def test_text_that_cannot_be_encoded_is_repaired(tokenizer: ModelTokenizer) -> None:
    """A lone surrogate, as broken JSON brings, is counted and not an error."""
    assert tokenizer.count(["a \ud800 b"])[0] >= 2
    assert clean_text("a\ud800b") == "a?b"


@pytest.mark.parametrize("text", ["a" * 10**7, " " * 10**7, "가" * 10**7, "\u0301" * 10**7])
def test_hostile_texts_take_bounded_time(tokenizer: ModelTokenizer, text: str) -> None:
    """A text of ten million characters costs no more than its first 20,000."""
    started = time.monotonic()
    tokenizer.count([text])
    assert time.monotonic() - started < 5
    assert len(clean_text(text)) == MAX_CHARS


def test_the_twin_counts_words() -> None:
    """Test models count words and signs, a long word once per twelve letters."""
    tokenizer = open_tokenizer(locate("hash"))
    assert isinstance(tokenizer, WordTokenizer)
    assert tokenizer.count(["", "one, two!", "a" * 25]) == [0, 4, 3]
    assert tokenizer.max_tokens == 256


def test_counting_does_not_load_torch() -> None:
    """The tokenizer works in a process that never imports torch or transformers."""
    program = (
        "import sys\n"
        "from ingestd.embed.model import locate\n"
        "from ingestd.embed.tokenize import open_tokenizer\n"
        "open_tokenizer(locate('')).count(['text'])\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnxruntime', 'structlog'}\n"
        "sys.exit(bool(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root, check=False, timeout=60).returncode == 0

"""When the model runs out of memory, it goes on with smaller batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from structlog.testing import capture_logs

from ingestd.embed.engines.halving import HalvingEmbedder, TooLargeError
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.engines.shortage import is_shortage
from ingestd.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.ports import Vectors

TEXTS = [f"text number {number} of the words {'and more ' * (number % 7)}" for number in range(50)]


class Small(HashEmbedder):
    """The test model, with room for so many texts and characters at once."""

    def __init__(self, room: int = 1_000, characters: int = 10_000) -> None:
        super().__init__(8)
        self.room = room
        self.characters = characters
        self.batches: list[int] = []
        self.closed = False
        self.error: Callable[[], Exception] = MemoryError

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, if there is room."""
        if len(texts) > self.room or max(map(len, texts), default=0) > self.characters:
            raise self.error()
        self.batches.append(len(texts))
        return super().embed(texts)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_without_a_shortage_it_is_the_inner_one() -> None:
    """Texts go through in one call, and so do queries and the end."""
    inner = Small()
    embedder = HalvingEmbedder(inner)
    assert embedder.dimension == 8
    assert np.array_equal(embedder.embed(TEXTS), HashEmbedder(8).embed(TEXTS))
    assert inner.batches == [50]
    assert embedder.batch is None
    assert np.array_equal(embedder.embed_query("a"), HashEmbedder(8).embed_query("a"))
    assert embedder.embed([]).shape == (0, 8)
    embedder.close()
    assert inner.closed


@pytest.mark.parametrize("room", [1, 2, 3, 7, 24, 25, 49])
def test_a_shortage_halves_until_it_fits(room: int) -> None:
    """Every text is embedded once, in order, and no batch is larger than there is room for."""
    inner = Small(room)
    embedder = HalvingEmbedder(inner)
    assert np.array_equal(embedder.embed(TEXTS), HashEmbedder(8).embed(TEXTS))
    assert sum(inner.batches) == len(TEXTS)
    assert embedder.batch is not None
    assert room // 2 <= embedder.batch <= room


def test_what_worked_is_remembered() -> None:
    """The next texts do not run into the same wall, and the log has one line a change."""
    inner = Small(7)
    embedder = HalvingEmbedder(inner)
    with capture_logs() as lines:
        embedder.embed(TEXTS)
        found = embedder.shortages
        for _ in range(3):
            embedder.embed(TEXTS)
    assert embedder.shortages == found == 3
    assert [line["texts"] for line in lines] == [25, 12, 6]
    assert {line["event"] for line in lines} == {"embed_batch_changed"}


def test_a_shortage_that_passes_is_left_behind() -> None:
    """After a while twice the size is tried; when it fails again, the while is longer."""
    inner = Small(3)
    embedder = HalvingEmbedder(inner, patience=5)
    embedder.embed(TEXTS)
    assert embedder.batch == 3
    before = embedder.shortages
    for _ in range(5):
        embedder.embed(TEXTS)
    assert embedder.batch == 3
    again = embedder.shortages - before
    assert 1 <= again <= 4, "seldom, and less and less"
    inner.room = 1_000
    for _ in range(150):
        embedder.embed(TEXTS)
    assert embedder.batch >= 48
    assert max(inner.batches[-2:]) >= 48


def test_a_text_that_does_not_fit_alone_says_so() -> None:
    """It is the failure of its document, with a reason, and the others go on."""
    inner = Small(characters=1_000)
    embedder = HalvingEmbedder(inner)
    with pytest.raises(TooLargeError, match="not enough memory for one text of 2,000") as caught:
        embedder.embed(["short", "x" * 2_000])
    assert isinstance(caught.value, DocumentError)
    assert caught.value.hint
    assert caught.value.__cause__ is None
    assert embedder.embed(["short"]).shape == (1, 8)


def test_other_failures_pass_through() -> None:
    """A text that the model chokes on is not tried again in halves."""
    inner = Small(1)
    inner.error = lambda: ValueError("Cannot allocate memory for this joke")
    embedder = HalvingEmbedder(inner)
    with pytest.raises(ValueError, match="joke"):
        embedder.embed(TEXTS)
    assert embedder.shortages == 0


class OutOfMemoryError(RuntimeError):
    """Called as torch calls it."""


class Fail(Exception):  # noqa: N818 - called as ONNX Runtime calls it
    """An error without a common base."""


def caused() -> Exception:
    """An error that another one caused."""
    error = RuntimeError("the batch failed")
    error.__cause__ = MemoryError()
    return error


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 12"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (Fail("bfc_arena.cc Failed to allocate memory for requested buffer of size 9"), True),
        (Fail("Non-zero status code: std::bad_alloc"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (caused(), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
        (Fail("index out of range"), False),
        (KeyError("memory"), False),
    ],
)
def test_what_a_shortage_looks_like(error: Exception, *, short: bool) -> None:
    """Every library has its own way to say it."""
    assert is_shortage(error) is short

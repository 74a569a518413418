"""Embedding what the cache does not hold: each text once, and whose fault a failure is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.pace import Pace
from ingestd.embed.prepared import Outcome, Prepared
from ingestd.embed.texts import EngineError, TextEmbedder
from ingestd.embed.totals import Totals
from ingestd.errors import ModelMissingError
from ingestd.ports import Chunk
from ingestd_state import vectors
from ingestd_state.engine import Database, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestd.ports import Vectors

MODEL = "m"


class Model(HashEmbedder):
    """The test model, which counts what goes through it and chokes on poison."""

    def __init__(self) -> None:
        super().__init__(8)
        self.seen: list[str] = []
        self.after: Callable[[], None] = lambda: None
        self.closed = False
        self.broken = ""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, unless there is poison."""
        for entry in texts:
            if "poison" in entry:
                raise ValueError(entry)
            if "memory" in entry:
                raise MemoryError
        if self.broken:
            raise RuntimeError(self.broken)
        self.seen += texts
        self.after()
        return super().embed(texts)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture
def model() -> Model:
    """A model that nothing went through."""
    return Model()


@pytest.fixture
def embedder(cache: Database, model: Model) -> TextEmbedder:
    """What is tested."""
    return TextEmbedder(cache, lambda: model, model=MODEL, totals=Totals(), clock=lambda: 5.0)


def content(*words: str) -> Prepared:
    """A document of these texts; what stands before a ``|`` is the prefix."""
    entry: Any = Prepared(None, None)  # type: ignore[arg-type]
    for ordinal, word in enumerate(words):
        prefix, _, own = word.rpartition("|")
        entry.chunks.append(Chunk(ordinal, 0, 1, own, prefix, (), word.encode().ljust(32, b"\0")))
    prepared: Prepared = entry
    return prepared


def cached(cache: Database, *words: str) -> dict[str, np.ndarray[Any, Any]]:
    """The embeddings in the cache."""
    digests = {word.encode().ljust(32, b"\0"): word for word in words}
    with cache.read() as connection:
        found = vectors.get(connection, MODEL, list(digests))
    return {digests[digest]: np.frombuffer(data, "<f4") for digest, data in found.items()}


def test_each_text_goes_through_the_model_once(
    cache: Database, embedder: TextEmbedder, model: Model
) -> None:
    """Not again within a document, across documents, or in a later batch."""
    first, second = content("a", "b", "a"), content("b", "c")
    assert embedder.embed([first, second]) == []
    assert model.seen == ["a", "b", "c"]
    assert (first.embedded, second.embedded) == (2, 1)
    third = content("a", "b", "c", "d")
    embedder.embed([third])
    assert model.seen == ["a", "b", "c", "d"]
    assert third.embedded == 1
    assert set(cached(cache, "a", "b", "c", "d", "e")) == {"a", "b", "c", "d"}


def test_the_embedding_is_that_of_prefix_and_text(
    cache: Database, embedder: TextEmbedder, model: Model
) -> None:
    """The model sees the title and headings before the text; the cache holds just that vector."""
    embedder.embed([content("Title|words of the text")])
    assert model.seen == ["Title\nwords of the text"]
    expected = HashEmbedder(8).embed(["Title\nwords of the text"])[0]
    found = cached(cache, "Title|words of the text")["Title|words of the text"]
    assert np.array_equal(found, expected)


def test_nothing_to_do_opens_no_model(cache: Database) -> None:
    """Without a missing text the model is not even opened."""

    def refuse() -> Model:
        raise AssertionError

    embedder = TextEmbedder(cache, refuse, model=MODEL, totals=Totals(), clock=lambda: 5.0)
    assert embedder.embed([]) == []
    assert embedder.embed([content()]) == []
    embedder.close()


def test_the_model_is_opened_once_and_closed(cache: Database, model: Model) -> None:
    """Two batches share one model; closing gives it back."""
    opened: list[Model] = []

    def open_model() -> Model:
        opened.append(model)
        return model

    embedder = TextEmbedder(cache, open_model, model=MODEL, totals=Totals(), clock=lambda: 5.0)
    embedder.embed([content("a")])
    embedder.embed([content("b")])
    embedder.close()
    embedder.close()
    assert (len(opened), model.closed) == (1, True)


def small_windows(cache: Database, model: Model) -> TextEmbedder:
    """Two texts of a letter go through the model at once."""
    return TextEmbedder(
        cache, lambda: model, model=MODEL, totals=Totals(), clock=lambda: 5.0, pace=Pace(2)
    )


def test_a_stop_keeps_what_is_done(cache: Database, model: Model) -> None:
    """After the window in hand: complete documents are done, the others come again for the rest."""
    embedder = small_windows(cache, model)
    model.after = embedder.stop
    first, second, third = content("a", "b"), content("b", "c", "d"), content("a")
    assert embedder.embed([first, second, third]) == [second]
    assert set(cached(cache, "a", "b", "c", "d")) == {"a", "b"}
    again = TextEmbedder(cache, lambda: model, model=MODEL, totals=Totals(), clock=lambda: 5.0)
    assert again.embed([second]) == []
    assert model.seen == ["a", "b", "c", "d"]


def test_the_rest_waits_where_somebody_else_is_urgent(cache: Database, model: Model) -> None:
    """After a window; what the other one embeds meanwhile is not embedded again, nor counted."""
    embedder = small_windows(cache, model)
    entry, urgent = content("a", "b", "c", "d"), content("c")
    assert embedder.embed([entry], lambda: True) == [entry]
    assert model.seen == ["a", "b"]
    embedder.embed([urgent])
    assert embedder.embed([entry]) == []
    assert model.seen == ["a", "b", "c", "d"]
    assert (entry.embedded, urgent.embedded) == (3, 1)


def test_texts_of_like_length_go_through_the_model_together(
    embedder: TextEmbedder, model: Model
) -> None:
    """The longest first, whatever document they are of: little is padded."""
    embedder.embed([content("a", "bbb", "cc"), content("ddddd", "eeee")])
    assert [len(text) for text in model.seen] == [5, 4, 3, 2, 1]


def test_poison_fails_its_documents_only(
    cache: Database, embedder: TextEmbedder, model: Model
) -> None:
    """A text that the model cannot take fails every document that holds it; the others go on."""
    entries = [content("a", "poison"), content("b"), content("poison", "c"), content("d")]
    assert embedder.embed(entries) == []
    outcomes = [entry.outcome for entry in entries]
    assert outcomes == [Outcome.FAILED, Outcome.CONTENT, Outcome.FAILED, Outcome.CONTENT]
    assert "cannot be embedded" in str(entries[0].error)
    assert set(cached(cache, "a", "b", "c", "d", "poison")) >= {"b", "d"}
    assert entries[0].chunks == []


def test_a_broken_engine_is_no_documents_fault(
    cache: Database, embedder: TextEmbedder, model: Model
) -> None:
    """A model that fails on every text ends the batch; when it is well again, nothing is lost."""
    entries = [content("a", "b"), content("c")]
    model.broken = "device lost"
    with pytest.raises(EngineError, match="device lost"):
        embedder.embed(entries)
    assert [entry.outcome for entry in entries] == [Outcome.CONTENT, Outcome.CONTENT]
    model.broken = ""
    assert embedder.embed(entries) == []
    assert set(cached(cache, "a", "b", "c")) == {"a", "b", "c"}


def test_memory_that_is_short_is_no_documents_fault(embedder: TextEmbedder) -> None:
    """A MemoryError ends the batch: the next text would fare no better."""
    entry = content("a", "memory")
    with pytest.raises(MemoryError):
        embedder.embed([entry])
    with pytest.raises(MemoryError):
        embedder.embed([content("memory")])
    assert entry.outcome is Outcome.CONTENT


def test_memory_that_is_short_while_poison_is_sought(embedder: TextEmbedder) -> None:
    """Also when the texts go through one by one."""
    with pytest.raises(MemoryError):
        embedder.embed([content("poison", "memory")])


def test_a_cache_that_cannot_be_written_is_no_documents_fault(
    cache: Database, embedder: TextEmbedder
) -> None:
    """A full disk stops the batch, instead of giving up document after document."""
    with cache.write() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON vectors_1 "
                "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
        )
    entries = [content("a"), content("b")]
    with pytest.raises(DatabaseError, match="disk is full"):
        embedder.embed(entries)
    assert {entry.outcome for entry in entries} == {Outcome.CONTENT}


def test_a_model_that_cannot_be_opened_is_no_documents_fault(cache: Database) -> None:
    """The error of the model comes out as it is, and the next batch tries again."""

    def fail() -> Model:
        raise ModelMissingError("no model")

    embedder = TextEmbedder(cache, fail, model=MODEL, totals=Totals(), clock=lambda: 5.0)
    entry = content("a")
    for _ in range(2):
        with pytest.raises(ModelMissingError):
            embedder.embed([entry])
    assert entry.outcome is Outcome.CONTENT


def test_totals_count_what_went_through_the_model(cache: Database, model: Model) -> None:
    """``embedded`` counts texts, not chunks and not documents."""
    totals = Totals()
    embedder = TextEmbedder(cache, lambda: model, model=MODEL, totals=totals, clock=lambda: 5.0)
    embedder.embed([content("a", "a", "b"), content("b", "poison")])
    assert totals.chunks["embedded"] == 2

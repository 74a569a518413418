"""An embedder that goes over to a better one between two calls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.engines.settling import SettlingEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Embedder, Vectors


class FakeMeasurement:
    """A measurement that ends when it is told to."""

    def __init__(self) -> None:
        self.started = self.stopped = 0
        self.ended = False

    def start(self) -> None:
        """Count it."""
        self.started += 1

    def stop(self) -> None:
        """Count it."""
        self.stopped += 1


class Recorder(HashEmbedder):
    """Says whether it was closed, and can be held up."""

    def __init__(self) -> None:
        super().__init__(8)
        self.closed = False
        self.go, self.inside = threading.Event(), threading.Event()
        self.go.set()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed, when allowed; never once closed."""
        self.inside.set()
        assert self.go.wait(10)
        assert not self.closed
        return super().embed(texts)

    def embed_query(self, text: str) -> Vectors:
        """Embed, without being held up."""
        assert not self.closed
        row: Vectors = super().embed([text])[0]
        return row

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class Setting:
    """A settling embedder with everything around it."""

    def __init__(self) -> None:
        self.first, self.second = Recorder(), Recorder()
        self.measurement = FakeMeasurement()
        self.settled = 0
        self.embedder = SettlingEmbedder(
            self.first,
            self.measurement,  # type: ignore[arg-type] # a stand-in
            self.settle,
            after=10,
        )

    def settle(self, inner: Embedder) -> Embedder:
        """Close the one, give the other."""
        self.settled += 1
        inner.close()
        return self.second


@pytest.fixture
def setting() -> Setting:
    """One that has embedded nothing."""
    return Setting()


def test_few_texts_start_no_measurement(setting: Setting) -> None:
    """It begins, once, when so many texts were embedded; queries do not count."""
    for _ in range(9):
        setting.embedder.embed(["text"])
    for _ in range(50):
        setting.embedder.embed_query("text")
    assert setting.measurement.started == 0
    setting.embedder.embed(["text"] * 5)
    setting.embedder.embed(["text"] * 50)
    assert setting.measurement.started == 1


def test_it_goes_over_when_the_measurement_has_ended(setting: Setting) -> None:
    """The next call is the other's, and there is one change only."""
    before = setting.embedder.embed(["a text"])
    setting.measurement.ended = True
    assert np.array_equal(setting.embedder.embed(["a text"]), before)
    setting.embedder.embed_query("a text")
    assert (setting.settled, setting.first.closed, setting.second.closed) == (1, True, False)
    assert setting.embedder.inner is setting.second


def test_nobody_is_in_the_one_that_is_closed(setting: Setting) -> None:
    """While a call is in it, others go on with the old one; the change waits."""
    setting.first.go.clear()
    thread = threading.Thread(target=setting.embedder.embed, args=(["slow"],))
    thread.start()
    assert setting.first.inside.wait(10)
    setting.measurement.ended = True
    setting.embedder.embed_query("meanwhile")
    assert setting.settled == 0
    setting.first.go.set()
    thread.join()
    setting.embedder.embed(["after"])
    assert setting.settled == 1


def test_a_close_breaks_off_the_measurement(setting: Setting) -> None:
    """What embeds at that time is closed."""
    setting.embedder.close()
    assert (setting.measurement.stopped, setting.first.closed) == (1, True)
    assert setting.embedder.dimension == 8

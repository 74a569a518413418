"""What the engines of a CPU share: tokenising, batches of like length, a thread for each core."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from ingestd.embed.engines.batches import USUAL, Batch, plan_batches
from ingestd.embed.engines.cores import usable_cores
from ingestd.embed.engines.unit import scale_rows
from ingestd.embed.tokenize import InputTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Vectors

    Input = NDArray[np.int64]


class BatchedEmbedder(ABC):
    """Embeds in small batches of like length, several at once.

    Small batches of like length are the fastest on a CPU: nothing is padded, and the activations
    stay in the cache of a core.

    Args:
        spec: the model, for its tokenizer and prefixes.
        threads: how many batches run at once, each on one core; by default one per usable core.
        batch: how much goes through in one call.

    Attributes:
        batch: the same; may be changed at any time.
        threads: as above.
        tokens: that went through as documents so far.
    """

    device = "cpu"
    even = False
    """Whether batches must hold a power of two of texts."""

    def __init__(
        self, spec: ModelSpec, *, threads: int | None = None, batch: Batch = USUAL
    ) -> None:
        self.batch = batch
        self.threads = threads or usable_cores()
        self.tokens = 0
        self._spec = spec
        self._tokenizer = InputTokenizer(spec)
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="embed")

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._spec.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed documents: shape (len(texts), dimension), float32, rows of length 1.

        What a text has beyond the model's longest input is cut. Any thread may call.
        """
        rows = self._tokenizer.ids(texts, self._spec.document_prefix)
        out = np.empty((len(rows), self.dimension), dtype=np.float32)
        lengths = [self._width(len(row)) for row in rows]
        batches = plan_batches(lengths, self.batch, even=self.even)

        def run(batch: list[int]) -> None:
            out[batch] = self._forward([rows[at] for at in batch])

        futures = [self._executor.submit(run, batch) for batch in batches]
        # All of them, before the first failure is raised: the caller may try again with less, and
        # what still runs would take the memory.
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            future.cancel()
        wait(futures)
        for future in futures:
            future.result()
        self.tokens += sum(map(len, rows))
        if rows:
            self._give_back()
        return out

    def embed_query(self, text: str) -> Vectors:
        """Embed one query in the calling thread: it does not wait behind documents."""
        row: Vectors = self._forward(self._tokenizer.ids([text], self._spec.query_prefix))[0]
        return row

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as they go through the model, without padding."""
        return [len(row) for row in self._tokenizer.ids(texts, self._spec.document_prefix)]

    def close(self) -> None:
        """End the threads; batches that run are finished, others dropped."""
        self._executor.shutdown(cancel_futures=True)

    def _forward(self, rows: list[Input]) -> Vectors:
        shape = len(rows), self._width(max(len(row) for row in rows))
        # The id of padding is of no account: the mask hides it.
        ids = np.zeros(shape, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            mask[at, : len(row)] = 1
        pooled = self._run(ids, mask)
        scale_rows(pooled)
        return pooled

    def _width(self, tokens: int) -> int:
        """What a text of so many tokens is padded to, whatever else is in its batch."""
        return tokens

    def _give_back(self) -> None:  # noqa: B027  # most keep nothing
        """Give back what the batches needed, when all of them are done."""

    @abstractmethod
    def _run(self, ids: Input, mask: Input) -> Vectors:
        """The forward pass.

        Args:
            ids: tokens, shape (texts, tokens).
            mask: 1 where there is a token, of the same shape.

        Returns:
            The pooled states, shape (texts, dimension): an array that is the caller's.
        """

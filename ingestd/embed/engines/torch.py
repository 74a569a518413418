"""The model in sentence-transformers itself: on a GPU, and where ONNX Runtime cannot be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestd.embed.engines.unit import scale_rows
from ingestd.embed.tokenize import clean_text, slices
from ingestd.errors import ModelMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Vectors

_CPU_BATCH = 2  # small batches stay in the cache of a core
_GPU_BATCH = 64
_SLICE = 256


class TorchEmbedder:
    """Embeds with sentence-transformers.

    Args:
        spec: the model.
        device: such as ``cuda`` or ``cpu``; by default the best that torch sees.
        threads: cores that torch uses on a CPU; by default torch decides.

    Raises:
        ModelMissingError: sentence-transformers cannot load it.
    """

    def __init__(
        self, spec: ModelSpec, *, device: str | None = None, threads: int | None = None
    ) -> None:
        self._spec = spec
        # One thread for life: torch keeps memory per thread, and calls would fight for the cores.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embed")
        try:
            self._model = self._executor.submit(_load, spec, device, threads).result()
        except BaseException:
            self._executor.shutdown()
            raise
        self.device: str = self._model.device.type

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._spec.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed documents: shape (len(texts), dimension), float32, rows of length 1."""
        out = np.empty((len(texts), self.dimension), dtype=np.float32)
        at = 0
        # Slice by slice, so that a query gets its turn in between.
        for part in slices(texts, _SLICE):
            rows = self._executor.submit(self._encode, part, self._spec.document_prefix).result()
            out[at : at + len(rows)] = rows
            at += len(rows)
        return out

    def embed_query(self, text: str) -> Vectors:
        """Embed one query: shape (dimension,)."""
        future = self._executor.submit(self._encode, [text], self._spec.query_prefix)
        row: Vectors = future.result()[0]
        return row

    def close(self) -> None:
        """End the thread and drop the model."""
        self._executor.shutdown(cancel_futures=True)
        self._model = None

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        encoded = self._model.encode(
            [clean_text(text) for text in texts],
            prompt=prefix,  # an empty one, too: it keeps the model's usual prompt away
            batch_size=_CPU_BATCH if self.device == "cpu" else _GPU_BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        rows: Vectors = np.array(encoded, dtype=np.float32)
        scale_rows(rows)
        return rows


def _load(spec: ModelSpec, device: str | None, threads: int | None) -> Any:
    import torch  # noqa: PLC0415  # 4 s and 400 MB that only this engine needs
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # the same
    from transformers.utils import logging  # noqa: PLC0415  # the same

    logging.disable_progress_bar()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        model = SentenceTransformer(
            str(spec.path), device=device, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # whatever a damaged folder makes the libraries raise
        raise ModelMissingError(
            f"sentence-transformers cannot load the model in {spec.path}: {error}"
        ) from error
    # Some models are stored in half precision; the embedding space is that of fp32.
    return model.float().eval()

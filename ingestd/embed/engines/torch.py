"""The model in sentence-transformers itself: on a GPU, and where ONNX Runtime cannot be used.

On a CPU, bfloat16 is computed by oneDNN, which prepares its steps anew for each shape of input and
keeps up to 1,024 of them: lengths as they come made a process grow by 93 MB in 1,000 calls. With
room for eight it stays as it is, and loses little.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestd.embed.engines.batches import GPU, TORCH
from ingestd.embed.engines.cores import usable_cores
from ingestd.embed.engines.unit import scale_rows
from ingestd.embed.tokenize import clean_text, slices
from ingestd.errors import EngineMissingError, ModelMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Vectors

_SLICE = 256
_FEW_SHAPES = {"LRU_CACHE_CAPACITY": "8", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "8"}


class TorchEmbedder:
    """Embeds with sentence-transformers.

    Args:
        spec: the model.
        device: such as ``cuda`` or ``cpu``; by default the best that torch sees.
        precision: ``fp32`` or ``bf16``.
        threads: cores that torch uses on a CPU; by default all usable ones.

    Attributes:
        device: where it runs.
        batch: how many texts go through the model in one call.
        threads: as above.
        tokens: that went through as documents so far.

    Raises:
        ModelMissingError: sentence-transformers cannot load it.
        EngineMissingError: torch cannot use the device.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        device: str | None = None,
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        self._spec = spec
        self._bf16 = precision == "bf16"
        self.threads = threads or usable_cores()
        # One thread for life: torch keeps memory per thread, and calls would fight for the cores.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embed")
        try:
            self._model = self._executor.submit(
                _load, spec, device, precision, self.threads
            ).result()
        except BaseException:
            self._executor.shutdown()
            raise
        self.tokens = 0
        self._masks: list[Any] = []
        self._model.register_forward_pre_hook(self._note)
        self.device: str = self._model.device.type
        self.batch = TORCH[precision] if self.device == "cpu" else GPU

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
            rows = self._executor.submit(self._count, part).result()
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

    def _note(self, _module: Any, inputs: tuple[Any, ...]) -> None:
        """Keep what tells the tokens of a batch; to read it now would make a GPU wait."""
        self._masks.append(inputs[0]["attention_mask"].sum())

    def _count(self, texts: Sequence[str]) -> Vectors:
        rows = self._encode(texts, self._spec.document_prefix)
        self.tokens += sum(int(mask) for mask in self._masks)
        return rows

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        self._masks.clear()
        with self._precision():
            encoded = self._model.encode(
                [clean_text(text) for text in texts],
                prompt=prefix,  # an empty one, too: it keeps the model's usual prompt away
                batch_size=self.batch.texts,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        rows: Vectors = np.array(encoded, dtype=np.float32)
        scale_rows(rows)
        return rows

    def _precision(self) -> AbstractContextManager[Any]:
        """Products in bf16, sums and norms in fp32: all in bf16 lost six times as much."""
        if self._bf16:
            import torch  # noqa: PLC0415  # loaded already

            return torch.autocast(self.device, dtype=torch.bfloat16)
        return nullcontext()


def _load(spec: ModelSpec, device: str | None, precision: str, threads: int) -> Any:
    if precision == "bf16":
        for name, value in _FEW_SHAPES.items():
            os.environ.setdefault(name, value)  # read once, when torch first needs it
    import torch  # noqa: PLC0415  # 4 s and 400 MB that only this engine needs
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # the same
    from transformers.utils import logging  # noqa: PLC0415  # the same

    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    usable = {"cuda": torch.cuda, "mps": torch.backends.mps}
    if device in usable and not usable[device].is_available():
        raise EngineMissingError(
            f'torch {torch.__version__} cannot use device = "{device}" on this machine.',
            hint="Install a build of torch for your GPU, or leave `model.device` at auto.",
        )
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

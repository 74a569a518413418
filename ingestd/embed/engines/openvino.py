"""The model's forward pass in OpenVINO with bfloat16: faster where the processor has it.

It reads the same exported graph, and needs the package ``openvino`` alone. It prepares its steps
anew for each shape of input and keeps them: with lengths as they come it grows for ever. So texts
are padded to few lengths, in batches of a power of two, and its memory is flat.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestd.embed.engines.batched import BatchedEmbedder
from ingestd.embed.engines.batches import USUAL, Batch, padded
from ingestd.memory import heap

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.engines.batched import Input
    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Vectors

HINTS = {"bf16": "bf16", "fp32": "f32"}


class OpenVinoEmbedder(BatchedEmbedder):
    """Embeds with an exported model.

    Args:
        spec: the model, for its tokenizer and prefixes.
        model: the exported graph, as for ONNX Runtime.
        precision: ``bf16`` or ``fp32``.
        threads: how many batches run at once, each on one core; by default one per usable core.
        batch: how much goes through in one call.
    """

    even = True

    def __init__(
        self,
        spec: ModelSpec,
        model: Path,
        *,
        precision: str = "bf16",
        threads: int | None = None,
        batch: Batch = USUAL,
    ) -> None:
        super().__init__(spec, threads=threads, batch=batch)
        self._longest = spec.max_tokens
        self._compiled = _compile(model, HINTS[precision], self.threads)
        # A request serves one thread at a time: one for each of ours, and one for a query.
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.threads + 1):
            self._requests.put(self._compiled.create_infer_request())
        # The first use fills tables of the bindings, which keep the interpreter's lock while they
        # wait for each other: two threads that are the first at once never go on.
        self._run(*np.ones((2, 1, self._width(1)), dtype=np.int64))

    def close(self) -> None:
        """End the threads, and give the model back."""
        super().close()
        self._requests, self._compiled = SimpleQueue(), None

    def _width(self, tokens: int) -> int:
        return padded(tokens, self._longest)

    def _run(self, ids: Input, mask: Input) -> Vectors:
        request = self._requests.get()
        try:
            feed = {"input_ids": ids, "attention_mask": mask}
            found = request.infer(feed, share_inputs=True, share_outputs=True)
            pooled: Vectors = found[0].astype(np.float32)  # a copy: the request's is written again
        finally:
            self._requests.put(request)
        return pooled


def _compile(model: Path, hint: str, threads: int) -> Any:
    import openvino  # noqa: PLC0415  # only this engine needs it

    heap.tune()
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": threads,  # our threads run whole batches side by side
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # others use these cores, too
    }
    return core.compile_model(core.read_model(str(model)), "CPU", settings)

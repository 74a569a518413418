"""The child that measures engines on this machine: how fast they are, and how near to fp32.

``python -m ingestd.embed.engines.measuring PARENT MODEL GRAPH TARGET ENGINE-PRECISION...``: the
process that it ends with, the model as JSON, its export, and the file that the findings go to. What
counts is processor time, so that others on the machine do not decide; the engines take turns, and
the best of the rounds counts. To be taken instead of the usual one, an engine must be faster in
each round by itself.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestd.embed.engines.batches import USUAL, Batch
from ingestd.embed.engines.measured import Figures, Measured, remember
from ingestd.embed.engines.samples import varied
from ingestd.embed.model import ModelSpec
from ingestd.embed.reading.limits import be_first_to_go, end_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestd.embed.engines.batched import BatchedEmbedder
    from ingestd.ports import Vectors

BATCHES = (USUAL, Batch(1, 512), Batch(2, 512), Batch(8, 1024))
"""What is tried; larger ones are slower on a CPU and take more memory."""
TEXTS = 24
_LEAST_TEXTS = 6
_LONGEST = 512
_ROUNDS = 3
_BUDGET_S = 4.0


def measure(spec: ModelSpec, graph: Path, keys: Sequence[str]) -> Measured:
    """Measure engines, the first of them the reference."""
    started = time.process_time()
    engines = {key: open_engine(spec, graph, key, threads=1) for key in keys}
    texts = varied(TEXTS, min(spec.max_tokens, _LONGEST))
    before = time.process_time()
    rows = {key: engine.embed(texts) for key, engine in engines.items()}
    seconds = (time.process_time() - before) * len(BATCHES) * _ROUNDS
    # Spread over all lengths, and as many as there is time for: large models take long.
    number = max(_LEAST_TEXTS, min(TEXTS, int(TEXTS * _BUDGET_S / seconds)))
    some = [texts[at * TEXTS // number] for at in range(number)]
    tried = costs(engines, some)
    found = {key: figures(rows[key], rows[keys[0]], tried[key]) for key in keys}
    for engine in engines.values():
        engine.close()
    return Measured(found, seconds=round(time.process_time() - started, 2))


def open_engine(spec: ModelSpec, graph: Path, key: str, *, threads: int) -> BatchedEmbedder:
    """Open an engine by its name and precision."""
    from ingestd.embed.engines.onnx import OnnxEmbedder  # noqa: PLC0415  # only who needs it
    from ingestd.embed.engines.openvino import OpenVinoEmbedder  # noqa: PLC0415  # the same

    engine, _, precision = key.partition("-")
    if engine == "onnx":
        return OnnxEmbedder(spec, graph, threads=threads)
    return OpenVinoEmbedder(spec, graph, precision=precision, threads=threads)


def costs(
    engines: Mapping[str, BatchedEmbedder], texts: Sequence[str]
) -> dict[str, list[dict[Batch, float]]]:
    """Microseconds of processor time a token: of each engine, round by round, with each batch."""
    tokens = sum(next(iter(engines.values())).count(texts))
    found: dict[str, list[dict[Batch, float]]] = {key: [] for key in engines}
    for _ in range(_ROUNDS):
        for rounds in found.values():
            rounds.append({})
        for batch in BATCHES:
            for key, engine in engines.items():
                engine.batch = batch
                before = time.process_time()
                engine.embed(texts)
                found[key][-1][batch] = 1e6 * (time.process_time() - before) / tokens
    return found


def figures(rows: Vectors, reference: Vectors, tried: list[dict[Batch, float]]) -> Figures:
    """What is to be remembered of an engine."""
    cosines = (rows * reference).sum(axis=1)
    return Figures(
        float(cosines.min()),
        float(np.mean(cosines)),
        [(batch, min(one[batch] for one in tried)) for batch in BATCHES],
        [min(one.values()) for one in tried],
    )


def main(arguments: list[str]) -> int:
    """Measure, and write what was found."""
    parent, model, graph, target, *keys = arguments
    end_with_parent(int(parent))
    be_first_to_go()
    fields = json.loads(model)
    spec = ModelSpec(**(fields | {"path": Path(fields["path"])}))
    remember(Path(target), measure(spec, Path(graph), keys))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

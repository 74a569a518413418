"""Runs one way to embed and answers orders: the child of ``benchmarks.engines``.

An order is a line of JSON on standard input, its answer a line on standard output. All ways embed
the same texts, so that rounds of several children can take turns.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import peak
from ingestd import logs
from ingestd.embed.engines.batches import Batch
from ingestd.embed.engines.export import exported
from ingestd.embed.engines.measuring import open_engine
from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestd.ports import Vectors

MIB = 1024**2
PEAK = "peak"
_MOST_TEXTS = 8


@dataclass(frozen=True, slots=True)
class Way:
    """One way to embed.

    Attributes:
        engine: ``onnx``, ``openvino`` or ``torch``; `PEAK` multiplies matrices instead.
        precision: ``fp32``, ``bf16`` or ``int8``.
        texts: most texts in a batch.
        tokens: most tokens in a batch, but for torch.
        threads: cores.
        by_length: whether texts are sorted; else batches are formed as the documents come.
    """

    engine: str
    precision: str = "fp32"
    texts: int = 4
    tokens: int = 512
    threads: int = 1
    by_length: bool = True


class Runner:
    """Embeds in one way."""

    def __init__(self, way: Way, texts: list[str], cache: Path) -> None:
        self._way, self._texts = way, texts
        precision: Any = way.precision
        spec = replace(locate(""), precision=precision)
        if way.engine == "torch":
            self._embedder: Any = TorchEmbedder(
                spec, device="cpu", precision=way.precision, threads=way.threads
            )
        else:
            key = f"{way.engine}-{way.precision}"
            self._embedder = open_engine(spec, exported(spec, cache), key, threads=way.threads)
        self._embedder.batch = Batch(way.texts, way.tokens)

    def embed(self) -> Vectors:
        """All texts, in the way that is measured."""
        if self._way.by_length:
            rows: Vectors = self._embedder.embed(self._texts)
            return rows
        step = self._way.texts
        parts = range(0, len(self._texts), step)
        return np.concatenate([self._embedder.embed(self._texts[at : at + step]) for at in parts])

    def round(self) -> dict[str, float]:
        """Embed all texts once."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.embed()
        return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}

    def calls(self, number: int) -> list[float]:
        """Make calls of varied texts; MiB after each tenth of them."""
        rng = random.Random(1)  # noqa: S311 - texts, not secrets
        taken = []
        for done in range(1, number + 1):
            some = rng.choices(self._texts, k=rng.randint(1, _MOST_TEXTS))
            self._embedder.embed([text[: rng.randint(1, len(text))] for text in some])
            if done % max(1, number // 10) == 0:
                taken.append(resident_mib())
        return taken


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return round(pages * resource.getpagesize() / MIB, 1)


def answer(runner: Runner | None, order: dict[str, Any]) -> Any:
    """Do what an order says."""
    if runner is None:
        return peak.multiply(1, time.process_time)
    if order["do"] == "rows":
        return np.save(order["file"], runner.embed())
    if order["do"] == "calls":
        return runner.calls(order["number"])
    return runner.round() | {"rss_mib": resident_mib()}


def main(arguments: Sequence[str]) -> None:
    """Open the way that is asked for, and answer until standard input ends."""
    logs.configure("warning", "auto")  # to standard error: answers go to standard output
    way = Way(**json.loads(arguments[0]))
    texts = json.loads(Path(arguments[1]).read_text("utf-8"))
    runner = None if way.engine == PEAK else Runner(way, texts, Path(arguments[2]))
    for line in sys.stdin:
        print(json.dumps(answer(runner, json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

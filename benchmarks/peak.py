"""What the machine can multiply, and what a text costs: ``python -m benchmarks.peak``.

Chunks a second say little about another machine; the share of what its cores multiply in fp32 does.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import systems
from ingestd.embed.engines.cores import has_bf16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

SIDES = (512, 768, 1024, 2048)
PRODUCTS = 8


def flops(lengths: Iterable[int], config: Mapping[str, Any]) -> float:
    """Floating-point operations of the forward pass over texts, without padding.

    Products with weights, and those of attention; the rest is little.

    Args:
        lengths: of the texts, in tokens.
        config: of a BERT: its ``config.json``.
    """
    width, inner = config["hidden_size"], config["intermediate_size"]
    weights = 4 * width * width + 2 * width * inner
    layers: int = config["num_hidden_layers"]
    return float(sum(layers * (2 * weights * each + 4 * each * each * width) for each in lengths))


def measured() -> float:
    """What all cores multiply in fp32 now: operations a second, by a process of its own.

    Raises:
        subprocess.CalledProcessError: torch is not there.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak"],
        cwd=systems.ROOT,
        env=systems.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["flops"])


def multiply(threads: int, clock: Callable[[], float]) -> dict[str, float]:
    """What so many threads multiply: operations a second of a clock, by precision.

    The best of several sizes and libraries: that which torch takes by itself is held back on
    processors of some makers.
    """
    import torch  # noqa: PLC0415 - slow to load
    from torch.utils import mkldnn  # noqa: PLC0415 - the same

    onednn: Any = mkldnn  # without types

    torch.set_num_threads(threads)
    best = {"fp32": 0.0, "bf16": 0.0}
    for side in SIDES:
        left, right = torch.rand(side, side), torch.rand(side, side)
        ways = {"fp32": [partial(torch.mm, left, right)]}
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call] # the same
            packed = onednn.to_mkldnn(torch.nn.Linear(side, side, bias=False).eval())
            ways["fp32"].append(partial(packed, left.to_mkldnn()))
        if has_bf16():
            ways["bf16"] = [partial(torch.mm, left.bfloat16(), right.bfloat16())]
        for precision, products in ways.items():
            fastest = min(_seconds(product, clock) for product in products)
            best[precision] = max(best[precision], 2 * side**3 / fastest)
    return best


def _seconds(product: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Time of a product, at the best."""
    best = math.inf
    for _ in range(PRODUCTS):
        started = clock()
        product()
        best = min(best, clock() - started)
    return best


def config_of(model: Path) -> dict[str, Any]:
    """The ``config.json`` of a model's transformer."""
    from ingestd.embed.model import locate  # noqa: PLC0415 - `main` needs none of it

    text = (locate(str(model)).transformer / "config.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


if __name__ == "__main__":
    found = multiply(len(os.sched_getaffinity(0)), time.perf_counter)
    print(json.dumps({"flops": found["fp32"]}))

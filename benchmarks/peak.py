"""What the machine can multiply, and what a text costs: ``python -m benchmarks.peak``.

Chunks a second say little about another machine; the share of what its cores multiply in fp32 does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks import systems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SIDE = 2_048
PRODUCTS = 12


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


def multiply() -> float:
    """The best of some products of matrices on all cores: operations a second of wall time."""
    import torch  # noqa: PLC0415 - slow to load

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    best = float("inf")
    for _ in range(PRODUCTS):
        started = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best


def config_of(model: Path) -> dict[str, Any]:
    """The ``config.json`` of a model's transformer."""
    from ingestd.embed.model import locate  # noqa: PLC0415 - `main` needs none of it

    text = (locate(str(model)).transformer / "config.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


if __name__ == "__main__":
    print(json.dumps({"flops": multiply()}))

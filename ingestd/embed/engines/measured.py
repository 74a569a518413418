"""What a measurement of engines on this machine found, and where it is remembered.

It holds for one model, one processor, one number of threads and the versions of the engines: each
of these has a file of its own in the cache directory.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ingestd.embed.engines import cores
from ingestd.embed.engines.batches import Batch
from ingestd.embed.engines.choice import PACKAGES, Choice

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.model import ModelSpec

FORMAT = 1
REFERENCE = "onnx-fp32"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found of one engine in one precision.

    Attributes:
        least_cosine: of its embeddings to those of ONNX Runtime in fp32.
        mean_cosine: the same.
        batches: batches that were tried, each with its microseconds of processor time a token:
            the least of the rounds.
        rounds: the least of the batches, round by round.
    """

    least_cosine: float
    mean_cosine: float
    batches: list[tuple[Batch, float]] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)

    def best(self, usual: Batch, margin: float) -> Batch:
        """The fastest batch; the usual one where no other is faster by the margin."""
        batch, cost = min(self.batches, key=lambda tried: tried[1], default=(usual, 0.0))
        costs = dict(self.batches)
        return usual if usual in costs and costs[usual] < cost * margin else batch


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement.

    Attributes:
        engines: by engine and precision, such as ``onnx-fp32``.
        failed: why there is none; empty when there is.
        seconds: processor time that it took.
    """

    engines: dict[str, Figures] = field(default_factory=dict)
    failed: str = ""
    seconds: float = 0.0


def file_of(spec: ModelSpec, cache_dir: Path, choice: Choice, threads: int) -> Path:
    """Where the measurement of a choice and its rival is remembered, made or not."""
    parts = (
        FORMAT,
        spec.weights_sha256,
        spec.pooling,
        spec.max_tokens,
        keys(choice),
        [(name, _version(PACKAGES[name])) for name in ("onnx", "openvino")],
        cores.identity(),
        threads,
    )
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return cache_dir / "engines" / f"{spec.weights_sha256[:16]}-{digest}.json"


def keys(choice: Choice) -> list[str]:
    """What is to be measured: the reference first, then the choice, then its rival."""
    rival = ["-".join(choice.rival)] if choice.rival else []
    return list(dict.fromkeys([REFERENCE, choice.key, *rival]))


def recall(file: Path) -> Measured | None:
    """Read a measurement; None where there is none, or a damaged one."""
    try:
        told = json.loads(file.read_text("utf-8"))
        engines = {name: _figures(values) for name, values in told["engines"].items()}
        return Measured(engines, str(told["failed"]), float(told["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remember(file: Path, measured: Measured) -> None:
    """Write a measurement: whole, or not at all.

    Raises:
        OSError: the cache directory cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f"{file.name}.{os.getpid()}.new")
    scratch.write_text(json.dumps(asdict(measured), indent=1), "utf-8")
    scratch.replace(file)


def _figures(values: dict[str, Any]) -> Figures:
    batches = [
        (Batch(int(batch["texts"]), int(batch["tokens"])), float(cost))
        for batch, cost in values["batches"]
    ]
    rounds = [float(cost) for cost in values["rounds"]]
    if not batches or not rounds or min(rounds) <= 0:
        raise ValueError("nothing was measured")
    return Figures(float(values["least_cosine"]), float(values["mean_cosine"]), batches, rounds)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""

"""What each optimisation of the embedder brings: ``python -m benchmarks.engines DOCS``.

The same texts, cut from the Markdown files of a folder, are embedded in several ways, each in a
process of its own. They take turns, and of each the best round counts, in chunks per second of
processor time: others on the machine then disturb least. The share of the peak is that of what one
core multiplies, measured in the same turns: in fp32, and in the precision of the way.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine, peak, systems
from benchmarks.engine_once import PEAK, Way
from ingestd.embed.engines.cores import has_bf16
from ingestd.embed.model import locate
from ingestd.embed.model_folder import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = "encode() as it is"
WAYS = {
    FIRST: Way("torch", texts=32),
    "small batches, as the documents come": Way("torch", texts=2, by_length=False),
    "small batches, by length": Way("torch", texts=2),
    "ONNX Runtime, as the documents come": Way("onnx", by_length=False),
    "ONNX Runtime": Way("onnx"),
    "ONNX Runtime, single texts": Way("onnx", texts=1),
    "ONNX Runtime, 8 texts": Way("onnx", texts=8, tokens=1024),
    "ONNX Runtime, 32 texts": Way("onnx", texts=32, tokens=8192),
    "OpenVINO fp32": Way("openvino"),
    "torch bf16": Way("torch", "bf16"),
    "OpenVINO bf16": Way("openvino", "bf16"),
    "OpenVINO bf16, single texts": Way("openvino", "bf16", texts=1),
    "OpenVINO bf16, 8 texts": Way("openvino", "bf16", texts=8, tokens=1024),
    "ONNX Runtime int8, single texts": Way("onnx", "int8", texts=1),
    "ONNX Runtime, two threads": Way("onnx", threads=2),
    "OpenVINO bf16, two threads": Way("openvino", "bf16", threads=2),
    "ONNX Runtime int8, two threads": Way("onnx", "int8", texts=1, threads=2),
}
QUICK = (
    FIRST,
    "small batches, by length",
    "ONNX Runtime",
    "OpenVINO fp32",
    "torch bf16",
    "OpenVINO bf16",
    "ONNX Runtime int8, single texts",
)
"""One for each engine and precision."""


class Child:
    """A process that embeds in one way."""

    def __init__(self, way: Way, texts: Path, cache: Path) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.engine_once"),
                *(json.dumps(asdict(way)), str(texts), str(cache)),
            ],
            cwd=systems.ROOT,
            env=systems.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **order: Any) -> Any:
        """Give an order, and wait for the answer."""
        assert self._process.stdin is not None  # noqa: S101 - narrows for the type checker
        assert self._process.stdout is not None  # noqa: S101 - the same
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a way to embed failed; see what it printed above")
        return json.loads(line)

    def end(self) -> None:
        """Have it end."""
        self._process.communicate()


def cut(folder: Path, number: int, characters: int) -> list[str]:
    """Texts of a length from all over the Markdown files of a folder, in their order."""
    texts = [
        text[start : start + characters]
        for file in sorted(folder.rglob("*.md"))
        for text in [file.read_text("utf-8", "replace")]
        for start in range(0, len(text), characters)
    ]
    step = max(1, len(texts) // number)
    return texts[::step][:number]


def measure(
    ways: dict[str, Way],
    texts: list[str],
    rounds: int,
    calls: int,
    place: Path,
    cache: Path,
) -> dict[str, Any]:
    """Run the ways in turn.

    Args:
        ways: by name; the first one is what the others are compared with.
        texts: what is embedded.
        rounds: turns of each.
        calls: calls to watch the memory over; none where it is 0.
        place: for files in passing.
        cache: for exported models.

    Returns:
        By way its best round, cosines to the first, and the memory after calls; and the peak.
    """
    file = place / "texts.json"
    file.write_text(json.dumps(texts), "utf-8")
    children = {}
    for name, way in {PEAK: Way(PEAK), **ways}.items():
        children[name] = Child(way, file, cache)
        children[name].ask(do="round")  # opens the model, and warms it up
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in children}
    for _ in range(rounds):
        for name, child in children.items():
            turns[name].append(child.ask(do="round"))
    peaks = turns.pop(PEAK)
    best = {name: max(turn[name] for turn in peaks) for name in peaks[0]}
    results: dict[str, Any] = {}
    reference = None
    for name, way in ways.items():
        children[name].ask(do="rows", file=str(place / "rows.npy"))
        rows = np.load(place / "rows.npy")
        reference = rows if reference is None else reference
        results[name] = _best(turns[name], len(texts)) | _cosines(rows, reference)
        results[name]["precision"] = way.precision
    if calls:
        for name in ways:
            results[name]["mib_by_calls"] = children[name].ask(do="calls", number=calls)
    for child in children.values():
        child.end()
    return {"peak_flops": best, "ways": results}


def _best(turns: list[dict[str, float]], texts: int) -> dict[str, float]:
    cpu, wall = (min(turn[name] for turn in turns) for name in ("cpu_s", "wall_s"))
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "chunks_per_cpu_s": texts / cpu,
        "chunks_per_s": texts / wall,
        "rss_mib": turns[-1]["rss_mib"],
    }


def _cosines(rows: Any, reference: Any) -> dict[str, float]:
    cosines = (rows * reference).sum(axis=1)
    return {"least_cosine": float(cosines.min()), "mean_cosine": float(cosines.mean())}


def report(found: dict[str, Any], operations: float, console: Console) -> None:
    """Print the table."""
    table = Table(
        "way", "chunks/CPU s", "times", "% of fp32 peak", "% of its peak", "chunks/s", "CPU s"
    )
    for title in ("least cosine", "mean cosine", "MiB", "growth, MiB"):
        table.add_column(title)
    first = next(iter(found["ways"].values()))
    peaks = found["peak_flops"]
    for name, way in found["ways"].items():
        taken = way.get("mib_by_calls")
        table.add_row(
            name,
            f"{way['chunks_per_cpu_s']:.1f}",
            f"{first['cpu_s'] / way['cpu_s']:.2f}",
            _share(operations / way["cpu_s"], peaks["fp32"]),
            _share(operations / way["cpu_s"], peaks.get(way["precision"], 0.0)),
            f"{way['chunks_per_s']:.1f}",
            f"{way['cpu_s']:.2f}",
            f"{way['least_cosine']:.5f}",
            f"{way['mean_cosine']:.5f}",
            f"{way['rss_mib']:.0f}",
            f"{taken[-1] - taken[0]:+.1f}" if taken else "-",
        )
    console.print(table)


def _share(operations: float, most: float) -> str:
    return f"{100 * operations / most:.0f}" if most else "-"


def there(ways: dict[str, Way]) -> Iterator[tuple[str, Way]]:
    """The ways that this machine has."""
    openvino = importlib.util.find_spec("openvino") is not None
    for name, way in ways.items():
        if (openvino or way.engine != "openvino") and (has_bf16() or way.precision != "bf16"):
            yield name, way


def main() -> int:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("docs", type=Path, help="a folder of Markdown files")
    parser.add_argument("--texts", type=int, default=128, help="how many are embedded in a round")
    parser.add_argument("--characters", type=int, default=500, help="length of a text")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; the best counts")
    parser.add_argument("--calls", type=int, default=0, help="calls to watch the memory over")
    parser.add_argument("--only", action="append", help="a part of the names of ways; repeatable")
    parser.add_argument(
        "--quick", action="store_true", help="few texts, two rounds, one way for each engine"
    )
    parser.add_argument(
        "--cache", type=Path, help="where exported models are kept; default: nowhere"
    )
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args()
    if given.quick:
        given.texts, given.rounds = min(given.texts, 48), min(given.rounds, 2)
    about = machine.describe()
    parts = given.only or [""]
    ways = {
        name: way
        for name, way in there({name: WAYS[name] for name in (QUICK if given.quick else WAYS)})
        if name == FIRST or any(part in name for part in parts)
    }
    texts = cut(given.docs, given.texts, given.characters)
    with tempfile.TemporaryDirectory(prefix="engines-") as place:
        cache = given.cache or Path(place) / "cache"
        found = measure(ways, texts, given.rounds, given.calls, Path(place), cache)
    config = read_json(locate("").transformer / "config.json")
    operations = peak.flops(_lengths(texts), config)
    console = Console(width=180)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    title = f"{len(texts)} texts of {sum(_lengths(texts)) // len(texts)} tokens in the mean"
    peaks = " and ".join(
        f"{most / 1e9:.0f} GFLOP/s in {name}" for name, most in found["peak_flops"].items() if most
    )
    console.print(f"{title}; one core multiplies {peaks}")
    report(found, operations, console)
    if given.json:
        values = {"machine": about, "texts": len(texts), "operations": operations, **found}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


def _lengths(texts: list[str]) -> list[int]:
    from ingestd.embed.tokenize import InputTokenizer  # noqa: PLC0415 - the library is slow to load

    return [len(row) for row in InputTokenizer(locate("")).ids(texts)]


if __name__ == "__main__":
    sys.exit(main())

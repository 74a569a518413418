"""What `ingestd profile` costs while it traces: documents a second with and without.

A running daemon, with a Chroma server of its own, takes up new documents in rounds. The ways of
tracing take turns in each round, so that whatever else the machine does meets all of them alike;
what counts is the ratio to the rounds without a trace, in time and in processor time of the daemon;
on a machine that has other work (its load is in the result) only the latter means something.
The rounds before the first trace show whether something stays behind when a trace has ended.

    python profiling/trace_cost.py --quick      # about two minutes
    python profiling/trace_cost.py              # hash model and real model
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from _daemon import Content, Daemon
from _texts import document

from ingestd.errors import UnavailableError
from ingestd.location import Location
from ingestd.serve.client import Client

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

WAYS: dict[str, dict[str, bool] | None] = {
    "before": None,
    "none": None,
    "trace": {},
    "native": {"native": True},
    "objects": {"objects": True},
}
NAMES = {
    "before": "before the first trace",
    "none": "no trace",
    "trace": "`profile`",
    "native": "`profile --native`",
    "objects": "`profile --objects`",
}
LIMIT_S = 900.0
ROUTE = "/v1/profile"


@dataclass(slots=True)
class Batch:
    """One batch of documents, taken up in one way."""

    seconds: float
    cpu_s: float
    trace_bytes: int = 0


@dataclass(slots=True)
class Rounds:
    """Batches of one model, by way."""

    model: str
    documents: int
    chunks: int
    batches: dict[str, list[Batch]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def median(self, way: str, name: str) -> float:
        """The median of a figure."""
        return statistics.median(getattr(batch, name) for batch in self.batches[way])

    def ratio(self, way: str, name: str) -> float:
        """How much more of it than without a trace: the median over rounds, each with its own."""
        pairs = zip(self.batches[way], self.batches["none"], strict=False)
        return statistics.median(getattr(a, name) / getattr(b, name) for a, b in pairs)

    def as_json(self) -> dict[str, Any]:
        """Figures, and what they were made of."""
        return {
            "documents_a_batch": self.documents,
            "chunks_a_batch": self.chunks,
            "refused": self.refused,
            "ways": {
                way: {
                    "documents_a_second": round(self.documents / self.median(way, "seconds"), 1),
                    "chunks_a_second": round(self.chunks / self.median(way, "seconds"), 1),
                    "time_ratio": round(self.ratio(way, "seconds"), 3),
                    "cpu_ratio": round(self.ratio(way, "cpu_s"), 3),
                    "cpu_ms_a_chunk": round(1000 * self.median(way, "cpu_s") / self.chunks, 3),
                    "trace_bytes_a_chunk": round(self.median(way, "trace_bytes") / self.chunks),
                    "trace_bytes_a_second": round(
                        self.median(way, "trace_bytes") / self.median(way, "seconds")
                    ),
                    "batches": [asdict(batch) for batch in batches],
                }
                for way, batches in self.batches.items()
            },
        }


class Bench:
    """A daemon that is given batches of new documents."""

    def __init__(self, place: Path, daemon: Daemon, *, documents: int, sections: int) -> None:
        self._place = place
        self._daemon = daemon
        self._documents = documents
        self._sections = sections
        self._made = 0
        self._client = Client(Location(None, daemon.state, daemon.state, ""))

    def batch(self, options: Mapping[str, bool] | None) -> Batch:
        """Have a batch taken up; with options, while a trace runs.

        Raises:
            UnavailableError: the daemon cannot trace in this way.
        """
        expected = self._write()
        if options is not None:
            self._client.post(ROUTE, {"seconds": 3_600, **options})
        cpu_s, began = measure.cpu_seconds(self._daemon.pid), time.monotonic()
        self._move_in()
        self._daemon.settle(expected, LIMIT_S)
        seconds = time.monotonic() - began
        batch = Batch(seconds, measure.cpu_seconds(self._daemon.pid) - cpu_s)
        if options is not None:
            state = self._client.delete(ROUTE)
            if state["reason"] != "asked":
                raise RuntimeError(f"the trace ended before the batch: {state['reason']}")
            batch.trace_bytes = state["file_bytes"]
        return batch

    def close(self) -> None:
        """Close the connection to the daemon."""
        self._client.close()

    def _write(self) -> dict[bytes, Content | None]:
        """Write documents that nobody has seen beside the watched folder."""
        folder = self._place / f"batch{self._made}"
        folder.mkdir()
        expected: dict[bytes, Content | None] = {}
        for number in range(self._documents):
            file = folder / f"{number}.md"
            file.write_text(document(number, self._made, self._sections), encoding="utf-8")
            expected[f"{folder.name}/{file.name}".encode()] = Content.of(file)
        return expected

    def _move_in(self) -> None:
        folder = self._place / f"batch{self._made}"
        folder.rename(self._daemon.folder / folder.name)
        self._made += 1


def run(model: str, given: argparse.Namespace) -> Rounds:
    """All rounds with one model."""
    documents = given.documents if model == "hash" else given.real_documents
    found = Rounds(model or "packaged MiniLM", documents, documents * given.sections)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "docs").mkdir()
        with Daemon(place / "docs", place / "state", {"model.name": model}) as daemon:
            bench = Bench(place, daemon, documents=documents, sections=given.sections)
            bench.batch(None)  # the model is opened, caches are filled
            for _ in range(given.rounds):
                take(bench, found, "before")
            for _ in range(given.rounds):
                for way in [way for way in WAYS if way != "before"]:
                    take(bench, found, way)
            bench.close()
    return found


def take(bench: Bench, found: Rounds, way: str) -> None:
    """One batch in one way; a way that is refused is left out from then on."""
    if way in found.refused:
        return
    try:
        batch = bench.batch(WAYS[way])
    except UnavailableError as error:
        found.refused[way] = error.message
        return
    found.batches.setdefault(way, []).append(batch)
    print(f"{found.model}, {way}: {batch.seconds:.2f} s, {batch.cpu_s:.2f} s of processor")


def show(found: Rounds) -> str:
    """A table of one model."""
    figures = found.as_json()["ways"]
    rows = [
        (
            NAMES[way],
            f"{values['documents_a_second']:.1f}",
            f"{values['chunks_a_second']:.0f}",
            f"{values['time_ratio']:.2f}",
            f"{values['cpu_ratio']:.2f}",
            f"{values['trace_bytes_a_second'] / measure.MIB:.1f}",
            f"{values['trace_bytes_a_chunk'] / measure.KIB:.1f}",
        )
        for way, values in figures.items()
    ]
    headings = ("", "documents/s", "chunks/s", "time", "processor", "MiB/s", "KiB/chunk")
    return f"\n{found.model}\n\n{measure.table(headings, rows)}"


def main() -> None:
    """Measure, print, write the result file."""
    parser = measure.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="batches of each way (5)")
    parser.add_argument("--documents", type=int, default=200, help="a batch, hash model (200)")
    parser.add_argument("--real-documents", type=int, default=40, help="a batch, real model (40)")
    parser.add_argument("--sections", type=int, default=8, help="chunks of a document (8)")
    parser.add_argument("--models", default="hash,", help="separated by commas ('hash,')")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.documents, given.real_documents = 2, 60, 10
    results = [run(model, given) for model in given.models.split(",")]
    for found in results:
        print(show(found))
    measure.write(given, {"models": {found.model: found.as_json() for found in results}})


if __name__ == "__main__":
    main()

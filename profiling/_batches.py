"""What a batch of chunks allocates, and what of it stays: counted by memray, batch by batch."""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _documents
import measure
from _workplace import workplace

if TYPE_CHECKING:
    from _workplace import Workplace

DOCUMENTS = 20
PARAGRAPHS = 30
WARM_UP = 3
TOP = 6


async def record(place: Path, *, model: str, batches: int, seed: int) -> dict[str, Any]:
    """Edit all documents, have the job take them up, and count; again and again.

    Returns:
        Medians over the batches, and where what stays comes from.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    rows, places = [], {}
    async with workplace(place, model) as work:
        names = write(work.folder, chance)
        for _ in range(WARM_UP):
            change(work.folder, names, chance)
            await work.take_up(names)
        for _ in range(batches):
            change(work.folder, names, chance)
            row, places = await _traced(work, names)
            rows.append(row)
    medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    chunks = medians["chunks_embedded"] or 1
    return {
        "model": model or "packaged",
        "batches": batches,
        "documents": DOCUMENTS,
        "median": medians,
        "allocations_per_chunk": round(medians["allocations"] / chunks),
        "peak_bytes_per_chunk": round(medians["peak_bytes"] / chunks),
        "stays_bytes": [row["stays_bytes"] for row in rows],
        "stays_where": places,
    }


async def _traced(work: Workplace, names: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """One batch under memray: its counts, and what stays, by function."""
    import memray  # noqa: PLC0415 - only here, and heavy

    chunks = work.instance.totals.chunks
    before = chunks["embedded"]
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.bin"
        with memray.Tracker(file, trace_python_allocators=True):
            await work.take_up(names)
            gc.collect()
        with memray.FileReader(file) as reader:
            about = reader.metadata
            stays = list(reader.get_leaked_allocation_records(merge_threads=True))
            row = {
                "chunks_embedded": chunks["embedded"] - before,
                "allocations": about.total_allocations,
                "peak_bytes": about.peak_memory,
                "stays_bytes": sum(one.size for one in stays),
                "stays_allocations": sum(one.n_allocations for one in stays),
            }
            return row, _by_place(stays)


def _by_place(records: list[Any]) -> dict[str, int]:
    """Bytes by the innermost functions of ours or of the libraries, the largest first."""
    found: dict[str, int] = {}
    for record_ in records:
        stack = record_.stack_trace(max_stacks=1)
        where = f"{stack[0][0]} ({Path(stack[0][1]).name})" if stack else "native code"
        found[where] = found.get(where, 0) + record_.size
    return dict(sorted(found.items(), key=lambda item: -item[1])[:TOP])


def write(folder: Path, chance: random.Random) -> list[str]:
    """Documents of a few dozen paragraphs; returns their names."""
    names = []
    for number in range(DOCUMENTS):
        parts = [_documents.paragraph(chance) for _ in range(PARAGRAPHS)]
        name = f"document{number}.md"
        (folder / name).write_text("\n\n".join([f"# Document {number}", *parts]), encoding="utf-8")
        names.append(name)
    return names


def change(folder: Path, names: list[str], chance: random.Random) -> None:
    """Give one paragraph of each document another text."""
    for name in names:
        file = folder / name
        parts = file.read_text(encoding="utf-8").split("\n\n")
        parts[chance.randrange(1, len(parts))] = _documents.paragraph(chance)
        file.write_text("\n\n".join(parts), encoding="utf-8")


def show(values: dict[str, Any]) -> str:
    """The table."""
    median = values["median"]
    rows = [
        ["chunks embedded", f"{median['chunks_embedded']:,.0f}"],
        ["allocations", f"{median['allocations']:,.0f}"],
        ["allocations a chunk", f"{values['allocations_per_chunk']:,}"],
        ["peak of what it allocated, MiB", measure.mib(median["peak_bytes"])],
        ["stays after it, KiB", f"{median['stays_bytes'] / measure.KIB:,.1f}"],
        *(
            [f"of it {where}, KiB", f"{size / measure.KIB:,.1f}"]
            for where, size in values["stays_where"].items()
        ),
    ]
    return measure.table(["a batch (median)", values["model"]], rows)

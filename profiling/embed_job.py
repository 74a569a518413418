"""Does the embed job give back what it takes? Edits documents again and again, and watches RSS.

The outage that ingestd was built against: every embedding run kept some memory, and after a night
the process was dead. Here one process edits documents for many rounds, with a real embedded
Chroma; after a warm-up the resident memory must not rise with the number of edits.

    python profiling/embed_job.py --quick            # about a minute, as in CI
    python profiling/embed_job.py --edits 20000      # a long run
    python profiling/embed_job.py --memray out.bin   # record allocations, for memray's reports

Exit status 1 when the slope is over the bound.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ingestd import logs
from ingestd.config import load
from ingestd.instance import Instance, open_instance

RESULTS = Path(__file__).with_name("results")
DOCUMENTS = 20
PARAGRAPHS = 30
SAMPLES = 60
MIB = 1024**2


def rss_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def paragraph(seed: random.Random) -> str:
    """A paragraph of random words."""
    return " ".join(f"word{seed.randrange(5_000)}" for _ in range(60))


def write_corpus(folder: Path, seed: random.Random) -> list[Path]:
    """Documents of a few dozen paragraphs."""
    files = []
    for number in range(DOCUMENTS):
        file = folder / f"document{number}.md"
        parts = [f"# Document {number}", *(paragraph(seed) for _ in range(PARAGRAPHS))]
        file.write_text("\n\n".join(parts), encoding="utf-8")
        files.append(file)
    return files


async def edit(instance: Instance, files: list[Path], seed: random.Random) -> None:
    """Change one paragraph of one document, and let the job take it up."""
    file = seed.choice(files)
    parts = file.read_text(encoding="utf-8").split("\n\n")
    parts[seed.randrange(1, len(parts))] = paragraph(seed)
    file.write_text("\n\n".join(parts), encoding="utf-8")
    source = next(iter(instance.sources.values()))
    instance.reconciler.look(source, [file.name.encode()])
    await instance.job.drain()


async def measure(edits: int, model: str, place: Path) -> dict[str, Any]:
    """Run the edits; returns the samples and the slope."""
    seed = random.Random(1)  # noqa: S311 - repeatable on purpose
    folder = place / "documents"
    folder.mkdir()
    files = write_corpus(folder, seed)
    settings, location = load(
        state_dir=place / "state",
        overrides={"sources": [{"path": folder}], "model.name": model},
    )
    samples: list[tuple[int, int]] = []
    async with open_instance(settings, location, "embedded", verb="profile") as instance:
        source = next(iter(instance.sources.values()))
        instance.reconciler.reconcile(source)
        await instance.job.settle()
        await instance.job.drain()
        started = time.monotonic()
        for number in range(edits):
            await edit(instance, files, seed)
            if number % max(1, edits // SAMPLES) == 0:
                gc.collect()
                samples.append((number, rss_bytes()))
        seconds = time.monotonic() - started
        chunks = dict(instance.totals.chunks)
    half = samples[len(samples) // 2 :]
    slope = float(np.polyfit([x for x, _ in half], [y for _, y in half], 1)[0])
    return {
        "edits": edits,
        "seconds": round(seconds, 1),
        "chunks": chunks,
        "rss_mib_start": round(samples[0][1] / MIB, 1),
        "rss_mib_end": round(samples[-1][1] / MIB, 1),
        "slope_mib_per_1000_edits": round(slope * 1_000 / MIB, 2),
        "samples": samples,
    }


def machine() -> dict[str, str]:
    """Where and with what this was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - git of the developer
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    ).stdout.strip()
    names = ("ingestd", "chromadb", "sqlalchemy", "numpy")
    return {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "commit": commit,
        **{name: metadata.version(name) for name in names},
    }


def main() -> int:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--edits", type=int, default=3_000, help="edits to make (3000)")
    parser.add_argument("--quick", action="store_true", help="1000 edits, as in CI")
    parser.add_argument("--model", default="hash", help="model.name; hash needs no model (hash)")
    parser.add_argument("--bound", type=float, default=8.0, help="MiB per 1000 edits (8)")
    parser.add_argument("--memray", type=Path, help="record allocations into this file")
    arguments = parser.parse_args()
    edits = 1_000 if arguments.quick else arguments.edits
    logs.configure("warning", "pretty")
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if arguments.memray:
            import memray  # noqa: PLC0415 - an extra

            stack.enter_context(memray.Tracker(arguments.memray))
        result = asyncio.run(measure(edits, arguments.model, place))
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "embed_job.json"
    file.write_text(json.dumps({**machine(), **result}, indent=1), encoding="utf-8")
    shown = {key: value for key, value in result.items() if key != "samples"}
    print(json.dumps(shown, indent=1))
    slope = result["slope_mib_per_1000_edits"]
    print(f"slope {slope} MiB per 1000 edits, bound {arguments.bound}; details in {file}")
    return int(slope > arguments.bound)


if __name__ == "__main__":
    sys.exit(main())

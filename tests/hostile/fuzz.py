"""Has the extraction child read mutations of good files, and tells what it made of them.

    python tests/hostile/fuzz.py [--number 10000] [--seed 1] [--log FILE] [--keep DIR] [--daemon]

Each mutation is decided by the seed and its number. With a log, a run that was broken off goes on
where it ended; ``--first N --number 1 --keep DIR`` makes one again. Ends with 1 when a mutation
hung, or when this process, which stands for the daemon, was harmed. One whose time the kernel ended
has not hung. With ``--daemon`` the real one
gets them, all at once as files of a folder.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


import ending
import good
import kinds as hostile
import run
from mutate import mutated

from ingestd.embed import model, scanning
from ingestd.embed.cutting import Cutting
from ingestd.embed.reading.pool import Pool
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
TIMEOUT_S = 5.0
SLOW_S = 2.0
LARGEST = 200_000
CORPUS = Path(__file__).resolve().parents[1] / "corpus"
GROWTH_BYTES = 64 * MIB
_PART = re.compile(r"[^:]*\.(?:xml|rels|opf|xhtml|bin): |[('\d].*")
SETTINGS = ExtractSettings(
    archives=True, memory_bytes=512 * MIB, timeout_s=TIMEOUT_S, recycle_documents=500
)


@dataclass(slots=True)
class Score:
    """What came of the mutations so far."""

    mutations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: list[dict[str, Any]] = field(default_factory=list)
    hung: list[dict[str, Any]] = field(default_factory=list)
    slow: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_child_bytes: int = 0
    children: int = 0
    seconds: float = 0.0
    grown_bytes: int = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Count one."""
        self.mutations += 1
        self.outcomes[entry["outcome"]] += 1
        self.slowest_s = max(self.slowest_s, entry["seconds"])
        self.peak_child_bytes = max(self.peak_child_bytes, entry["child_bytes"])
        short = {key: entry[key] for key in ("number", "name", "seconds", "outcome")}
        if entry["outcome"].startswith("died"):
            self.deaths.append(short)
        if entry["outcome"] == "hung":
            self.hung.append(short)
        if entry["seconds"] > SLOW_S:
            self.slow.append(short)


def good_files(folder: Path | None) -> list[tuple[str, bytes]]:
    """The files to mutate: of a folder, or some of ours, and small ones of each format."""
    found = [] if folder else list(_made())
    for path in sorted((folder or CORPUS).rglob("*"))[:: 1 if folder else 4]:
        if path.is_file() and path.stat().st_size <= LARGEST:
            found.append((path.name, path.read_bytes()))
    return found


def _made() -> Iterator[tuple[str, bytes]]:
    """Small files that are right, often enough that each is chosen now and then."""
    for _ in range(24):
        yield from good.documents().items()
    for _ in range(8):
        yield from good.texts().items()


def read(pool: Pool, name: str, content: bytes) -> str:
    """Have the child read it; what came of it, in few words."""
    state, reason = ending.of_content(pool, name, content)
    if state != hostile.DEAD:
        return f"{state}: {reason.split(':')[0]}" if reason else state
    if "no sign of life" in reason:
        return "hung"
    if "too much time" in reason:
        return "died: out of time"
    if reason.startswith("the extraction child"):
        return f"died: {reason}"
    return f"failed: {_PART.sub('', reason)[:60]}"


def fuzz(
    files: list[tuple[str, bytes]],
    *,
    seed: int,
    numbers: range,
    log: Path | None,
    keep: Path | None,
) -> Score:
    """Read so many mutations."""
    score, before = Score(), _resident()
    done = _done(log, seed, score)
    spec = model.locate("hash")
    scans = scanning.found(SETTINGS).now()
    pool = Pool(spec, Cutting(spec.max_tokens), SETTINGS, scans=scans)
    started = time.monotonic()
    try:
        for number in numbers:
            if number in done:
                continue
            name, content = mutated(files, seed, number)
            began = time.monotonic()
            outcome = read(pool, name, content)
            entry = {
                "seed": seed,
                "number": number,
                "name": name,
                "bytes": len(content),
                "seconds": round(time.monotonic() - began, 3),
                "outcome": outcome,
                "child_bytes": pool.peak_bytes,
            }
            score.add(entry)
            if keep and (outcome.startswith(("died", "hung")) or len(numbers) == 1):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}-{name}").write_bytes(content)
            if log:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
        score.children = pool.recycled + 1
    finally:
        pool.close()
    score.seconds = round(time.monotonic() - started, 1)
    score.grown_bytes = _resident() - before
    return score


def _done(log: Path | None, seed: int, score: Score) -> set[int]:
    """The numbers that an earlier run dealt with."""
    if log is None or not log.exists():
        return set()
    found = set()
    for line in log.read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["seed"] == seed:
            score.add(entry)
            found.add(entry["number"])
    return found


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def entries(files: list[tuple[str, bytes]], seed: int, numbers: range) -> Iterator[hostile.Hostile]:
    """Yield mutations as entries of a corpus that may come to any end."""
    for number in numbers:
        name, content = mutated(files, seed, number)
        make = hostile.data(content)
        yield hostile.Hostile(f"{number}-{name}".encode(), make, hostile.ANY, "a mutation")


def through_daemon(files: list[tuple[str, bytes]], seed: int, numbers: range) -> int:
    """Have the real daemon index them; 1 when it took harm, or one of them had no end."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        report = run.run(Path(place), list(entries(files, seed, numbers)), short=False)
    print(json.dumps({"seed": seed, **run.summary(report)}, indent=2))  # noqa: T201 - its output
    return 1 if report.wrong or report.rss_after - report.rss_before > run.GROWTH_BYTES else 0


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="a folder of good files; default: our own")
    parser.add_argument("--log", type=Path, help="a line for each mutation; a run goes on from it")
    parser.add_argument("--keep", type=Path, help="where mutations are kept that end a child")
    parser.add_argument("--daemon", action="store_true", help="have the daemon read them")
    options = parser.parse_args()
    files = good_files(options.corpus)
    numbers = range(options.first, options.first + options.number)
    if options.daemon:
        return through_daemon(files, options.seed, numbers)
    score = fuzz(files, seed=options.seed, numbers=numbers, log=options.log, keep=options.keep)
    shown = {**asdict(score), "outcomes": dict(score.outcomes.most_common())}
    print(json.dumps({"files": len(files), "seed": options.seed, **shown}, indent=2))  # noqa: T201
    return 1 if score.hung or score.grown_bytes > GROWTH_BYTES else 0


if __name__ == "__main__":
    raise SystemExit(main())

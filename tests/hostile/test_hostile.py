"""Files that mean harm, read by the real daemon; and mutations, read by the real child.

The short form of `run.py` and `fuzz.py`, which do all of it: `make hostile` and `make fuzz`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import ending
import places
import pytest
from fuzz import fuzz, good_files
from kinds import INDEXED, Hostile, data, repeated
from mutate import mutated
from run import CORPUS, GROWTH_BYTES, MIB, MODULES, chosen, run, table

from ingestd.embed import model, scanning
from ingestd.embed.cutting import Cutting
from ingestd.embed.reading.pool import Pool
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

LEAST_FILES = 60
SETTINGS = ExtractSettings(archives=True, memory_bytes=512 * MIB, timeout_s=20)


def test_the_corpus_is_large_and_no_name_comes_twice() -> None:
    """At least 60 files, also in the short run."""
    names = [entry.name for entry in CORPUS]
    assert len({*names}) == len(names) >= LEAST_FILES
    assert len(chosen(short=True)) >= LEAST_FILES
    assert sum(len(chosen(short=False, part=module.__name__)) for module in MODULES) == len(names)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Reads all that is asked of it."""
    spec = model.locate("hash")
    scans = scanning.found(SETTINGS).now()
    made = Pool(spec, Cutting(spec.max_tokens), SETTINGS, scans=scans)
    yield made
    made.close()


READ = [module for module in MODULES if module is not places]


@pytest.mark.parametrize("module", READ, ids=lambda module: module.__name__)
def test_the_child_says_what_becomes_of_each(
    pool: Pool, module: ModuleType, tmp_path: Path
) -> None:
    """As the daemon would; a sound file is read after each that ended it."""
    wrong = []
    for entry in module.ENTRIES:
        if entry.heavy:
            continue
        path = tmp_path / os.fsdecode(entry.name)
        entry.make(path)
        found = ending.of_file(pool, path)
        path.unlink()
        if not entry.fits(*found):
            wrong.append((entry.name, *found))
        if "child" in found[1]:
            assert ending.of_content(pool, "a.md", b"words") == (INDEXED, "")
    assert wrong == []


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_hostile_files_end_as_they_should(tmp_path: Path) -> None:
    """Each has its outcome, the daemon takes no harm, and no process is left behind."""
    report = run(tmp_path, chosen(short=True), short=True)
    assert not report.wrong, table(report)
    assert report.rss_after - report.rss_before < GROWTH_BYTES
    assert report.processes_after <= report.processes_before + 1
    assert not {"job_failed", "task_failed"} & {*report.complaints}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"extract.timeout_s": 1}, ".*took too much time"),
        ({"extract.memory_bytes": 64 * MIB}, ".*needs more memory"),
    ],
)
def test_a_file_that_takes_too_much_ends_dead(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    """With a reason, and nothing else with it."""
    page = repeated("<p>words <b>and</b> words\n", 1_500_000)
    entries = [
        Hostile(b"large.html", page, f"dead: {reason}", "a page of 36 MB"),
        Hostile(b"z.md", data("words"), INDEXED, "nothing"),
    ]
    report = run(tmp_path, entries, short=True, changes=changes)
    assert not report.wrong, table(report)


def test_a_wrong_outcome_is_told(tmp_path: Path) -> None:
    """The harness itself would notice."""
    entries = [Hostile(b"a.md", data("words"), "skipped", "nothing")]
    report = run(tmp_path, entries, short=True)
    assert report.wrong == ["a.md: indexed: "]
    assert "**(wrong)**" in table(report)


def test_mutations_are_made_again_by_their_number() -> None:
    """The same seed and number give the same bytes; others give others."""
    files = good_files(None)
    first = [mutated(files, 1, number) for number in range(20)]
    assert first == [mutated(files, 1, number) for number in range(20)]
    assert len({content for _, content in first}) > 15
    assert first != [mutated(files, 2, number) for number in range(20)]


def test_the_child_reads_mutations(tmp_path: Path) -> None:
    """Nothing hangs, nothing grows, and a run goes on where it was broken off."""
    log = tmp_path / "log.jsonl"
    files = good_files(None)
    for end in (150, 300):
        score = fuzz(files, seed=6, numbers=range(end), log=log, keep=None)
        assert score.mutations == end
    assert score.hung == []
    assert len(score.deaths) < 5
    assert score.grown_bytes < 64 * MIB
    assert score.children <= 2
    assert len(log.read_text("utf-8").splitlines()) == 300

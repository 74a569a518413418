"""Where a growth stops being linear is found, and who works more from there on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from benchmarking import bench

from benchmarks import census, growth
from benchmarks.census import ROLES, Sample
from benchmarks.own_cut import counter
from benchmarks.scale import corpus_of

if TYPE_CHECKING:
    from pathlib import Path


def samples(most: int, power: float, start_s: float = 3.0) -> list[Sample]:
    """A run that takes ``start_s`` and a millisecond a chunk, times chunks to a power."""
    found = []
    for chunks in range(0, most + 1, 250):
        work = 0.001 * chunks**power
        cpu = {"daemon": 0.0004 * chunks, "chroma": work, "extraction": 0.0001 * chunks}
        rss = {"daemon": 2**27, "chroma": 2**26 + 2_300 * chunks, "extraction": 2**25}
        disk = {"chroma": 6_000 * chunks, "state": 300 * chunks, "vectors": 1_800 * chunks}
        found.append(Sample(start_s + work, chunks // 5, chunks, rss, cpu, disk))
    return found


def test_linear_growth_has_an_exponent_of_one_and_no_bend() -> None:
    """A slow start changes nothing: what counts is what further chunks take."""
    run = samples(50_000, 1.0, start_s=60.0)
    assert growth.exponents(run) == {"1,000 to 10,000": 1.0, "10,000 to 50,000": 1.0}
    found = growth.segments(run)
    assert growth.bend(found) is None
    assert all(segment.chunks_per_s == pytest.approx(1_000) for segment in found)
    assert all(segment.documents_per_s == pytest.approx(200, rel=0.01) for segment in found)
    assert "No segment takes more" in growth.finding(found)


def test_quadratic_growth_is_told_with_the_process_that_works_more() -> None:
    """The bend is where a chunk first takes a quarter more than at the quickest."""
    run = samples(50_000, 2.0)
    assert list(growth.exponents(run).values()) == pytest.approx([2.0, 2.0], abs=0.01)
    found = growth.segments(run)
    bent = growth.bend(found)
    assert bent is not None
    assert (bent.first, bent.last) == (2_000, 5_000)
    told = growth.finding(found)
    assert told.startswith("Linear up to 2,000 chunks")
    assert "of chroma" in told


def test_segments_are_1_2_5_and_a_short_last_one_joins_its_neighbour() -> None:
    """So that no rate is that of a moment; what is before the first is the start."""
    assert growth.bounds(50_000) == [1_000, 2_000, 5_000, 10_000, 20_000, 50_000]
    assert growth.bounds(52_000) == [1_000, 2_000, 5_000, 10_000, 20_000, 52_000]
    assert growth.bounds(90_000)[-2:] == [50_000, 90_000]
    assert growth.bounds(1_050_000)[-2:] == [500_000, 1_050_000]
    assert growth.bounds(700) == [0, 700]
    assert growth.segments([]) == []
    assert "Too few" in growth.finding([])


def test_bytes_a_chunk_are_slopes_of_the_second_half() -> None:
    """What a process has before the first chunk is not divided among the chunks."""
    found = growth.by_vector(samples(20_000, 1.0))
    assert found["rss of chroma"] == 2_300
    assert found["rss of daemon"] == 0
    assert found["disk of vectors"] == 1_800


def test_standing_still_is_no_growth() -> None:
    """Of samples with as many chunks the first counts, and nothing is divided by nothing."""
    run = samples(5_000, 1.0)
    still = [run[8]] * 4
    assert growth.rising([*run[:8], *still, *run[9:]]) == run
    assert growth.segments([*run, run[-1]]) == growth.segments(run)


def test_documents_are_as_long_as_the_wanted_number_of_chunks_needs() -> None:
    """Three chunks a file are found to within a tenth, with the cut of the product."""
    corpus, mean = corpus_of(3.0, "hash")
    assert 3.0 <= mean < 3.3
    chunks = counter("hash")
    assert sum(chunks(each.text) for each in corpus.documents(200)) / 200 == pytest.approx(3, 0.15)


def test_processor_time_of_a_process_is_read_with_that_of_its_children() -> None:
    """Children that ended are counted apart; a process that is gone has none."""
    work = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    before = census.used(os.getpid())
    subprocess.run([sys.executable, "-c", work], check=True)
    after = census.used(os.getpid())
    assert after[1] - before[1] >= 0.29
    assert census.used(2**22 + 1) == (0.0, 0.0)


def test_disk_is_told_by_what_it_is_for(tmp_path: Path) -> None:
    """Files of a database and its log together, and everything below Chroma's folder."""
    (tmp_path / "chroma" / "segment").mkdir(parents=True)
    for name in ("state.db", "state.db-wal", "chroma/segment/data.bin"):
        (tmp_path / name).write_bytes(b"x" * 8_192)
    found = census.disk(tmp_path)
    assert found["state"] >= 16_384
    assert found["vectors"] == 0
    assert found["chroma"] >= 8_192


@pytest.mark.slow
def test_a_small_scale_runs_through_the_whole_pipeline(tmp_path: Path) -> None:
    """As a person calls it: all files are indexed, told and drawn, and nothing is left."""
    out = tmp_path / "out" / "scale.json"
    done = bench("scale", "--files", 60, "--chunks", 120, "--work", tmp_path, "--json", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 of 60 documents" in done.stdout
    values = json.loads(out.read_text())
    last = values["samples"][-1]
    assert last["chunks"] >= 120
    assert all(last["rss"][role] > 0 for role in ROLES[:2])
    assert last["disk"]["chroma"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

"""The comparison shows ratios to ours, and tells what ours does not hold."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarking import bench as run
from rich.console import Console

from benchmarks import bench, comparison, corpus, metered, peak, promises, systems
from benchmarks.rivals.rows import SAMPLE, sampled
from benchmarks.series import backfill, ingest, rescan, save
from benchmarks.series.rows import Row, best, spread
from ingestd.embed.model import locate

OURS = {"wall_s": 10.0, "cpu_s": 12.0, "peak_mib": 300.0}
NAIVE = {"wall_s": 40.0, "cpu_s": 36.0, "peak_mib": 800.0}
WAITS: dict[str, Any] = {"median_s": 0.2, "p95_s": 0.3, "p99_s": 0.9, "most_s": 1.9}


def shown(rows: list[Row]) -> str:
    """The table as text."""
    console = Console(width=200, file=io.StringIO())
    console.print(comparison.table(rows))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def lines_with(text: str, *words: str) -> list[list[str]]:
    """The cells of the lines that hold all these words."""
    lines = [line for line in text.splitlines() if all(word in line for word in words)]
    return [[cell.strip() for cell in line.split("│")] for line in lines]


def test_the_table_shows_ratios_to_ours_at_the_same_size() -> None:
    """Four times the wall time, three times the CPU time; nothing of another size."""
    rows = [
        Row(ingest.COLD, 20, "ingestd", {**OURS, "chunks_per_s": 45.0, "hit_at_5": 0.9}),
        Row(ingest.COLD, 20, "naive loop", NAIVE),
        Row(ingest.COLD, 60, "naive loop", NAIVE),
    ]
    text = shown(rows)
    first, second = lines_with(text, "naive loop")
    assert "40.000" in first
    assert first.index("4.00") < first.index("3.00")
    assert second.count("-") == 2
    assert "45.0 chunks/s, hit@5 0.90" in text


def test_the_least_time_of_the_rounds_counts() -> None:
    """Wall and CPU each; the rest is of the quickest round."""
    rounds = [{**OURS, "wall_s": 12.0, "cpu_s": 11.0}, {**OURS, "peak_mib": 310.0}]
    assert best(rounds) == {"wall_s": 10.0, "cpu_s": 11.0, "peak_mib": 310.0, "rounds": 2}


def test_waits_are_told_by_their_percentiles() -> None:
    """Of a hundred waits, the one at 99 % is the last but none."""
    values = spread([number / 100 for number in range(100)])
    assert values["median_s"] == 0.495
    assert (values["p95_s"], values["p99_s"], values["most_s"]) == (0.95, 0.99, 0.99)


def test_what_ours_does_not_hold_is_told() -> None:
    """A perfect run breaks nothing; each lapse at the largest size is named, smaller ones not."""
    cocoindex = {**NAIVE, "cpu_s": 3.0}
    quiet = {"seen": 200_000, "cpu_s": 2.0, "above_idle_mib": 6.0}
    rows = [
        Row(ingest.COLD, 20, "ingestd", {**OURS, "wall_s": 39.0}),
        Row(ingest.COLD, 20, "naive loop", NAIVE),
        Row(ingest.COLD, 160, "ingestd", OURS),
        Row(ingest.COLD, 160, "naive loop", NAIVE),
        Row(ingest.NO_CHANGE, 160, "ingestd", {**OURS, "cpu_s": 0.5}),
        Row(ingest.NO_CHANGE, 160, "cocoindex", cocoindex),
        Row(save.SERIES, 160, "ingestd", WAITS),
        Row(backfill.SERIES, 10_000, "ingestd", WAITS),
        Row(rescan.RESCAN, 200_000, "ingestd", quiet),
    ]
    assert promises.broken(rows) == []
    for place, lapse, told in (
        (2, {"wall_s": 20.0}, "0.50 of naive loop in wall_s"),
        (2, {"least_cosine": 0.9}, "a cosine of 0.9"),
        (2, {"model_waits": 0.11}, "the model waits 11.0%"),
        (4, {"cpu_s": 0.6}, "0.6 s of CPU time"),
        (6, {"median_s": 0.3}, "in the median"),
        (6, {"p99_s": 1.1}, "at 99 %"),
        (7, {"most_s": 2.1}, "at most"),
        (8, {"cpu_s": 3.5}, "3.5 s of CPU time"),
    ):
        row = rows[place]
        worse = [*rows]
        worse[place] = Row(row.series, row.size, row.system, {**row.values, **lapse})
        (found,) = promises.broken(worse)
        assert told in found


def test_the_extra_has_to_be_quicker_than_what_is_installed_by_default() -> None:
    """0.35 of the naive loop will do for the default, and not with the extra."""
    rows = [
        Row(ingest.COLD, 160, "naive loop", {**NAIVE, "wall_s": 100.0}),
        Row(ingest.COLD, 160, systems.OURS, {**OURS, "wall_s": 35.0}),
        Row(ingest.COLD, 160, systems.WITH_OPENVINO.name, {**OURS, "wall_s": 35.0, "cpu_s": 10.0}),
        Row(ingest.COLD, 160, "ingestd model.engine=torch", {**OURS, "wall_s": 90.0}),
    ]
    (told,) = promises.broken(rows)
    assert told.startswith("cold ingest: ingestd[openvino]: 0.35 of naive loop in wall_s, not 0.3")


def test_what_a_text_costs_is_counted_with_its_attention() -> None:
    """A layer of width 2 and inner width 8: 2 (4 * 4 + 2 * 16) a token, 4 * 2 a pair of tokens."""
    config = {"hidden_size": 2, "intermediate_size": 8, "num_hidden_layers": 3}
    assert peak.flops([1], config) == 3 * (2 * 48 + 8)
    assert peak.flops([10, 10], config) == 2 * 3 * (20 * 48 + 800)


def test_of_a_large_store_texts_from_everywhere_are_compared() -> None:
    """At most so many, at an even distance; a small one is compared whole."""
    found = list(sampled((str(number), [1.0]) for number in range(1_001)))
    assert len(found) <= SAMPLE
    assert [row["text"] for row in found[:3]] == ["0", "6", "12"]
    assert len(list(sampled((str(number), [1.0]) for number in range(7)))) == 7


def test_how_long_the_model_waits_is_a_share_of_the_run() -> None:
    """Where the report tells it; an older one does not."""

    def values(**seconds: float) -> dict[str, Any]:
        report = {"chunks": {"embedded": 5}, "seconds": {"total": 20.0, **seconds}}
        usage = metered.Usage(21.0, 30.0, 300.0, 0, json.dumps(report), "")
        return ingest.used(systems.Run(5, usage))

    assert values(model_idle=1.0)["model_waits"] == 0.05
    assert "model_waits" not in values()


@pytest.mark.model
def test_stored_vectors_are_those_of_the_reference(tmp_path: Path) -> None:
    """What ours and the naive loop store is compared, text by text as it was embedded."""
    docs, folder = tmp_path / "docs", locate("").path
    docs.mkdir()
    (docs / "a.md").write_text("# Page\n\n## Part\n\nA sentence about boats.\n")
    ours, naive = systems.choose(["naive"])
    for system in (ours, naive):
        state = tmp_path / system.rival
        assert systems.index(system, docs, state, model=folder).exit_code == 0
        found = systems.fidelity(system, docs, state, folder)
        assert found["compared"] == 1
        assert found["least_cosine"] > 0.9999
        assert 1e8 < found["flops_a_text"] < 1e9


def test_a_chart_is_drawn_of_each_series_with_more_than_one_size(tmp_path: Path) -> None:
    """With a curve a system; a series of one size has nothing to show."""
    pytest.importorskip("matplotlib")
    rows = [Row(ingest.COLD, size, "naive loop", NAIVE) for size in (20, 600)]
    rows += [Row(ingest.COLD, size, "ingestd", OURS) for size in (20, 600)]
    rows += [Row(save.SERIES, 20, "ingestd", WAITS)]
    (file,) = comparison.charts(rows, tmp_path)
    assert file.name == "cold-ingest.svg"
    text = file.read_text(encoding="utf-8")
    assert "naive loop" in text
    assert "CPU time, s" in text


def test_questions_come_first_and_the_rest_is_from_everywhere(tmp_path: Path) -> None:
    """So that even a small sample can be asked; names that are not there are no matter."""
    for name in [f"{part}/{number}.md" for part in "abc" for number in range(10)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    picked = corpus.spread(tmp_path, 7, ["c/9.md", "z.md"])
    assert len(picked) == len(set(picked)) == 7
    assert "c/9.md" in picked
    assert {name[0] for name in picked} == {"a", "b", "c"}
    assert len(corpus.spread(tmp_path, 100, ["c/9.md"])) == 30
    assert corpus.spread(tmp_path, 1, ["c/9.md", "a/1.md"]) == ["c/9.md"]


def test_a_command_is_measured_with_all_its_processes(tmp_path: Path) -> None:
    """Half a second of work in a child and 64 MiB in a grandchild are seen."""
    inner = "import time; kept = bytearray(64 << 20); time.sleep(1.5)"
    work = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    outer = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])\n{work}"
    usage = metered.run(
        [sys.executable, "-c", f"{outer}\nprint(input())"],
        env={},
        cwd=tmp_path,
        limit_s=120,
        given="said\n",
    )
    assert (usage.exit_code, usage.output) == (0, "said\n")
    assert usage.cpu_s >= 0.5
    assert usage.wall_s >= 2.0
    assert usage.peak_mib > 64


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """And the caller hears of it."""
    with pytest.raises(subprocess.TimeoutExpired):
        metered.run(
            [sys.executable, "-c", "input()\nwhile True: pass"],
            env={},
            cwd=tmp_path,
            limit_s=0.5,
            given="\n",
        )


def test_a_series_is_named_by_its_beginning() -> None:
    """In the order of the table, whatever the order asked for."""
    assert bench.series_of("save to, cold") == [ingest.COLD, save.SERIES]
    assert bench.series_of(None) == list(bench.MEASURES)
    with pytest.raises(LookupError, match="no series is called 'warm'"):
        bench.series_of("warm")


def test_ours_can_be_compared_in_several_configurations() -> None:
    """Each has its settings in its environment; a rival that is not installed is told."""
    chosen, missing = bench.choose(["naive"], ["model.engine=torch,model.threads=1"])
    assert [system.name for system in chosen] == [
        "ingestd",
        "ingestd model.engine=torch, model.threads=1",
        "naive loop",
    ]
    assert missing == []
    found = systems.with_model(chosen[1], Path("/models/m"))
    assert found["INGESTD_MODEL__ENGINE"] == "torch"
    assert found["INGESTD_MODEL__THREADS"] == "1"
    assert found["INGESTD_MODEL__NAME"] == found["BENCHMARK_MODEL"] == "/models/m"


def test_a_rival_that_is_not_installed_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line says how to install it."""
    monkeypatch.setattr(bench.setup, "installed", lambda rival: rival != "cocoindex")
    chosen, missing = bench.choose(["naive", "cocoindex"], [])
    assert [system.rival for system in chosen] == ["ingestd", "naive"]
    assert missing == ["cocoindex is left out: run `python -m benchmarks.setup cocoindex`"]


@pytest.mark.slow
def test_the_bench_runs_for_ingestd_alone(tmp_path: Path) -> None:
    """Without a real model: every series of it, in miniature, with charts and JSON."""
    for number in range(4):
        file = tmp_path / "docs" / str(number % 2) / f"{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Page {number}\n\nA sentence.\n\nAnother one.\n\nThe end.\n")
    few = ("--sizes", "2,4", "--saves", 3, "--waiting", 50, "--rescans", 200, "--rivals", "")
    docs, out = tmp_path / "docs", tmp_path / "b.json"
    done = run("bench", "--quick", "--model", "hash", "--docs", docs, "--json", out, *few)
    assert done.returncode == 0, done.stdout + done.stderr
    for series in bench.MEASURES:
        assert (series in done.stdout) == (series != backfill.WITH_MODEL), series
    assert out.exists()

"""The benchmarks count right, and the comparison runs for ingestd alone."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from benchmarking import bench

from benchmarks import changes, corpus, edits, reconcile, start, systems, table
from benchmarks.compared import Difference, Row, compare, of_path, stale
from benchmarks.rivals.naive import window
from benchmarks.rivals.rows import row
from benchmarks.share import Change, Tally, groups, load, offline
from benchmarks.tree import grow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def rows(*names: str) -> list[Row]:
    """Rows called ``path:text``."""
    return [Row(*name.split(":"), rest="") for name in names]


def docs(folder: Path, files: Iterable[str]) -> Path:
    """A folder with these Markdown files."""
    for name in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# About {name}\n\nA sentence follows another, slowly.\n\nThe end.\n")
    return folder


def test_equal_stores_do_not_differ() -> None:
    """The order of rows says nothing."""
    assert compare(rows("a:1", "b:2"), rows("b:2", "a:1")) == Difference(0, 0, 0)


def test_extra_missing_and_duplicate_rows_are_told_apart() -> None:
    """What no fresh ingest has is extra; what one has fewer times is duplicate."""
    have = rows("a:1", "a:1", "a:1", "old:9")
    assert compare(have, rows("a:1", "b:2", "b:2")) == Difference(extra=1, missing=2, duplicate=2)


def test_a_row_with_another_vector_is_extra_and_missing() -> None:
    """Vector and metadata count, not only path and text."""
    have, fresh = row("a.md", "text", [0.5], {}), row("a.md", "text", [0.25], {})
    assert compare([Row(**have)], [Row(**fresh)]) == Difference(1, 1, 0)


def test_vectors_are_compared_to_five_decimals() -> None:
    """A difference in the seventh digit is none, nor is a minus before zero."""
    assert row("a", "t", [0.1, -0.0000001], {}) == row("a", "t", [0.1000001, 0.0], {})


def test_rows_of_a_directory_that_moved_are_stale() -> None:
    """A directory stands for what is below it, and not for what only begins like it."""
    have = rows("part/a.md:1", "part/deep/b.md:2", "partial/c.md:3", "part.md:4")
    assert stale(have, ["part"]) == 2
    assert stale(have, ["part.md", "partial/c.md"]) == 2
    assert of_path(have, "partial") == 1


def test_the_sample_holds_one_whole_directory_and_files_from_everywhere(tmp_path: Path) -> None:
    """The directory to move is complete; the rest is spread over the tree."""
    names = [f"{part}/{number}.md" for part in "abc" for number in range(20)]
    docs(tmp_path, [*names, *(f"b/group/{number}.md" for number in range(4))])
    picked = corpus.sample(tmp_path, 13)
    assert len(picked) == 13
    assert {name for name in picked if "group" in name} == {f"b/group/{n}.md" for n in range(4)}
    assert {name[0] for name in picked if "group" not in name} == {"a", "b", "c"}


def test_each_file_plays_one_part_where_there_are_enough(tmp_path: Path) -> None:
    """What is deleted was not edited before, and so on."""
    docs(tmp_path, [f"{n:02}.md" for n in range(17)] + [f"part/{n}.md" for n in range(5)])
    roles = corpus.assign(tmp_path)
    single = [roles.edited, roles.renamed, roles.copied, roles.disguised]
    assert len({*single, *roles.deleted}) == 4 + 10
    assert roles.moved == "part"
    assert not any(name.startswith("part/") for name in (*single, *roles.deleted))


def test_a_folder_without_directories_has_nothing_to_move(tmp_path: Path) -> None:
    """It says so, instead of measuring something else."""
    docs(tmp_path, ["a.md", "b.md"])
    with pytest.raises(ValueError, match="nothing to move"):
        corpus.assign(tmp_path)


def test_a_disguised_edit_keeps_size_and_time(tmp_path: Path) -> None:
    """Only the content tells, and ctime."""
    file = docs(tmp_path, ["a.md"]) / "a.md"
    before, text = file.stat(), file.read_text()
    word = changes.disguise(file)
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert word in file.read_text()
    assert word not in text


def test_a_branch_is_put_back_as_it_was(tmp_path: Path) -> None:
    """Every file has its former text, and only files that differed were replaced."""
    folder = docs(tmp_path / "docs", [f"{number}.md" for number in range(8)])
    kept = {file: file.read_text() for file in folder.iterdir()}
    changes.keep(folder, tmp_path / "kept")
    changes.switch_branch(folder)
    assert {file: file.read_text() for file in folder.iterdir()} != kept
    untouched = (folder / "2.md").stat().st_mtime_ns
    changes.put_back(folder, tmp_path / "kept")
    assert {file: file.read_text() for file in folder.iterdir()} == kept
    assert (folder / "2.md").stat().st_mtime_ns == untouched


def test_every_row_of_the_table_knows_what_ours_promises() -> None:
    """Values as a perfect run gives them hold; each single lapse is named."""
    perfect: dict[str, Any] = {
        **dict.fromkeys(("embedded", "stale", "extra", "missing", "duplicate", "again"), 0),
        **dict.fromkeys(("before", "after", "want"), 5),
        "detected": "yes",
        "killed": True,
    }
    results = dict.fromkeys(table.LINES, perfect)
    assert table.broken(results) == []
    for task, lapse in {
        "T4a": {"embedded": 3},
        "T5b": {"stale": 1},
        "T8": {"detected": "NO"},
        "T2-T8": {"duplicate": 1},
        "T9a": {"again": 65},
        "T9b": {"killed": False},
        "T13b": {"embedded": 1},
        "T15": {"after": 0},
    }.items():
        assert table.broken({**results, task: {**perfect, **lapse}}) == [table.LINES[task].label]


def test_a_task_that_was_not_done_shows_a_dash() -> None:
    """A table of some tasks only can be printed."""
    assert table.cell("T2", None) == "-"
    assert table.cell("T4a", {"embedded": 1, "of": 24}) == "1 of 24"


def test_the_share_of_no_chunks_is_zero() -> None:
    """A history without edits has no share to tell."""
    assert Tally().percent == 0.0
    assert Tally(new=1, total=8).percent == 12.5


def test_edits_are_grouped() -> None:
    """Release notes stand apart; an ordinary edit changes a long file by little."""
    long = "word " * 2_000
    assert groups("release-notes.md", long, long + "x") == ["all"]
    assert groups("a.md", long, long + "x") == ["all", "without release notes", "ordinary"]
    assert groups("a.md", long, long + "x" * 400) == ["all", "without release notes"]
    assert groups("a.md", "short", "shorter") == ["all", "without release notes"]


def test_new_chunks_are_counted_against_the_former_version_of_the_file() -> None:
    """Added files are no edits; a moved file is compared with itself."""
    sets = [
        [Change("add", "a", "1 2 3", ""), Change("add", "b", "9", "")],
        [Change("edit", "a", "1 2 4 5", "")],
        [Change("move", "c", None, "a"), Change("delete", "b", None, "")],
        [Change("edit", "c", "1 2 4", "")],
    ]
    values = offline(sets, str.split).values()
    assert values["all"] == {"new": 2, "total": 7, "percent": 28.57}


def test_change_sets_are_read_up_to_a_limit(tmp_path: Path) -> None:
    """The first set, which makes the starting files, is not counted."""
    file = tmp_path / "edits.jsonl.gz"
    lines = [{"changes": [{"op": "add", "path": str(n), "text": "x"}]} for n in range(5)]
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
    assert [change.path for (change,) in load(file, 2)] == ["0", "1", "2"]
    assert len(list(load(file))) == 5


def test_windows_overlap_and_cover_the_text() -> None:
    """The plain cut that others are compared with loses nothing."""
    assert window("abcdefghij", 4, 2) == ["abcd", "cdef", "efgh", "ghij"]
    assert window("", 4, 2) == [""]


def test_edits_hold_up_to_the_promised_share() -> None:
    """Told are: too many chunks, more work than new chunks, an end unlike a fresh ingest."""

    def values(percent: float, embedded: int = 9, extra: int = 0) -> dict[str, Any]:
        shares = {
            edits.DEFAULT: {"all": {"percent": percent}},
            edits.EMBEDDED: {"all": {"new": embedded}},
            edits.FRESH: {"all": {"new": 10}},
        }
        return {"shares": shares, "end": {"extra": extra, "missing": 0}}

    assert edits.holds(values(23.0), whole=True)
    assert not edits.holds(values(23.1), whole=True)
    assert edits.holds(values(23.1), whole=False)
    assert not edits.holds(values(20.0, embedded=11), whole=True)
    assert not edits.holds(values(20.0, extra=1), whole=True)


def test_a_reconcile_that_finds_a_change_is_no_measurement() -> None:
    """The quickest of the quiet runs is shown; a run that was not quiet is an error."""
    quiet = {"new": 0, "changed": 0, "moved": 0, "deleted": 0, "held": 0, "first": False}
    first = {**quiet, "first": True, "new": 9, "cpu_s": 0.1}
    runs = [first, {**quiet, "cpu_s": 2.0}, {**quiet, "cpu_s": 1.0}]
    assert reconcile.quiet(runs)["cpu_s"] == 1.0
    with pytest.raises(RuntimeError, match="found a change"):
        reconcile.quiet([*runs, {**quiet, "cpu_s": 1.0, "moved": 1}])


def test_the_reconcile_target_is_for_many_files_only() -> None:
    """Both CPU time and memory are bounded."""
    run = {"seen": 200_000, "cpu_s": 2.9, "above_idle_mib": 29.0}
    assert reconcile.holds(run)
    assert not reconcile.holds({**run, "cpu_s": 3.1})
    assert not reconcile.holds({**run, "above_idle_mib": 31.0})
    assert reconcile.holds({**run, "seen": 10_000, "cpu_s": 3.1})


def test_a_tree_has_the_files_that_were_asked_for(tmp_path: Path) -> None:
    """Also where they do not fill the last directory; the directories are counted."""
    directories = grow(tmp_path, 250)
    assert len(list(tmp_path.rglob("*.md"))) == 250
    assert sum(path.is_dir() for path in tmp_path.rglob("*")) == directories == 4


def test_an_unknown_rival_is_named() -> None:
    """A slip of the pen is not taken for a rival that is not installed."""
    with pytest.raises(LookupError, match="langhcain"):
        systems.choose(["langhcain"])
    assert [system.name for system in systems.choose([])] == [systems.OURS]


@pytest.mark.slow
def test_the_comparison_runs_for_ingestd_alone(tmp_path: Path) -> None:
    """Three small files: a first ingest, an edit and a kill, each as promised."""
    docs(tmp_path / "docs", ["a.md", "b.md", "part/c.md"])
    out = tmp_path / "out.json"
    few = ("--rivals", "", "--tasks", "T1,T4a,T9a")
    done = bench("least_work", tmp_path / "docs", *few, "--json", out)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["results"][systems.OURS]
    assert found["T1"] == {"embedded": 3, "vectors": 3}
    assert found["T4a"]["embedded"] == 1
    assert found["T9a"]["killed"]
    assert "T9 kill -9 at 30 %" in done.stdout


@pytest.mark.slow
def test_a_history_is_replayed_under_the_daemon(tmp_path: Path) -> None:
    """An edit, a move of a file and a deletion: counted, and as a fresh ingest in the end."""
    history = [
        [("add", "a.md", "# A\n\nOne sentence.\n"), ("add", "b.md", "# B\n\nAnother one.\n")],
        [("edit", "a.md", "# A\n\nOne sentence, changed.\n")],
        [("edit", "a.md", "# A\n\nOne sentence.\n"), ("delete", "b.md", None)],
    ]
    file, out = tmp_path / "edits.jsonl.gz", tmp_path / "out.json"
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        for changes_made in history:
            values = [{"op": op, "path": path, "text": text} for op, path, text in changes_made]
            lines.write(json.dumps({"changes": values}) + "\n")
    done = bench("edits", file, "--json", out)
    found = json.loads(out.read_text())
    assert found["end"] == {"extra": 0, "missing": 0, "duplicate": 0}, done.stderr
    assert found["shares"][edits.FRESH]["all"] == {"new": 2, "total": 2, "percent": 100.0}
    assert found["shares"][edits.EMBEDDED]["all"]["new"] == 1, "the former text was known"
    assert found["changes"] == {"edit": 2, "delete": 1}


@pytest.mark.slow
def test_starts_are_measured_with_known_files(tmp_path: Path) -> None:
    """The daemon and each command, as often as wanted; nothing is left."""
    out = tmp_path / "out.json"
    done = bench("start", "--files", 40, "--rounds", 1, "--work", tmp_path, "--json", out)
    found = json.loads(out.read_text())
    assert set(found["seconds"]) == {start.WATCHING, *(" ".join(verb) for verb in start.VERBS)}
    assert all(0 < seconds < 60 for times in found["seconds"].values() for seconds in times)
    assert done.returncode == (1 if found["slow"] else 0), done.stderr
    assert list(tmp_path.iterdir()) == [out]


def test_a_slow_start_is_told() -> None:
    """The daemon may take longer than a command."""
    seconds = {start.WATCHING: [1.9, 9.0, 0.1], "status": [0.6, 0.6, 0.1], "version": [0.4]}
    assert start.slow({"seconds": seconds}) == ["status: 0.60 s"]
    assert start.slow({"seconds": {start.WATCHING: [2.1]}}) == ["watching: 2.10 s"]

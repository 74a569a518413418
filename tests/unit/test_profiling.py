"""The shared parts of the harnesses in profiling/."""

from __future__ import annotations

import argparse
import importlib
import json
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PROFILING = ROOT / "profiling"
SCRIPTS = sorted(file.stem for file in PROFILING.glob("[a-z]*.py") if file.stem != "measure")


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the scripts is first on the path, as it is when one of them runs."""
    monkeypatch.syspath_prepend(str(PROFILING))


@pytest.fixture
def measure(_on_path: None) -> ModuleType:
    """The module that all harnesses share."""
    return importlib.import_module("measure")


def series(likeness: float, count: int, chance: np.random.Generator) -> list[float]:
    """A flat series whose neighbours are alike."""
    noise = chance.normal(size=count + 100)
    values = np.zeros(count + 100)
    for at in range(1, count + 100):
        values[at] = likeness * values[at - 1] + noise[at]
    return [float(value) for value in values[100:]]


def test_a_slope_is_found_and_its_unit_can_be_changed(measure: ModuleType) -> None:
    """A straight line has its own slope, without width."""
    found = measure.slope(range(100), [3.0 * x + 7 for x in range(100)]).times(1_000)
    assert found.value == pytest.approx(3_000)
    assert found.low == pytest.approx(3_000)
    assert found.high == pytest.approx(3_000)


def test_the_warm_up_is_cut_off(measure: ModuleType) -> None:
    """A climb in the first quarter does not count, and does where nothing is cut off."""
    ys = [*range(25), *[25] * 75]
    assert measure.slope(range(100), ys).value == 0
    assert measure.slope(range(100), ys, warm_up=0).value > 0.1


def test_too_few_samples_say_nothing(measure: ModuleType) -> None:
    """Fewer than eight samples after the warm-up are refused."""
    with pytest.raises(ValueError, match="needs 8"):
        measure.slope(range(9), range(9))


def test_a_flat_series_of_alike_neighbours_is_seen_as_flat(measure: ModuleType) -> None:
    """At an autocorrelation of 0.9 the interval holds zero in nine of ten series."""
    chance = np.random.default_rng(1)
    found = [measure.slope(range(200), series(0.9, 200, chance), warm_up=0) for _ in range(200)]
    assert sum(one.low < 0 < one.high for one in found) > 170


def test_a_climb_among_alike_neighbours_is_seen(measure: ModuleType) -> None:
    """A climb that is larger than the noise is told from a flat series."""
    chance = np.random.default_rng(1)
    ys = [y + 0.5 * x for x, y in enumerate(series(0.9, 200, chance))]
    assert measure.slope(range(200), ys, warm_up=0).low > 0.3


def test_a_look_at_this_process_sees_what_it_takes(measure: ModuleType) -> None:
    """Memory, threads and descriptors of a process rise with what it takes."""
    before = measure.look()
    taken = mmap.mmap(-1, 30 * 1024**2)  # an allocator may have had some of it before
    taken.write(os.urandom(1) * len(taken))
    with Path(os.devnull).open(encoding="utf-8"):
        after = measure.look()
    assert after.rss - before.rss > 25 * 1024**2
    assert after.peak >= after.rss
    assert after.descriptors == before.descriptors + 1
    taken.close()


def test_children_are_found_down_to_the_last(measure: ModuleType) -> None:
    """The children of children are found, too."""
    code = (
        "import subprocess,sys;"
        "p=subprocess.Popen([sys.executable,'-c','input()'],stdin=subprocess.PIPE);"
        "print(p.pid,flush=True);input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= set(measure.children(os.getpid()))
        child.communicate("\n")


def test_a_sampler_keeps_a_bounded_number_of_samples(measure: ModuleType) -> None:
    """However long it runs, it keeps the samples thin, and the first and latest among them."""
    done = 0.0
    sampler = measure.Sampler(
        lambda: {"me": os.getpid(), "gone": 2**22 + 1}, every_s=0.001, progress=lambda: done
    )
    for number in range(5_000):
        done = float(number)
        sampler.take()
    xs, ys = sampler.series("me")
    assert 1_000 <= len(xs) <= 2_000
    assert xs[0] == 0
    assert xs[-1] == 4_999
    assert min(ys) > 0
    assert sampler.series("gone") == ([], [])


def test_a_sampler_samples_by_itself(measure: ModuleType) -> None:
    """Within its block samples come at the interval; after it, none do."""
    end = time.monotonic() + 20
    with measure.Sampler(lambda: {"me": os.getpid()}, every_s=0.01) as sampler:
        while len(sampler.samples) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    count = len(sampler.samples)
    assert count >= 3
    assert len(sampler.samples) == count


def test_a_result_has_its_header_and_its_figures(
    measure: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file names machine, commit, versions, date and command, beside the figures."""
    given = measure.parser("Does it.\n\nMore.").parse_args(
        ["--quick", "--name", "one", "--results", str(tmp_path)]
    )
    file = measure.write(given, {"samples": [1, 2.5], "rows": [{"a": [1]}]})
    values = json.loads(file.read_text(encoding="utf-8"))
    assert file.name == "one-quick.json"
    assert {"machine", "commit", "versions", "date", "command", "seed"} <= set(values["about"])
    assert values["samples"] == [1, 2.5]
    assert values["rows"] == [{"a": [1]}]
    assert "[1, 2.5]" in file.read_text(encoding="utf-8")
    assert "written:" in capsys.readouterr().out


def test_a_table_is_markdown_in_line(measure: ModuleType) -> None:
    """Cells are padded, numbers stand to the right."""
    assert measure.table(["what", "MiB"], [["a", 1], ["longer", 22.5]]).splitlines() == [
        "| what   |  MiB |",
        "| :----- | ---: |",
        "| a      |    1 |",
        "| longer | 22.5 |",
    ]


def test_a_chart_is_a_small_picture_without_a_ground(measure: ModuleType, tmp_path: Path) -> None:
    """It can be read on light and dark: no white ground, text as text, the same each time."""
    pytest.importorskip("matplotlib")
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        line = measure.Line("curve", list(range(5_000)), list(range(5_000)))
        assert measure.chart(file, [measure.Panel([line], "x", "y")], title="Title")
    text = files[0].read_text(encoding="utf-8")
    assert text == files[1].read_text(encoding="utf-8")
    assert "#ffffff" not in text
    assert ">curve</text>" in text
    assert len(text) < 60_000


def test_the_documents_are_the_same_for_each_seed() -> None:
    """Two harnesses, or two runs, see the same documents and the same edits."""
    documents = importlib.import_module("_documents")
    number = 2 * len(documents.texts())
    first, again = (list(documents.visits(number, seed=1)) for _ in range(2))
    other = list(documents.visits(number, seed=2))
    assert first == again
    assert first[: number // 2] == other[: number // 2]
    assert first[number // 2 :] != other[number // 2 :]


def test_sections_come_again_when_they_shall(tmp_path: Path) -> None:
    """A file has its size, and no more distinct sections than asked for."""
    documents = importlib.import_module("_documents")
    file = tmp_path / "one.md"
    assert documents.write_sections(file, 100_000, seed=1, distinct=10) == 100_000
    assert file.stat().st_size == 100_000
    sections = file.read_text(encoding="utf-8").split("## Section")
    assert len(set(sections[1:-1])) == 10


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_harness_explains_itself(name: str) -> None:
    """``--help`` works for each script, started as a person starts it."""
    done = subprocess.run(
        [sys.executable, str(PROFILING / f"{name}.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'state'}"},
    )
    assert "usage:" in done.stdout


def blocks() -> list[str]:
    """The blocks of figures of the page."""
    sys.path.insert(0, str(PROFILING))
    try:
        tables = importlib.import_module("tables")
    finally:
        sys.path.remove(str(PROFILING))
    return [found[1] for found in tables.BLOCK.finditer(tables.PAGE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", blocks())
def test_the_page_shows_the_published_figures(name: str) -> None:
    """Each block of docs/memory.md is what its result in docs/memory gives."""
    tables: Any = importlib.import_module("tables")
    page = tables.PAGE.read_text(encoding="utf-8")
    (text,) = (found[2] for found in tables.BLOCK.finditer(page) if found[1] == name)
    assert text == tables.render(name), "run: python profiling/tables.py"


def test_every_block_is_on_the_page_once() -> None:
    """No result is made that nobody sees."""
    tables: Any = importlib.import_module("tables")
    assert sorted(blocks()) == sorted(tables.BLOCKS)


def test_publishing_copies_a_result_and_its_own_charts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chart of a quick run, or of another result, is left where it is."""
    tables: Any = importlib.import_module("tables")
    monkeypatch.setattr(tables, "PUBLISHED", tmp_path / "docs")
    for name in ("a.json", "a.svg", "a-size.svg", "a-quick.svg", "ab.svg"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    made = tables.publish(["a"], tmp_path)
    assert sorted(file.name for file in made) == ["a-size.svg", "a.json", "a.svg"]
    with pytest.raises(SystemExit, match=r"no .*b\.json"):
        tables.publish(["b"], tmp_path)


def test_a_trace_is_made_only_when_asked_for(measure: ModuleType, tmp_path: Path) -> None:
    """Without ``--memray`` nothing is traced; with it, what is done within."""
    memray = pytest.importorskip("memray")
    with measure.traced(argparse.Namespace(memray=None)):
        pass
    file = tmp_path / "trace.bin"
    with measure.traced(argparse.Namespace(memray=file, native=False, each=True)):
        kept = bytearray(5 * 1024**2)
    with memray.FileReader(file) as reader:
        (largest, *_) = sorted(reader.get_leaked_allocation_records(), key=lambda one: -one.size)
    assert largest.size > len(kept)

"""Generated documents and edits are the same from the same seed, everywhere."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest
from benchmarking import bench

from benchmarks.documents import Corpus, lengths
from benchmarks.edit_plan import WEIGHTS, Edit, Editor, plan, sample
from benchmarks.generate import edit, write_files, write_records
from benchmarks.particles import fit
from benchmarks.phrases import FILLED_LATER, phrases
from benchmarks.tree import FILES_A_VOLUME, directory
from ingestd.embed.language import language

ROOT = Path(__file__).resolve().parents[2]
CORPUS = "ce3ed39df5d32e22ddbe1f81d2009fc958d8cd72165d3a0683c9e1897d6132e9"
"""Digest of sixty documents and thirty edits: changes only when the generator is meant to change,
and with it every corpus that was ever measured."""


def digest(folder: Path) -> str:
    """One digest of names and contents."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*.md")):
        found.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    """The content of each file, by path."""
    files = folder.rglob("*.md")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_the_same_seed_gives_the_same_bytes_everywhere(tmp_path: Path) -> None:
    """The digest is fixed here; it holds on every machine and in every version of Python."""
    write_files(tmp_path, Corpus(11), 60)
    assert len(list(edit(tmp_path, 30, 11))) == 30
    assert digest(tmp_path) == CORPUS


def test_processes_change_nothing_and_another_seed_changes_everything(tmp_path: Path) -> None:
    """What two processes write is what one writes."""
    for name, seed, jobs in (("one", 1, 1), ("two", 1, 2), ("other", 2, 1)):
        write_files(tmp_path / name, Corpus(seed), 1_100, jobs=jobs)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    one, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    assert not set(one.values()) & set(other.values())


def test_documents_have_everything_that_real_ones_have() -> None:
    """Front matter, headings, lists, tables, code and links, in both languages."""
    documents = list(Corpus(5).documents(200))
    assert {each.language for each in documents} == {"en", "ko"}
    for name in ("en", "ko"):
        text = "\n".join(each.text for each in documents if each.language == name)
        for mark in ("---\ntitle: ", "\n# ", "\n## ", "\n- ", "| --- |", "```python\n", "](https"):
            assert mark in text, (name, mark)
        assert "{" not in text.replace("{\n", "").replace('{"', "").replace("items = ", "")
        assert "[은/는]" not in text
    assert len({each.text for each in documents}) == 200


def test_korean_documents_are_korean_and_english_ones_english() -> None:
    """Told by the daemon's own eye for languages."""
    for each in Corpus(9).documents(40):
        assert language(each.text) == each.language


@pytest.mark.parametrize("name", ["en", "ko"])
def test_every_lead_can_be_filled(name: str) -> None:
    """A per cent sign in a part is no format."""
    values = dict.fromkeys(FILLED_LATER, "X")
    for topic in phrases(name).topics:
        for lead in topic.leads:
            assert "X" in lead % values
            assert "%%" not in lead % values


def test_an_unknown_language_is_named() -> None:
    """And those that there are."""
    with pytest.raises(LookupError, match=r"'fr'.*en.*ko"):
        phrases("fr")


def test_particles_fit_the_word_before_them() -> None:
    """Vowel, consonant, the consonant that ``로`` follows, digits, and marks between."""
    assert fit("서울[은/는] 부산[은/는] 제주[은/는]") == "서울은 부산은 제주는"
    assert fit("서울[으로/로] 부산[으로/로] 제주[으로/로]") == "서울로 부산으로 제주로"
    assert fit("58 %[은/는] (회의)[이/가] 12[과/와]") == "58 %는 (회의)가 12와"


def test_most_documents_are_short_and_few_are_long() -> None:
    """A log-normal distribution: the median as asked for, the longest twenty times as long."""
    quantiles = lengths(12)
    assert quantiles[len(quantiles) // 2] == 12
    assert quantiles == sorted(quantiles)
    assert quantiles[-1] > 200


def test_no_directory_holds_more_than_a_hundred_entries() -> None:
    """Whatever the number of files: up to fifty parts, then volumes of fifty parts."""
    assert directory(0) == "part000/chapter00000"
    assert directory(99) == directory(0) != directory(100)
    assert directory(FILES_A_VOLUME - 1) == "part049/chapter02499"
    assert directory(FILES_A_VOLUME) == "volume01/part050/chapter02500"


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    """Eight times as many records take no more memory."""
    peaks = []
    for count in (1_000, 8_000):
        tracemalloc.start()
        write_records(tmp_path / "records.jsonl", Corpus(1, blocks=1), count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_records_are_json_lines_in_order(tmp_path: Path) -> None:
    """Each with its number, title, language and text."""
    file = tmp_path / "records.jsonl"
    written = write_records(file, Corpus(3), 1_050, jobs=2)
    assert file.stat().st_size == written
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == list(range(1_050))
    assert all(f"# {line['title']}\n" in line["text"] for line in lines)
    assert lines[1]["language"] == "ko"


def test_a_plan_tells_how_each_edit_leaves_things(tmp_path: Path) -> None:
    """After hundreds of edits of all kinds, the folder is what the edits said."""
    write_files(tmp_path, Corpus(4), 120)
    expected: dict[str, bytes | None] = dict(contents(tmp_path))
    editor, kinds = Editor(tmp_path, 4), set()
    for each in plan(sample(tmp_path, 400, 4), 400, 4):
        expected |= editor.make(each)
        kinds.add(each.kind)
    assert kinds == set(WEIGHTS)
    found = contents(tmp_path)
    assert found == {path: data for path, data in expected.items() if data is not None}
    for data in found.values():
        data.decode("utf-8")


def test_a_deleted_file_comes_back_where_its_directory_has_gone(tmp_path: Path) -> None:
    """With its former content."""
    file = tmp_path / "part" / "a.md"
    file.parent.mkdir()
    file.write_text("# A\n\nText.\n")
    editor = Editor(tmp_path, 0)
    assert editor.make(Edit(0, "delete", "part/a.md")) == {"part/a.md": None}
    editor.make(Edit(1, "move directory", "part", "other"))
    back = editor.make(Edit(2, "restore", "other/a.md"))
    assert back == {"other/a.md": b"# A\n\nText.\n"}


def test_the_files_to_edit_are_bounded_and_from_everywhere(tmp_path: Path) -> None:
    """A sample of a large folder holds no more than the plan needs."""
    write_files(tmp_path, Corpus(1, blocks=1), 900)
    picked = sample(tmp_path, 10, 1)
    assert len(picked) == 200
    assert len({path.rpartition("/")[0] for path in picked}) == 9
    assert picked == sample(tmp_path, 10, 1)


def test_the_command_writes_and_edits(tmp_path: Path) -> None:
    """As a person calls it: told is what was written, and how fast."""
    command = ("generate", tmp_path / "docs", "--seed", 6)
    for more in (["--documents", 30, "--languages", "ko"], ["--edits", 12]):
        done = bench(*command, *more)
        assert "MB/s" in done.stderr or "12 edits" in done.stderr
    assert len(done.stdout.splitlines()) == 12
    file = tmp_path / "results" / "generate.json"
    assert bench(*command, "--edits", 3, "--json", file).returncode == 0
    assert json.loads(file.read_text())["told"].startswith("3 edits")
    assert any("/보고서-" in name for name in contents(tmp_path / "docs"))

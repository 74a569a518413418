"""Files that other programs wrote are read whole, and the benchmark of formats counts right."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from benchmarking import ROOT, bench
from rich.console import Console

from benchmarks import edits_as, figures
from benchmarks.formats import items, measure, report, tree
from benchmarks.formats.words import Score, unmarked, words
from ingestd.embed.chunk import Chunker
from ingestd.embed.model import locate
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch
from ingestd.embed.tokenize import open_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = ROOT / "tests" / "corpus" / "office"
ITEMS = items.load(SAMPLES)
LEAST = 0.98


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    """Reads as the child does."""
    return Cutter(Chunker(open_tokenizer(locate("hash"))))


def read(cutter: Cutter, file: Path) -> str:
    """The text of the chunks of a file."""
    fd = os.open(file, os.O_RDONLY)
    try:
        parts = list(cutter.cut(fd, os.fsencode(file.name), file.stat().st_size))
    finally:
        os.close(fd)
    chunks = (chunk for part in parts if isinstance(part, Batch) for chunk in part.chunks)
    return "\n".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.files[0])
def test_what_pandoc_and_libreoffice_wrote_is_read_whole(item: items.Item, cutter: Cutter) -> None:
    """Nearly every word of the page is found, and nearly nothing else."""
    score = Score()
    truth = words((SAMPLES / item.truth).read_text(encoding="utf-8"))
    score.add(truth, words(read(cutter, SAMPLES / item.files[0])))
    # A PDF does not tell whether a Korean word goes on in the next line.
    assert score.recall >= (0.85 if item.format == "pdf" else LEAST)
    assert score.precision >= (0.75 if item.format == "pdf" else 0.9)


def test_blanks_that_a_pdf_does_not_show_are_left_out(cutter: Cutter) -> None:
    """LibreOffice writes blanks of no width; the sentences end as the page shows them."""
    text = read(cutter, SAMPLES / "debugging-ko-libreoffice.pdf")
    assert "다음과 같이 표시됩니다." in text
    assert "니다 ." not in text


def test_korean_behind_a_latin_word_is_not_parted_from_it(cutter: Cutter) -> None:
    """A word processor moves it a little, which is no blank; a blank that is written stays."""
    text = read(cutter, SAMPLES / "debugging-ko-libreoffice.pdf")
    assert "PyCharm을 사용" in text
    assert "Python에 의해" in text
    assert "Python 프로그램" in text


def test_every_office_format_has_a_sample() -> None:
    """No reader of documents goes without a file that another program wrote."""
    kinds = {"docx", "odt", "rtf", "pdf", "epub", "pptx", "odp", "xlsx", "xls", "ods"}
    assert kinds <= {item.format for item in ITEMS}


def test_words_are_counted_in_any_form_and_case() -> None:
    """Full-width letters, soft hyphens and case make no other word; spacing does."""
    assert words("\uff30age, pa\u00adge; PAGE") == {"page": 3}
    assert not words("문서 를") & words("문서를")


def test_recall_and_precision_count_each_occurrence() -> None:
    """A word that stands there twice has to be found twice, and one too many counts as such."""
    score = Score()
    score.add(words("a a b c"), words("a b b d"))
    assert (score.recall, score.precision) == (0.5, 0.5)


def test_signs_of_markdown_part_no_words() -> None:
    """Emphasis, code and links within a Korean word, and no names with underscores."""
    text = unmarked("**문서**를, `run`은, [FastAPI](https://a.example/b)의 _첫_ snake_case")
    assert words(text) == words("문서를 run은 FastAPI의 첫 snake_case")


def test_the_truth_is_what_a_reader_sees() -> None:
    """Code counts, emphasis parts no word but where it is asked for, a picture has no words."""
    blocks: list[Any] = [
        {
            "t": "Para",
            "c": [
                {"t": "Strong", "c": [{"t": "Str", "c": "문서"}]},
                {"t": "Str", "c": "를"},
                {"t": "Space"},
                {"t": "Image", "c": [["", [], []], [{"t": "Str", "c": "alt"}], ["a.png", ""]]},
                {"t": "Code", "c": [["", [], []], "run()"]},
            ],
        },
        {"t": "CodeBlock", "c": [["", [], []], "x = 1"]},
    ]
    kept = tree.without_pictures(blocks)
    assert tree.text(kept).split() == ["문서를", "run()", "x", "=", "1"]
    assert tree.text(kept, mark=" ").split()[:2] == ["문서", "를"]


def row(system: str, **values: Any) -> dict[str, Any]:
    """A row of the benchmark."""
    found = measure.Row("pdf", "LibreOffice", system, documents=2, bytes=3_000_000, pages=10)
    return {**found.values(), **values}


def test_the_table_tells_a_format_once() -> None:
    """Speed is that of the processor's time; who read nothing has no figures."""
    first, second = report.lines(
        [
            row("ingestd", recalls={"en": 0.9912}, precision=0.98, cpu_s=2.0, peak_mib=31.4),
            row("docling", failed=2),
        ]
    )
    assert first[:5] == ["pdf", "LibreOffice", "2", "3.00", "ingestd"]
    assert first[5:] == ["0.991", "", "0.980", "1.50", "5", "31", "-"]
    assert second == ["", "", "", "", "docling", *["-"] * 6, "2"]


@pytest.mark.slow
def test_the_benchmark_reads_the_samples_in_the_sandbox(tmp_path: Path) -> None:
    """Through the real child; the result can be published."""
    result = tmp_path / "formats.json"
    done = bench("formats", "--quick", "--rivals", "--format", "odt", "--json", result)
    assert done.returncode == 0, done.stderr
    values = json.loads(result.read_text(encoding="utf-8"))
    assert {one["maker"] for one in values["formats"]} == {"pandoc", "LibreOffice"}
    assert all(one["recall"] >= LEAST and one["peak_mib"] > 5 for one in values["formats"])
    assert "| odt | pandoc | 1 |" in figures.formats(values)


def test_edits_are_counted_in_the_format_that_they_were_converted_to(tmp_path: Path) -> None:
    """What lies in the folder is not converted again; other content is all new."""
    texts = {"one": "en", "two": "ko"}
    folder = tmp_path / "work" / "docx"
    folder.mkdir(parents=True)
    for text, language in texts.items():
        sample = next(
            SAMPLES / item.files[0]
            for item in ITEMS
            if (item.format, item.language) == ("odt", language)
        )
        name = hashlib.sha256(text.encode()).hexdigest()
        shutil.copyfile(sample, folder / f"{name}.docx")
    history = tmp_path / "edits.jsonl.gz"
    with gzip.open(history, "wt", encoding="utf-8") as out:
        for op, text in (("add", "one"), ("edit", "two"), ("edit", "two")):  # once for nothing
            changes = [{"op": op, "path": "a.md", "text": text}]
            out.write(json.dumps({"changes": changes}) + "\n")
    found = edits_as.shares(history, ["docx"], tmp_path / "work", None)
    counted = found["as DOCX"]["all"]
    assert counted["new"] == counted["total"] / 2 > 0
    console = Console(file=io.StringIO(), width=150)
    edits_as.report(found, console)
    assert "| as DOCX |" in figures.edits_as({"shares": found})

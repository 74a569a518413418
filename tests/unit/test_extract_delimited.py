"""CSV and its like to blocks."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import extract
from ingestd.embed.extract.delimited import rows
from ingestd.embed.tokenize import WordTokenizer


def test_rows_stand_under_the_names_of_the_columns() -> None:
    """Each row is a block; the first row names the columns for all of them."""
    found = extract(
        "이름,부서,전화\n김철수,개발,02-1\n이영희,인사,02-2\n".encode("cp949"), b"a.csv"
    )
    assert [(b.heading, b.headings) for b in found.blocks] == [
        (1, ("이름 | 부서 | 전화",)),
        (0, ("이름 | 부서 | 전화",)),
        (0, ("이름 | 부서 | 전화",)),
    ]
    assert found.mime == "text/csv"


def test_every_chunk_repeats_the_names_of_the_columns() -> None:
    """A chunk from the middle of a table is embedded with them, and its text is the file's."""
    table = "id,name,city\n" + "".join(f"{i},name {i},city {i}\n" for i in range(500))
    found = extract(table.encode(), b"a.csv")
    chunks = list(Chunker(WordTokenizer(128)).chunks(found))
    assert len(chunks) > 20
    assert chunks[0].text.startswith("id,name,city\n0,name 0")
    assert all(c.prefix == "id | name | city" for c in chunks[1:])
    assert all(table[c.start : c.end] == c.text for c in chunks)
    assert all(c.text.startswith(tuple("0123456789i")) for c in chunks)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    """Whatever parts the columns most evenly."""
    lines = [["date", "text, with; signs", "sum"], ["2024-01-01", "a, b", "1"], ["x", "c", "2"]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(lines)
    found = extract(out.getvalue().encode(), b"a.tsv")
    assert found.blocks[0].headings == ("date | text, with; signs | sum",)


def test_quoted_newlines_stay_in_their_row() -> None:
    """A cell may have lines of its own."""
    found = extract(b'id,text\n1,"two\nlines, ""quoted"""\n2,x\n', b"a.csv")
    assert [found.text[b.start : b.end] for b in found.blocks[1:]] == [
        '1,"two\nlines, ""quoted"""\n',
        "2,x\n",
    ]


def test_a_mark_that_nothing_closes_does_not_take_the_table() -> None:
    """An inch is an inch: behind 64 KiB without a second mark, rows are lines again."""
    table = 'size,name\n5",pipe\n' + "1,a\n" * 50_000
    assert len(extract(table.encode(), b"a.csv").blocks) == 50_002


@pytest.mark.parametrize(
    "table",
    ["1,2,3\n4,5,6\n", "a,a,b\n1,2,3\n", "one column\nof words\n", "alone,row\n", ",,\n1,2,3\n"],
)
def test_tables_without_names(table: str) -> None:
    """Numbers, names given twice, a single row or column: nothing is made a heading."""
    assert all(b.headings == () for b in extract(table.encode(), b"a.csv").blocks)


def test_a_line_above_the_names_is_the_title() -> None:
    """Offices put the name of a table into its first cell."""
    found = extract("2024년 시설 현황,,\n시설,주소,면적\nA관,서울,100\n".encode(), b"a.csv")
    assert found.title == "2024년 시설 현황"
    assert found.blocks[-1].headings == ("시설 | 주소 | 면적",)


@given(st.text(alphabet='a",\n ', max_size=300))
def test_rows_are_the_text(text: str) -> None:
    """Whatever the text: rows follow one another and leave nothing out."""
    place = 0
    for start, end in rows(text):
        assert start == place
        place = end
    assert place == len(text)

"""Documents of Hangul, old and new: what is taken of them, and why some are not read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hangulfiles import DISTRIBUTION, PASSWORD, grid, hwp, hwpx, line, paragraph, record, table
from officefiles import blocks, packed, sections, text_of

from ingestd.embed.extract.bounds import Bounds
from ingestd.embed.extract.skip import EncryptedError, MissingExtraError, UnsupportedError
from ingestd.errors import ExtractionError
from ingestd.ports import Table

if TYPE_CHECKING:
    from collections.abc import Callable

NOTE = "<hp:ctrl><hp:footNote><hp:subList>{}</hp:subList></hp:footNote></hp:ctrl>"


def test_an_outline_gives_the_headings_of_hwpx() -> None:
    """Also across sections; the title is that of the package."""
    found = sections(
        hwpx(
            paragraph("첫째 장", 1) + paragraph("본문입니다.") + paragraph("둘째 절", 2),
            paragraph("다음 구역의 글.") + paragraph("끝 장", 1) + paragraph("하나", 3),
            title="업무 편람",
        ),
        "a.hwpx",
    )
    assert found[0].title == "업무 편람"
    assert blocks(found) == [
        ("첫째 장", 1, ("첫째 장",), None),
        ("본문입니다.", 0, ("첫째 장",), None),
        ("둘째 절", 2, ("첫째 장", "둘째 절"), None),
        ("다음 구역의 글.", 0, ("첫째 장", "둘째 절"), None),
        ("끝 장", 1, ("끝 장",), None),
        ("- 하나", 0, ("끝 장",), None),
    ]


def test_sections_of_hwpx_are_in_the_order_of_their_numbers() -> None:
    """The eleventh comes behind the third."""
    found = text_of(sections(hwpx(*(paragraph(f"구역 {n}") for n in range(12))), "a.hwpx"))
    assert found.split("\n\n") == [f"구역 {n}" for n in range(12)]


def test_signs_notes_and_deletions_of_hwpx() -> None:
    """Tabulators and new lines are text, notes follow, what was deleted is left out."""
    body = (
        f"<hp:t>가<hp:tab/>나<hp:lineBreak/>다<hp:nbSpace/>라</hp:t>{NOTE.format(paragraph('주석'))}"
        "<hp:t>마<hp:deleteBegin/>지운 글<hp:deleteEnd/>바</hp:t>"
        "<hp:ctrl><hp:header><hp:subList>"
        f"{paragraph('머리말')}</hp:subList></hp:header></hp:ctrl>"
        f"<hp:equation><hp:script>a over b</hp:script></hp:equation>"
    )
    found = text_of(sections(hwpx(paragraph(body)), "a.hwpx"))
    assert found == "가\t나\n다 라[1]마바a over b\n[1] 주석"


def test_tables_of_hwpx_keep_their_columns() -> None:
    """Text before a table stands before it, its caption behind it; covered cells are empty."""
    inner = table([[(0, "안쪽"), (1, "표")]])
    rows = [[(0, "이름"), (1, "값"), (2, "비고")], [(1, "둘"), (2, "셋")], [(0, inner)]]
    body = paragraph(f"<hp:t>앞 글</hp:t>{table(rows, '표 1. 값')}<hp:t>뒷글</hp:t>")
    found = text_of(sections(hwpx(body), "a.hwpx"))
    assert found.split("\n\n") == [
        "앞 글",
        "이름 | 값 | 비고\n | 둘 | 셋\n안쪽 | 표",
        "표 1. 값",
        "뒷글",
    ]


def test_a_large_table_of_hwpx_repeats_its_header() -> None:
    """It is given row by row, also with thousands of rows."""
    rows = [[(0, "번호"), (1, "이름")]] + [[(0, str(n)), (1, f"이름 {n}")] for n in range(5_000)]
    found = sections(hwpx(paragraph(table(rows))), "a.hwpx")
    assert all(isinstance(one, Table) and one.header == "번호 | 이름" for one in found)
    assert [row for one in found for row in one.rows] == [f"{n} | 이름 {n}" for n in range(5_000)]


def test_boxes_and_frames_of_hwpx_are_text() -> None:
    """The text of a box, and of a table of one large cell; a picture's description is none."""
    box = (
        "<hp:rect><hp:drawText><hp:subList>"
        f"{paragraph('글상자')}</hp:subList></hp:drawText><hp:shapeComment>사각형입니다."
        "</hp:shapeComment></hp:rect>"
    )
    frame = table([[(0, "긴 글입니다. " * 40)]])
    found = text_of(sections(hwpx(paragraph(box) + paragraph(frame)), "a.hwpx"))
    assert found == "글상자\n\n" + ("긴 글입니다. " * 40).strip()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"META-INF/manifest.xml": "<m><file-entry><encryption-data/></file-entry></m>"},
            EncryptedError,
        ),
        ({"Contents/section0.xml": "<hs:sec xmlns:hs='h'><p>"}, ExtractionError),
        (
            {"Contents/section0.xml": '<!DOCTYPE s [<!ENTITY a "b">]><sec>&a;</sec>'},
            ExtractionError,
        ),
        ({"Contents/section0.xml": "<p>" * 2_000}, ExtractionError),
    ],
)
def test_locked_and_damaged_hwpx(parts: dict[str, str], expected: type[Exception]) -> None:
    """A reason for each."""
    with pytest.raises(expected):
        sections(hwpx(paragraph("글"), parts=parts), "a.hwpx")


def test_hwpx_is_known_without_its_type_and_without_sections_damaged() -> None:
    """By its package; and a bomb is refused before it is unpacked."""
    found = hwpx(paragraph("글"))
    assert text_of(sections(found, "a.bin")) == "글"
    with pytest.raises(ExtractionError, match="no section"):
        sections(packed({"mimetype": "application/hwp+zip"}), "a.hwpx")
    with pytest.raises(ExtractionError, match="unpacked_bytes"):
        sections(hwpx(paragraph("글" * 500_000)), "a.hwpx", Bounds(unpacked_bytes=1_000_000))


def test_far_columns_cost_little() -> None:
    """A column that cannot be is not filled up."""
    found = text_of(sections(hwpx(paragraph(table([[(10**9, "가"), (0, "나")]]))), "a.hwpx"))
    assert len(found) < 1_000
    assert found.endswith("가 | 나")


@pytest.fixture
def unhwp() -> None:
    """What reads HWP 5 is installed."""
    pytest.importorskip("unhwp", reason="needs the extra hwp")


@pytest.mark.usefixtures("unhwp")
def test_an_outline_gives_the_headings_of_hwp() -> None:
    """Levels from 1; paragraphs, tables and sections in order."""
    table = grid([["이름", "수"], ["가", "1"], ["나", "2"]])
    data = hwp(
        line("첫째 장", 1) + line("본문입니다.") + line("둘째 절", 2) + table,
        line("다음 구역의 글.", level=0),
    )
    assert blocks(sections(data, "a.hwp")) == [
        ("첫째 장", 1, ("첫째 장",), None),
        ("본문입니다.", 0, ("첫째 장",), None),
        ("둘째 절", 2, ("첫째 장", "둘째 절"), None),
        ("이름 | 수\n가 | 1\n나 | 2", 0, ("첫째 장", "둘째 절"), None),
        ("다음 구역의 글.", 0, ("첫째 장", "둘째 절"), None),
    ]


@pytest.mark.usefixtures("unhwp")
def test_a_large_table_of_hwp_repeats_its_header() -> None:
    """As in other formats."""
    data = hwp(grid([["번호", "이름"], *([str(n), f"이름 {n}"] for n in range(500))]))
    (found,) = sections(data, "a.hwp")
    assert isinstance(found, Table)
    assert found.header == "번호 | 이름"
    assert len(list(found.rows)) == 500


@pytest.mark.usefixtures("unhwp")
@pytest.mark.parametrize(
    ("data", "expected", "said"),
    [
        (lambda: hwp(line("글"), flags=PASSWORD | 1), EncryptedError, "password"),
        (lambda: hwp(line("글"), flags=DISTRIBUTION | 1), EncryptedError, "distribution"),
        (lambda: hwp(line("글"))[:3_000], ExtractionError, "damaged"),
        (lambda: hwp(line("글"), record(67, 1, b"ab")[:-1]), ExtractionError, "damaged"),
        (lambda: b"HWP Document File V3.00 \x1a\1\2\3\4\5" + bytes(900), UnsupportedError, "3"),
    ],
)
def test_locked_damaged_and_old_hwp(
    data: Callable[[], bytes], expected: type[Exception], said: str
) -> None:
    """A reason for each, and nothing is taken by halves."""
    with pytest.raises(expected, match=said):
        sections(data(), "a.hwp")


@pytest.mark.usefixtures("unhwp")
def test_a_bomb_of_hwp_is_refused() -> None:
    """What unpacks to far more than a document is damaged."""
    with pytest.raises(ExtractionError):
        sections(hwp(record(67, 1, bytes(400_000_000))), "a.hwp")


def test_without_its_extra_hwp_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the extra; HWPX needs none."""
    monkeypatch.setitem(sys.modules, "unhwp", None)
    with pytest.raises(MissingExtraError) as raised:
        sections(hwp(line("글")), "a.hwp")
    assert raised.value.reason == "needs ingestd[hwp]"
    assert text_of(sections(hwpx(paragraph("글")), "a.hwpx")) == "글"

"""The page of benchmarks is written from results, never by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import figures, publish

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {
    "processor": "A processor",
    "cores": 2,
    "memory_gib": 24,
    "system": "Linux 6",
    "python": "3.11",
    "load": 0.1,
    "packages": {"ingestd": "1.0"},
    "rivals": {"langchain": {"langchain-core": "1.7"}},
}


def row(series: str, system: str, **values: float) -> dict[str, Any]:
    """One row of a result."""
    return {"series": series, "size": 160, "system": system, "values": values, "rounds": [{}, {}]}


RESULT: dict[str, Any] = {
    "machine": MACHINE,
    "quick": False,
    "charts": ["cold-ingest.svg"],
    "rows": [
        row("cold ingest", "ingestd", wall_s=10.0, cpu_s=12.0, hit_at_5=0.9, least_cosine=0.99998),
        row("cold ingest", "ingestd[openvino]", wall_s=8.0, cpu_s=9.0),
        row("cold ingest", "naive loop", wall_s=40.0, cpu_s=36.0, hit_at_5=0.9),
        row("save to visible", "ingestd", median_s=0.1, p95_s=0.2, p99_s=0.3, most_s=0.4),
    ],
}


def cells(text: str) -> list[list[str]]:
    """The cells of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_ratios_are_those_of_ours_to_each_rival() -> None:
    """Without and with the extra, in this order; ours itself has none."""
    heads, _, ours, extra, naive = cells(figures.series(RESULT, "cold ingest"))
    wall, cpu = heads.index("wall, ours to it"), heads.index("CPU, ours to it")
    assert (naive[wall], naive[cpu]) == ("0.25; 0.20", "0.33; 0.25")
    assert ours[wall] == extra[wall] == "-"
    assert ours[heads.index("least cosine to fp32")] == "0.99998"
    assert "MiB" not in heads


def test_waits_have_their_percentiles_and_no_ratio_where_ours_is_alone() -> None:
    """A series without rivals shows what was measured."""
    heads, _, line = cells(figures.series(RESULT, "save to visible"))
    assert heads[3:] == ["median, s", "95 %, s", "99 %, s", "longest, s"]
    assert line[3:] == ["0.100", "0.200", "0.300", "0.400"]
    with pytest.raises(LookupError, match="touch"):
        figures.series(RESULT, "touch")


def test_a_result_is_published_and_the_page_written_anew(tmp_path: Path) -> None:
    """With its charts, without single waits; a block whose result is missing stays as it is."""
    results, target = tmp_path / "results", tmp_path / "published"
    results.mkdir()
    (results / "bench.json").write_text(json.dumps(RESULT))
    (results / "cold-ingest.svg").write_text("<svg/>")
    made = publish.publish(["bench"], results, target)
    assert {file.name for file in made} == {"bench.json", "cold-ingest.svg"}
    kept = json.loads((target / "bench.json").read_text())
    assert [each["rounds"] for each in kept["rows"]] == [[]] * 4
    page = "\n".join(
        f"<!-- figures: {name} -->\nas before\n{publish.END}"
        for name in ("cold", "scale", "nobody")
    )
    text, missing = publish.rewritten(page, target)
    assert "0.25; 0.20" in text
    assert "A processor, 2 cores" in text
    assert "langchain-core 1.7" in text
    assert "![cold ingest](benchmarks/cold-ingest.svg)" in text
    assert [line.partition(":")[0] for line in missing] == ["scale", "nobody"]
    assert text.count("as before") == 2
    assert publish.rewritten(text, target)[0] == text
    with pytest.raises(LookupError, match=r"benchmarks\.scale first"):
        publish.publish(["scale"], results, target)


def test_the_page_agrees_with_what_is_published() -> None:
    """Each block of the page is known, and is what its result gives."""
    page = publish.PAGE.read_text(encoding="utf-8")
    names = [found[1] for found in publish.BLOCK.finditer(page)]
    assert sorted(names) == sorted(figures.BLOCKS)
    assert publish.rewritten(page, publish.PUBLISHED)[0] == page
